import { type FileHandle, mkdir, open, readdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { codeOf, messageOf } from "../core/errors.ts";
import { removeAbandoned, uniqueName } from "./drafts.ts";
import { DeviceError } from "./errors.ts";
import { requireOwn, requireOwnPath } from "./ownership.ts";

/**
 * Makes `path` hold exactly `bytes`, mode 0600 unless `mode` says otherwise: a reader, or a machine that lost its power,
 * sees the old file or the new one, never a part. Follows no link, but replaces it. Resolves when the change is on the disk;
 * throws `storage-failed`.
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array | string, mode = 0o600): Promise<void> {
  const draft = uniqueName(path);
  try {
    await removeAbandoned(path);
    await writeDurably(draft, bytes, mode);
    await rename(draft, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw new DeviceError("storage-failed", `${path} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * The content of a file, or undefined when there is none. Throws `storage-open-to-others` when somebody else could have
 * written it, else `storage-failed`.
 */
export async function readFileIfThere(path: string): Promise<Buffer | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    // Of the open file, so that what was checked is what is read.
    requireOwn(path, await file.stat());
    return await file.readFile();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    if (error instanceof DeviceError) throw error;
    throw new DeviceError("storage-failed", `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  } finally {
    await file?.close();
  }
}

/** Makes a directory of mode 0700 unless it is there, which then has to be this user's own, as in `requireOwnPath`. */
export async function makeOwnDirectory(path: string): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    // Each directory that was made is an entry of the one above, which has to be on the disk too.
    for (let made = resolve(path); first !== undefined; made = dirname(made)) {
      await syncDirectory(dirname(made));
      if (made === resolve(first)) break;
    }
  } catch (error) {
    throw new DeviceError("storage-failed", `${path} cannot be made: ${messageOf(error)}`, { cause: error });
  }
  await requireOwnPath(path);
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

  /**
   * Writes a new set, makes it current and removes the sets before the previous one. Every file has mode 0600. Throws
   * `storage-open-to-others` or `storage-failed`, and what was current is so still.
   */
  async replace(files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
    const sets = join(this.#directory, "sets");
    await makeOwnDirectory(this.#directory);
    await makeOwnDirectory(sets);
    try {
      await this.#replaceIn(sets, files);
    } catch (error) {
      const sentence = `${this.#directory} cannot be written: ${messageOf(error)}`;
      throw new DeviceError("storage-failed", sentence, { cause: error });
    }
  }

  /** A file of the current set, or undefined when there is no set yet. Throws as `readFileIfThere` does. */
  async read(name: string): Promise<Buffer | undefined> {
    return (await this.readTogether([name]))?.[name];
  }

  /**
   * Files of one set, those that it has, whatever is made current meanwhile; undefined when there is no set yet. Throws as
   * `readFileIfThere` does.
   */
  async readTogether<Name extends string>(
    names: readonly Name[],
  ): Promise<{ readonly [name in Name]?: Buffer } | undefined> {
    await requireOwnPath(this.#directory);
    for (;;) {
      const set = await this.#current();
      if (set === undefined) return undefined;
      await requireOwnPath(set);
      const files: { [name in Name]?: Buffer } = {};
      for (const name of names) {
        const content = await readFileIfThere(join(set, name));
        if (content !== undefined) files[name] = content;
      }
      // A set goes when two others have followed: then what is missing may have been there.
      if (names.every((name) => files[name] !== undefined) || (await this.#current()) === set) return files;
    }
  }

  /** Where the link leads: followed once, so that everything comes from the same set. */
  async #current(): Promise<string | undefined> {
    const link = join(this.#directory, "current");
    await requireOwnPath(link);
    try {
      return resolve(this.#directory, await readlink(link));
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      // A copy of the files without links has one set.
      if (codeOf(error) === "EINVAL") return link;
      throw new DeviceError("storage-failed", `${link} cannot be read: ${messageOf(error)}`, { cause: error });
    }
  }

  async #replaceIn(sets: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<void> {
    const numbers = (await readdir(sets))
      .flatMap((name) => (/^\d{1,9}$/.test(name) ? [Number(name)] : []))
      .sort((a, b) => a - b);
    const number = (numbers.at(-1) ?? 0) + 1;
    const set = join(sets, String(number));
    const before = await this.#current();
    const link = join(this.#directory, "current");
    const draft = uniqueName(link);
    await removeAbandoned(link);
    await mkdir(set, { mode: 0o700 });
    try {
      for (const [name, content] of Object.entries(files)) await writeDurably(join(set, name), content, 0o600);
      await syncDirectory(set);
      await syncDirectory(sets);
      await symlink(join("sets", String(number)), draft);
      await rename(draft, link);
    } catch (error) {
      // On a full disk every try would leave a little more.
      for (const path of [draft, set]) await rm(path, { recursive: true, force: true }).catch(() => {});
      throw error;
    }
    await syncDirectory(this.#directory);
    // The set before stays for a reader that followed the link a moment ago.
    for (const old of numbers.map((each) => join(sets, String(each))))
      if (resolve(old) !== before) await rm(old, { recursive: true, force: true });
  }
}

async function writeDurably(path: string, bytes: Uint8Array | string, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
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
