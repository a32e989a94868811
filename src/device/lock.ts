import { link, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { codeOf, messageOf } from "../core/errors.ts";
import { isRunning, removeAbandoned, uniqueName } from "./drafts.ts";
import { DeviceError } from "./errors.ts";

/**
 * Does `work` while no other process, and nobody else in this one, changes the files under `directory`, which is there. Waits for
 * the others; throws `storage-failed` when they do not end, and what `work` throws.
 */
export async function locked<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const path = join(directory, "lock");
  const own = uniqueName(path);
  try {
    await removeAbandoned(path);
    await writeFile(own, `${process.pid}\n`, { mode: 0o600, flag: "wx" });
    await acquire(path, own);
  } catch (error) {
    await rm(own, { force: true });
    if (error instanceof DeviceError) throw error;
    throw new DeviceError("storage-failed", `${directory} cannot be locked: ${messageOf(error)}`, { cause: error });
  }
  held.add(path);
  try {
    return await work();
  } finally {
    held.delete(path);
    await rm(path, { force: true });
    await rm(own, { force: true });
  }
}

async function acquire(path: string, own: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      // A link appears with its content, so nobody reads a lock that does not say yet whose it is.
      return await link(own, path);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    if (await isLeftBehind(path)) await takeAway(path, `${own}.old`);
    else if (tries === mostTries)
      throw new DeviceError(
        "storage-failed",
        `another process keeps ${path}; end it, or remove that file when there is none`,
      );
    else await pause(between);
  }
}

async function isLeftBehind(path: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(path, "latin1"));
    if (pid === process.pid ? !held.has(path) : !isRunning(pid)) return true;
    // Its number may be another process's by now, after the machine has started anew.
    return Date.now() - (await stat(path)).mtimeMs > longest;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** Of several that do this at once one has the file; whoever has caught a younger lock puts it back. */
async function takeAway(path: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
    if (!(await isLeftBehind(aside))) await link(aside, path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT" && codeOf(error) !== "EEXIST") throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/** Locks of this process. */
const held = new Set<string>();
/** Milliseconds. What is done under a lock takes a few of them, on a slow disk a few hundred. */
const longest = 60_000;
const between = 20;
const mostTries = 1500;
