import { existsSync } from "node:fs";
import { join } from "node:path";
import { StoreError } from "../store/errors.ts";
import { openPostgresStore } from "../store/postgres.ts";
import { parsePostgresUrl } from "../store/postgres-url.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";

export interface OpenDatabase {
  readonly store: Store;
  /** Where it is, for people; holds no password. */
  readonly shown: string;
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
      return { store: await openPostgresStore(settings, { create: !sealedBefore }), shown: settings.shown };
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "store-missing") throw error;
      throw missing(
        `the database ${settings.shown} is empty, and ${vaultKey} belongs to another one; name that one, restore both from one backup, or choose an empty data directory to begin anew with another CA`,
      );
    }
  }
  const file = join(data, "hatchery.db");
  if (sealedBefore && !existsSync(file))
    throw missing(
      `the database ${file} is gone; restore the whole data directory from one backup, or remove ${vaultKey} to begin anew with another CA`,
    );
  return { store: await openSqliteStore(file), shown: file };
}

function missing(sentence: string): StoreError {
  return new StoreError("store-missing", sentence);
}
