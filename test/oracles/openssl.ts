import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

/** The openssl command in a directory of its own. */
export interface Openssl {
  readonly directory: string;
  /** What it wrote, and whether it was content. */
  run(parameters: readonly string[]): { readonly good: boolean; readonly output: string; readonly complaint: string };
  /** Writes a file, whose name may then stand in parameters. */
  file(name: string, content: string | Uint8Array): string;
  remove(): void;
}

/** Whether there is an openssl command; where there is none, and under CI=true, a test that fails says so. */
export const opensslPresent = isPresent();

export function openOpenssl(): Openssl {
  const directory = mkdtempSync(join(tmpdir(), "hatchery-oracle-"));
  return {
    directory,
    run(parameters) {
      const { status, stdout, stderr } = spawnSync("openssl", parameters, { cwd: directory, encoding: "utf8" });
      return { good: status === 0, output: stdout, complaint: stderr };
    },
    file(name, content) {
      writeFileSync(join(directory, name), content);
      return name;
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
}

function isPresent(): boolean {
  if (spawnSync("openssl", ["version"]).status === 0) return true;
  console.log("There is no openssl command: the tests that ask it do not run. Install the package openssl.");
  if (process.env["CI"] === "true")
    test("fail/the openssl command is missing", () => {
      throw new Error("CI needs the openssl command: install the package openssl.");
    });
  return false;
}
