import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { codeOf } from "../core/errors.ts";
import { replacePrivateFile } from "./private-file.ts";

/**
 * Where the data directory's records are when they are not in it, as `noteDatabase` has left it; undefined without a note,
 * and when it cannot be understood. Throws the file system's errors.
 */
export function notedDatabase(data: string): string | undefined {
  try {
    return note.parse(JSON.parse(readFileSync(fileIn(data), "utf8"))).database;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

/** Notes that the records are in the database `shown`, a URL without its password. Throws the file system's errors. */
export function noteDatabase(data: string, shown: string): void {
  if (notedDatabase(data) !== shown)
    replacePrivateFile(fileIn(data), `${JSON.stringify({ database: shown }, undefined, 2)}\n`);
}

function fileIn(data: string): string {
  return join(data, "database.json");
}

const note = z.strictObject({ database: z.string().min(1) });
