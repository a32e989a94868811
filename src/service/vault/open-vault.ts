import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { codeOf } from "../../core/errors.ts";
import type { Randomness } from "../../core/randomness.ts";
import type { VaultKey } from "../../store/records.ts";
import type { Store } from "../../store/store.ts";
import { firstKeyId } from "../../store/vault-keys.ts";
import { ServiceError } from "../errors.ts";
import { movePrivateFile } from "../private-file.ts";
import { keyPurpose, sessionPurpose } from "../vault.ts";
import { areWrappedBy, currentOf, dataKeyMissing, newDataKey, unwrapped } from "./data-key.ts";
import { type KeyFile, newKeyFile, readKeyFile, writeKeyFile } from "./key-file.ts";
import { type LiveVault, liveVault, nextPath, settledKeys } from "./live-vault.ts";
import { type VaultSettings, wrappingKey } from "./sources.ts";

export interface VaultOptions extends VaultSettings {
  /** The data directory. */
  readonly directory: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/**
 * The vault whose wrapping key `vault.key` of the data directory tells of and whose data keys, wrapped under it, are in the
 * store. Makes both when nothing was sealed yet. Throws `key-file-missing`, `key-file-open-to-others`, `key-file-broken`,
 * `key-file-changed`, `data-key-missing`, `vault-source-differs`, and what a missing or wrong secret throws; never makes a
 * second key.
 */
export async function openVault(options: VaultOptions): Promise<LiveVault> {
  const { vaultKeys } = options.store;
  const path = join(options.directory, "vault.key");
  const rows = existsSync(nextPath(path)) ? await settledKeys(options.store) : await vaultKeys.list();
  if (rows.length > 0) return openKnown(options, path, rows);
  if (await vaultKeys.anySealed()) throw dataKeyMissing();
  const file = readKeyFile(path);
  if ((await vaultKeys.count(firstKeyId)) === 0) return openNew(options, path, file);
  if (file === undefined) throw missing(path);
  return openFirst(options, path, file);
}

/** The vault of a directory in which nothing was sealed yet; a first start that was killed may have left its file. */
async function openNew(options: VaultOptions, path: string, left: KeyFile | undefined): Promise<LiveVault> {
  const { store, randomness, secrets } = options;
  if (left !== undefined) requireSource(options, left);
  const file = left ?? newKeyFile(options.source ?? "file", randomness);
  const wrapping = { file, key: await wrappingKey(file, secrets, true) };
  if (file !== left) writeKeyFile(path, file);
  const { row, key } = newDataKey(wrapping, options);
  await store.commit([store.vaultKeys.insert(row)]);
  return liveVault({ ...options, path }, wrapping, { current: row.id, keys: new Map([[row.id, key]]) });
}

async function openKnown(options: VaultOptions, path: string, rows: readonly VaultKey[]): Promise<LiveVault> {
  const file = fileOf(rows, path);
  requireSource(options, file);
  const wrapping = { file, key: await wrappingKey(file, options.secrets, false) };
  const keys = new Map(rows.map((row) => [row.id, unwrapped(row, wrapping)] as const));
  return liveVault({ ...options, path }, wrapping, { current: currentOf(rows).id, keys });
}

/** A directory from before data keys had ids: what its one key sealed opens, and is sealed anew under a data key. */
async function openFirst(options: VaultOptions, path: string, file: KeyFile): Promise<LiveVault> {
  requireSource(options, file);
  if (file.kind !== "file") throw changed(path);
  const ring = { current: firstKeyId, keys: new Map([[firstKeyId, file.key]]) };
  const vault = liveVault({ ...options, path }, { file, key: file.key }, ring);
  // Before anything is built on the key: it may be another installation's.
  const { keys, sessions } = await options.store.vaultKeys.sealedWith(firstKeyId, 1);
  try {
    for (const { tenant, name, sealed } of keys) await vault.open(keyPurpose(tenant, name), sealed);
    for (const { tenant, protocol, key, data } of sessions)
      await vault.open(sessionPurpose(tenant, protocol, key), data);
  } catch (cause) {
    throw codeOf(cause) === "seal-broken" ? changed(path) : cause;
  }
  await vault.changeKey({ source: "file", secrets: options.secrets });
  return vault;
}

/**
 * The key file whose key wraps the data keys. A crash between the commit of a new wrapping and the renaming of its file
 * leaves that file under its second name; a crash before the commit leaves one there that nothing needs.
 */
function fileOf(rows: readonly VaultKey[], path: string): KeyFile {
  const file = readKeyFile(path);
  if (file !== undefined && areWrappedBy(file, rows)) {
    rmSync(nextPath(path), { force: true });
    return file;
  }
  const next = readKeyFile(nextPath(path));
  if (next !== undefined && areWrappedBy(next, rows)) {
    movePrivateFile(nextPath(path), path);
    return next;
  }
  throw file === undefined ? missing(path) : changed(path);
}

function requireSource({ source }: VaultOptions, file: KeyFile): void {
  if (source === undefined || source === file.kind) return;
  throw new ServiceError(
    "vault-source-differs",
    `this vault has its key from: ${file.kind}; start without --vault, then change it with: hatchery vault rekey --to ${source}`,
  );
}

function missing(path: string): ServiceError {
  return new ServiceError(
    "key-file-missing",
    `there is no ${path}, which opens the keys in the database; copy the vault.key of a service that runs on it, or of the backup`,
  );
}

function changed(path: string): ServiceError {
  return new ServiceError(
    "key-file-changed",
    `the key file ${path} is not the one of this store: copy the vault.key of the service that re-keyed the database, or restore both from one backup`,
  );
}
