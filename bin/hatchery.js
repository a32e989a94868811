#!/usr/bin/env node
// Plain ES2020 up to the version check, so that an old Node.js prints a sentence and not a syntax error.
import "./check-node.js";
import { existsSync } from "node:fs";

// A clone runs its sources; the published package has no src directory, because Node.js strips no types in node_modules.
const source = new URL("../src/cli/main.ts", import.meta.url);
const program = existsSync(source) ? source : new URL("../dist/cli/main.js", import.meta.url);

import(program.href)
  .then(({ main }) => main(process.argv.slice(2)))
  .then((code) => {
    process.exitCode = code;
  });
