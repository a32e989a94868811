import { readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { codeOf } from "../core/errors.ts";

/** A name beside `path` that no other writer takes, and that says whose it is to `removeAbandoned`. */
export function uniqueName(path: string): string {
  count += 1;
  return `${path}.${process.pid}-${began}-${count}.new`;
}

/** Removes what was written under such names by processes that have ended before they could; throws the system's errors. */
export async function removeAbandoned(path: string): Promise<void> {
  const directory = dirname(path);
  for (const name of await readdir(directory)) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const [, pid, begin] = pattern.exec(name.slice(basename(path).length)) ?? [];
    // In a container every process may have the same number.
    const isOwn = Number(pid) === process.pid;
    if (pid !== undefined && (isOwn ? Number(begin) !== began : !isRunning(Number(pid))))
      await rm(join(directory, name), { force: true });
  }
}

/** Whether there is a process with this number. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== "ESRCH";
  }
}

let count = 0;
/** Tells this process from an earlier one with its number. */
const began = Math.round(performance.timeOrigin);
const pattern = /^\.([1-9]\d{0,9})-(\d{1,15})-\d+\.new(?:\.old)?$/;
