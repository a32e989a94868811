import { subscribe } from "node:diagnostics_channel";
import { writeFileSync } from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

/**
 * Loaded before a device: kills this very process after the step number HATCHERY_TEST_STEP of what an enrolment does with
 * its files and its connection. A process that ends by itself writes the names of its steps to HATCHERY_TEST_STEPS.
 */
const directory = process.env["HATCHERY_TEST_DIRECTORY"] ?? "";
const fatal = Number(process.env["HATCHERY_TEST_STEP"]);
const names: string[] = [];

function step(name: string): void {
  names.push(name);
  if (names.length === fatal) process.kill(process.pid, "SIGKILL");
}

function followed<Arguments extends readonly unknown[], Result>(
  name: string,
  operation: (...given: Arguments) => Promise<Result>,
): (...given: Arguments) => Promise<Result> {
  return async (...given) => {
    const result = await operation(...given);
    const own = given.find((each) => typeof each === "string" && each.startsWith(directory));
    // Directories are opened to be flushed, which changes nothing that a reader could see.
    if (typeof own === "string" && given[1] !== "r") step(`${name} ${own.slice(directory.length + 1)}`);
    return result;
  };
}

Object.assign(promises, {
  mkdir: followed("mkdir", promises.mkdir),
  // A file that was opened and not written yet.
  open: followed("open", promises.open),
  rename: followed("rename", promises.rename),
  rm: followed("rm", promises.rm),
  symlink: followed("symlink", promises.symlink),
});
syncBuiltinESMExports();

subscribe("http.client.request.start", () => step("request"));
subscribe("http.client.response.finish", () => step("answer"));

process.on("exit", () => writeFileSync(process.env["HATCHERY_TEST_STEPS"] ?? "", JSON.stringify(names)));
