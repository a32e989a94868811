import { lstat, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { codeOf, messageOf } from "../core/errors.ts";
import { CliError } from "./errors.ts";

/** The content of a file of at most `limit` bytes; throws `file-unreadable`. */
export async function readSmallFile(file: string, limit: number): Promise<Buffer> {
  try {
    if ((await stat(file)).size > limit) throw new RangeError(`it has more than ${limit} bytes`);
    return await readFile(file);
  } catch (cause) {
    throw new CliError("file-unreadable", fileTrouble(file, "read", cause), { cause });
  }
}

/** Why a file cannot be read or written, in one sentence; what a person may mend is said without the system's own words. */
export function fileTrouble(file: string, wanted: "read" | "written", cause: unknown): string {
  switch (codeOf(cause)) {
    case "ENOENT":
    case "ENOTDIR":
      return wanted === "read"
        ? `there is no file ${file}`
        : `${file} cannot be written: there is no directory ${dirname(file)}`;
    case "EISDIR":
      return `${file} is a directory; name a file`;
    case "EACCES":
    case "EPERM":
      return `${file} may not be ${wanted} by this user`;
    default:
      return `${file} cannot be ${wanted}: ${messageOf(cause)}`;
  }
}

/**
 * Makes a file hold exactly `text`, whole or not at all, readable by the user alone unless `mode` says otherwise. Follows
 * no link and replaces nothing but a regular file; throws `file-unwritable`.
 */
export async function writeText(file: string, text: string, mode = 0o600): Promise<void> {
  // A link that somebody else put there would have its target emptied, and a device such as /dev/null would be replaced.
  if ((await kindOf(file)) === "other")
    throw new CliError("file-unwritable", `${file} is not a regular file; choose another name, or remove it first`);
  const { writeFileAtomically } = await import("../device/files.ts");
  try {
    await writeFileAtomically(file, text, mode);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.cause : cause;
    throw new CliError("file-unwritable", fileTrouble(file, "written", reason), { cause });
  }
}

async function kindOf(file: string): Promise<"absent" | "regular" | "other"> {
  try {
    return (await lstat(file)).isFile() ? "regular" : "other";
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return "absent";
    throw new CliError("file-unwritable", fileTrouble(file, "written", cause), { cause });
  }
}
