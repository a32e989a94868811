import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes `path` hold exactly `content`, mode 0600, whole or not at all, and on the disk when it returns. The directory has to
 * belong to this process alone. Throws the file system's errors.
 */
export function replacePrivateFile(path: string, content: Uint8Array | string): void {
  const draft = `${path}.new`;
  rmSync(draft, { force: true });
  const file = openSync(draft, "wx", 0o600);
  try {
    writeSync(file, typeof content === "string" ? new TextEncoder().encode(content) : content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  movePrivateFile(draft, path);
}

/** Gives the file another name, replacing what has it, and lasts once this returns. Throws the file system's errors. */
export function movePrivateFile(from: string, to: string): void {
  renameSync(from, to);
  const directory = openSync(dirname(to), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
