// npm run build: JavaScript and types for the published package, in dist/.
import "./check-node.js";

const { existsSync, readFileSync, rmSync } = await import("node:fs");
const { join } = await import("node:path");
const { node, root } = await import("./child.js");

rmSync(join(root, "dist"), { recursive: true, force: true });
const { code } = await node(["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"]);

const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const promised = Object.values(exports).flatMap((target) =>
  typeof target === "string" ? [target] : Object.values(target),
);
// What bin/hatchery.js loads where there is no src.
const missing = ["./dist/cli/main.js", ...promised].filter((path) => !existsSync(join(root, path)));
for (const path of missing) console.log(`${path} is missing after the build.`);
process.exitCode = code === 0 && missing.length === 0 ? 0 : 1;
