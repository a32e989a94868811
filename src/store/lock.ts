import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf } from "../core/errors.ts";
import { StoreError } from "./errors.ts";
import { createPrivateFile, errorNumberOf, sqliteBusy } from "./sqlite-connection.ts";

export interface DirectoryLock {
  /** Lets others have the directory; a second call does nothing. */
  release(): void;
}

/**
 * Makes this the only process that uses the data directory `path`, created with mode 0700 when it does not exist. The
 * operating system ends the lock with the process, however it ends. Throws `data-in-use` and `store-failed`.
 */
export function lockDirectory(path: string): DirectoryLock {
  const file = join(path, "lock.db");
  let database: DatabaseSync | undefined;
  try {
    createPrivateFile(file);
    database = new DatabaseSync(file, { timeout: 0 });
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    database?.close();
    if (errorNumberOf(cause) === sqliteBusy)
      throw new StoreError(
        "data-in-use",
        `Another Hatchery process uses the data directory ${path}: stop it first, or choose another directory.`,
        { cause },
      );
    throw new StoreError("store-failed", `The data directory ${path} cannot be locked: ${messageOf(cause)}.`, {
      cause,
    });
  }
  const locked = database;
  held.add(locked);
  return {
    release() {
      if (held.delete(locked)) locked.close();
    },
  };
}

/** Garbage collection closes a database that nobody refers to, and with it would go the lock. */
const held = new Set<DatabaseSync>();
