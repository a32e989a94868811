import type { Stats } from "node:fs";
import { lstat, stat } from "node:fs/promises";
import { codeOf, messageOf } from "../core/errors.ts";
import { DeviceError } from "./errors.ts";

/**
 * Throws `storage-open-to-others` when `path`, or what it links to, belongs to another user than this process's and root, or
 * when other users may write it. That nothing is there is fine. Does not look at the directories above it.
 */
export async function requireOwnPath(path: string): Promise<void> {
  try {
    const entry = await lstat(path);
    requireOwn(path, entry);
    if (entry.isSymbolicLink()) requireOwn(path, await stat(path));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    if (error instanceof DeviceError) throw error;
    throw new DeviceError("storage-failed", `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** The same for what was already looked at; `user` is undefined where files have no owner. */
export function requireOwn(path: string, entry: Stats, user = process.getuid?.()): void {
  if (user === undefined) return;
  if (entry.uid !== user && entry.uid !== root) {
    const sentence = `${path} belongs to another user (${entry.uid}), who could put another key there; choose a directory of your own`;
    throw new DeviceError("storage-open-to-others", sentence);
  }
  // The mode of a link says nothing: who may write its directory may replace it.
  if (!entry.isSymbolicLink() && (entry.mode & writeByOthers) !== 0)
    throw new DeviceError(
      "storage-open-to-others",
      `other users may write ${path}; forbid it with: chmod go-w ${path}`,
    );
}

const root = 0;
const writeByOthers = 0o022;
