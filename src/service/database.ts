import { existsSync } from "node:fs";
import { join } from "node:path";
import { StoreError } from "../store/errors.ts";
import { openPostgresStore } from "../store/postgres.ts";
import { parsePostgresUrl } from "../store/postgres-url.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { noteDatabase, notedDatabase } from "./database-note.ts";

export interface OpenDatabase {
  readonly store: Store;
  /** Where it is, for people; holds no password. */
  readonly shown: string;
  /** Notes in the data directory which database its records are in; for when the vault has proved that it is the right one. */
  readonly note: () => void;
}

/**
 * Opens the store in the PostgreSQL database of `url`, or in the data directory's own file when there is none. A database that
 * is gone is not made anew: devices that trust the root in it would be left behind. Each first start makes the database
 * before the vault's key, so one that was killed is no such case. Throws what the store throws.
 */
export async function openDatabase(data: string, url: string | undefined): Promise<OpenDatabase> {
  const vaultKey = join(data, "vault.key");
  const sealedBefore = existsSync(vaultKey);
  if (url !== undefined) {
    const settings = parsePostgresUrl(url);
    try {
      const store = await openPostgresStore(settings, { create: !sealedBefore });
      return { store, shown: settings.shown, note: () => noteDatabase(data, settings.shown) };
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "store-missing") throw error;
      throw missing(
        `the database ${settings.shown} is empty, and ${vaultKey} belongs to another one; name that one, restore both from one backup, or choose an empty data directory to begin anew with another CA`,
      );
    }
  }
  const noted = notedDatabase(data);
  if (noted !== undefined)
    throw missing(
      `the records of this data directory are in PostgreSQL (${noted}): give --database or HATCHERY_DATABASE`,
    );
  const file = join(data, "hatchery.db");
  if (sealedBefore && !existsSync(file))
    throw missing(
      `the database ${file} is gone; restore the whole data directory from one backup, name the PostgreSQL database with --database if its records are in one, or choose an empty data directory to begin anew with another CA`,
    );
  return { store: await openSqliteStore(file), shown: file, note: () => {} };
}

function missing(sentence: string): StoreError {
  return new StoreError("store-missing", sentence);
}
