import { readFile, stat, writeFile } from "node:fs/promises";
import { messageOf } from "../core/errors.ts";
import { CliError } from "./errors.ts";

/** The content of a file of at most `limit` bytes; throws `file-unreadable`. */
export async function readSmallFile(file: string, limit: number): Promise<Buffer> {
  try {
    if ((await stat(file)).size > limit) throw new RangeError(`it has more than ${limit} bytes`);
    return await readFile(file);
  } catch (cause) {
    throw new CliError("file-unreadable", `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** Writes a file that names the user as its only reader unless `mode` says otherwise; throws `file-unwritable`. */
export async function writeText(file: string, text: string, mode = 0o600): Promise<void> {
  try {
    await writeFile(file, text, { mode });
  } catch (cause) {
    throw new CliError("file-unwritable", `${file} cannot be written: ${messageOf(cause)}`, { cause });
  }
}
