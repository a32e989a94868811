import { rmSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import { codeOf } from "../../core/errors.ts";
import type { Randomness } from "../../core/randomness.ts";
import type { Write } from "../../core/write.ts";
import type { VaultKey } from "../../store/records.ts";
import type { Store } from "../../store/store.ts";
import { firstKeyId, keyIdOf } from "../../store/vault-keys.ts";
import { ServiceError } from "../errors.ts";
import { movePrivateFile } from "../private-file.ts";
import { type KeyRing, type Vault, vaultOver } from "../vault.ts";
import {
  areWrappedBy,
  currentOf,
  dataKeyMissing,
  newDataKey,
  retiredDataKey,
  unwrapped,
  type Wrapping,
} from "./data-key.ts";
import { newKeyFile, type VaultSource, writeKeyFile } from "./key-file.ts";
import { type VaultSettings, wrappingKey } from "./sources.ts";

/** The vault of one data directory, whose keys can be changed while it is used, here and by other services. */
export interface LiveVault extends Vault {
  readonly source: () => VaultSource;
  /** The data keys in memory; a key that retires is taken out when nothing needs it any more. */
  readonly ring: KeyRing;
  /**
   * Makes a new data key, wrapped under a new key from `source`, or under the same passphrase or environment's key when
   * none is given, and seals with it from now on; what the old one sealed still opens. `more` is committed with it. Throws
   * `rekey-under-way`, `rekey-unknown`, and what `refresh` and a wrong secret throw.
   */
  changeKey(request: KeyChange, more?: readonly Write[]): Promise<void>;
}

/** The source of the new wrapping key, as now unless given, and what it needs. */
export type KeyChange = VaultSettings;

export interface LiveVaultParts {
  /** The key file; the next one stands beside it until it is known whether it is needed. */
  readonly path: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** The vault over the data keys of `ring`, which are wrapped by `first`; it follows what the store says of them. */
export function liveVault(parts: LiveVaultParts, first: Wrapping, ring: KeyRing): LiveVault {
  const { path, store, randomness } = parts;
  const sealing = vaultOver(ring, randomness);
  let held = first;
  /** Its file is written, and it is not known that its data key was not committed. */
  let next: Wrapping | undefined;
  let changing = false;
  let changes = 0;

  function takeNext(): void {
    if (next === undefined) return;
    movePrivateFile(nextPath(path), path);
    held = next;
    next = undefined;
  }

  function discardNext(): void {
    if (next === undefined) return;
    rmSync(nextPath(path), { force: true });
    next = undefined;
  }

  function take(keys: KeyRing): void {
    changes += 1;
    for (const id of ring.keys.keys()) if (!keys.keys.has(id)) ring.keys.delete(id);
    for (const [id, key] of keys.keys) ring.keys.set(id, key);
    ring.current = keys.current;
  }

  /** The data keys in the store, which are those of the ring when this resolves. */
  async function known(): Promise<readonly VaultKey[]> {
    let seen: number;
    let rows: readonly VaultKey[];
    do {
      seen = changes;
      rows = next === undefined ? await store.vaultKeys.list() : await settledKeys(store);
    } while (seen !== changes);
    // The first key of all is in no row until it retires.
    if (rows.length === 0 && ring.current === firstKeyId) return rows;
    const { id: current } = currentOf(rows);
    if (next !== undefined && areWrappedBy(next.file, rows)) takeNext();
    if (!areWrappedBy(held.file, rows)) throw rekeyedElsewhere(path);
    const keys = rows.map((row) => [row.id, ring.keys.get(row.id) ?? unwrapped(row, held)] as const);
    take({ current, keys: new Map(keys) });
    return rows;
  }

  async function change({ source, secrets }: KeyChange, more: readonly Write[]): Promise<void> {
    const rows = await known();
    if (rows.length > 1) throw underWay();
    // What a commit of an unknown end has left and is not taken by now: nothing in the store needs it.
    discardNext();
    const id = ring.current;
    const key = ring.keys.get(id);
    if (key === undefined) throw dataKeyMissing();
    // A file's key is as old as the data key that it wraps; a passphrase is changed when its owner says so.
    const wanted = source ?? (held.file.kind === "file" ? "file" : undefined);
    const file = wanted === undefined ? held.file : newKeyFile(wanted, randomness);
    const wrapping = file === held.file ? held : { file, key: await wrappingKey(file, secrets, true) };
    const made = newDataKey(wrapping, parts);
    const retired = retiredDataKey(id, key, wrapping, randomness);
    const [row] = rows;
    const retire =
      row === undefined
        ? store.vaultKeys.insert({ id, created: parts.clock.now(), ...retired })
        : store.vaultKeys.replace(row, retired);
    if (wrapping !== held) {
      writeKeyFile(nextPath(path), file);
      next = wrapping;
    }
    try {
      await store.commit([retire, store.vaultKeys.insert(made.row), ...more]);
    } catch (error) {
      if (codeOf(error) === "commit-unknown") throw unknown(error);
      if (codeOf(error) === "guard-lost") discardNext();
      throw error;
    }
    takeNext();
    take({ current: made.row.id, keys: new Map([...ring.keys, [made.row.id, made.key]]) });
  }

  return {
    seal: sealing.seal,
    async open(purpose, sealed) {
      const id = keyIdOf(sealed);
      if (id !== undefined && !ring.keys.has(id)) await known();
      return sealing.open(purpose, sealed);
    },
    async refresh() {
      await known();
    },
    ring,
    source: () => held.file.kind,
    async changeKey(request, more = []) {
      if (changing) throw underWay();
      changing = true;
      try {
        await change(request, more);
      } finally {
        changing = false;
      }
    },
  };
}

/** Where the next key file stands until it takes the place of the one at `path`. */
export function nextPath(path: string): string {
  return `${path}.next`;
}

/**
 * The data keys, once no commit that was not answered can change them any more: commits are made one after the other, so
 * that one which changes nothing waits for it.
 */
export async function settledKeys(store: Store): Promise<readonly VaultKey[]> {
  const [row] = await store.vaultKeys.list();
  try {
    if (row !== undefined) await store.commit([store.vaultKeys.replace(row, row)]);
  } catch (error) {
    if (codeOf(error) !== "guard-lost") throw error;
  }
  return store.vaultKeys.list();
}

function underWay(): ServiceError {
  return new ServiceError(
    "rekey-under-way",
    "the vault is being re-keyed already; ask how far it is with: hatchery vault status",
  );
}

function unknown(cause: unknown): ServiceError {
  return new ServiceError(
    "rekey-unknown",
    "the connection to the database broke while the new key was committed, and nothing is lost; once the database is back ask with: hatchery vault status, and if it shows two keys, restart the service to go on",
    { cause },
  );
}

function rekeyedElsewhere(path: string): ServiceError {
  return new ServiceError(
    "rekeyed-elsewhere",
    `another service re-keyed this database; copy its vault.key to ${path} (mode 0600) and restart this service`,
  );
}
