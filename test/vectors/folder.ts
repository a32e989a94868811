import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
const folder = resolve(root, process.env["HATCHERY_VECTORS"] ?? "../shared/vectors");

/**
 * Whether the folder of foreign vectors is there. Without it the tests that need it are not defined; `npm test` says so in
 * one line, and fails under `CI=true`.
 */
export const vectorsPresent: boolean = existsSync(folder);

/** The names of the JSON files in a folder below the vectors, in order. Throws Node's error when it is missing. */
export function vectorFiles(path: string): readonly string[] {
  return readdirSync(join(folder, path))
    .filter((name) => name.endsWith(".json"))
    .sort();
}

/** A JSON file of the vectors, read in place, taken for a `T` without a check. Throws Node's error when it is missing. */
export function readVectors<T>(path: string): T {
  return JSON.parse(readFileSync(join(folder, path), "utf8")) as T;
}
