import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { DeviceError } from "./errors.ts";

/**
 * Makes `path` hold exactly `bytes`, mode 0600: a reader, or a machine that lost its power, sees the old file or the new
 * one, never a part. Resolves when the change is on the disk.
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array | string): Promise<void> {
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  await writeDurably(draft, bytes);
  await rename(draft, path);
  await syncDirectory(dirname(path));
}

/** The content of a file, or undefined when there is none. */
export async function readFileIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new DeviceError("storage-failed", `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * A set of files that change together: each set is a directory of its own, and `current` is a symbolic link to the one
 * that holds. Moving the link is the one moment of change.
 */
export class FileSets {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Writes a new set, makes it current and removes the sets before the previous one. Every file has mode 0600. */
  async replace(files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
    const sets = join(this.#directory, "sets");
    await mkdir(sets, { recursive: true, mode: 0o700 });
    const numbers = (await readdir(sets))
      .flatMap((name) => (/^\d{1,9}$/.test(name) ? [Number(name)] : []))
      .sort((a, b) => a - b);
    const number = (numbers.at(-1) ?? 0) + 1;
    const set = join(sets, String(number));
    await mkdir(set, { mode: 0o700 });
    for (const [name, content] of Object.entries(files)) await writeDurably(join(set, name), content);
    await syncDirectory(set);
    await syncDirectory(sets);
    const link = join(this.#directory, "current");
    await rm(`${link}.new`, { force: true });
    await symlink(join("sets", String(number)), `${link}.new`);
    await rename(`${link}.new`, link);
    await syncDirectory(this.#directory);
    // The set before stays for a reader that followed the link a moment ago.
    for (const old of numbers.slice(0, -1)) await rm(join(sets, String(old)), { recursive: true, force: true });
  }

  /** A file of the current set, or undefined when there is no set yet. */
  async read(name: string): Promise<Buffer | undefined> {
    return readFileIfThere(join(this.#directory, "current", name));
  }

  /** Path of the current set, for people. */
  get path(): string {
    return join(this.#directory, "current");
  }
}

async function writeDurably(path: string, bytes: Uint8Array | string): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "wx", 0o600);
    await file.writeFile(bytes);
    await file.sync();
  } catch (error) {
    throw new DeviceError("storage-failed", `${path} cannot be written: ${messageOf(error)}`, { cause: error });
  } finally {
    await file?.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
