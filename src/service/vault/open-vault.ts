import { createSecretKey } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { hex, utf8 } from "../../core/bytes.ts";
import type { Clock } from "../../core/clock.ts";
import { codeOf } from "../../core/errors.ts";
import type { Randomness } from "../../core/randomness.ts";
import type { Write } from "../../core/write.ts";
import { open, seal } from "../../crypto/seal.ts";
import type { VaultKey } from "../../store/records.ts";
import type { Store } from "../../store/store.ts";
import { firstKeyId, keyIdLength } from "../../store/vault-keys.ts";
import { ServiceError } from "../errors.ts";
import { movePrivateFile } from "../private-file.ts";
import { type KeyRing, keyPurpose, sessionPurpose, type Vault, vaultOver } from "../vault.ts";
import { type KeyFile, newKeyFile, readKeyFile, type SecretKey, type VaultSource, writeKeyFile } from "./key-file.ts";
import { type VaultSettings, wrappingKey, wrongKey } from "./sources.ts";

export interface VaultOptions extends VaultSettings {
  /** The data directory. */
  readonly directory: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** The vault of one data directory, whose keys can be changed while it is used. */
export interface OpenVault extends Vault {
  readonly source: () => VaultSource;
  /** The data keys in memory; a key that retires is taken out when nothing needs it any more. */
  readonly ring: KeyRing;
  /**
   * Makes a new data key, wrapped under a new key from `source`, or under the same passphrase or environment's key when
   * none is given, and seals with it from now on; what the old one sealed still opens. `more` is committed with it. Throws
   * `rekey-under-way`, and what a wrong secret throws.
   */
  changeKey(request: KeyChange, more?: readonly Write[]): Promise<void>;
}

/** The source of the new wrapping key, as now unless given, and what it needs. */
export type KeyChange = VaultSettings;

/**
 * The vault whose wrapping key `vault.key` of the data directory tells of and whose data keys, wrapped under it, are in the
 * store. Makes both when nothing was sealed yet. Throws `key-file-missing`, `key-file-open-to-others`, `key-file-broken`,
 * `key-file-changed`, `vault-source-differs`, and what a missing or wrong secret throws; never makes a second key.
 */
export async function openVault(options: VaultOptions): Promise<OpenVault> {
  const { store, directory } = options;
  const path = join(directory, "vault.key");
  const rows = await store.vaultKeys.list();
  if (rows.length > 0) return openKnown(options, path, rows);
  const sealedBefore = (await store.vaultKeys.count(firstKeyId)) > 0;
  const file = readKeyFile(path);
  if (!sealedBefore) return openNew(options, path, file);
  if (file === undefined) throw missing(path);
  return openFirst(options, path, file);
}

/** The vault of a directory in which nothing was sealed yet; a first start that was killed may have left its file. */
async function openNew(options: VaultOptions, path: string, left: KeyFile | undefined): Promise<OpenVault> {
  const { store, clock, randomness, secrets } = options;
  const source = options.source ?? "file";
  const file = left?.kind === source ? left : newKeyFile(source, randomness);
  const wrapping = await wrappingKey(file, secrets, true);
  if (file !== left) writeKeyFile(path, file);
  const { row, key } = newDataKey(file, wrapping, clock, randomness);
  await store.commit([store.vaultKeys.insert(row)]);
  return opened(options, path, { file, wrapping }, { current: row.id, keys: new Map([[row.id, key]]) });
}

async function openKnown(options: VaultOptions, path: string, rows: readonly VaultKey[]): Promise<OpenVault> {
  const file = fileOf(rows, path);
  requireSource(options, file);
  const wrapping = await wrappingKey(file, options.secrets, false);
  const keys = new Map(rows.map((row) => [row.id, unwrapped(row, file, wrapping)] as const));
  const current = rows.find(({ state }) => state === "current");
  if (current === undefined)
    throw new ServiceError("key-file-changed", "the store has lost the vault's data key; restore it from a backup");
  return opened(options, path, { file, wrapping }, { current: current.id, keys });
}

/** A directory from before data keys had ids: what its one key sealed opens, and is sealed anew under a data key. */
async function openFirst(options: VaultOptions, path: string, file: KeyFile): Promise<OpenVault> {
  requireSource(options, file);
  if (file.kind !== "file") throw changed(path);
  const ring = { current: firstKeyId, keys: new Map([[firstKeyId, file.key]]) };
  const vault = opened(options, path, { file, wrapping: file.key }, ring);
  // Before anything is built on the key: it may be another installation's.
  const { keys, sessions } = await options.store.vaultKeys.sealedWith(firstKeyId, 1);
  try {
    for (const { tenant, name, sealed } of keys) vault.open(keyPurpose(tenant, name), sealed);
    for (const { tenant, protocol, key, data } of sessions) vault.open(sessionPurpose(tenant, protocol, key), data);
  } catch (cause) {
    throw codeOf(cause) === "seal-broken" ? changed(path) : cause;
  }
  await vault.changeKey({ source: "file", secrets: options.secrets });
  return vault;
}

interface Wrapping {
  readonly file: KeyFile;
  readonly wrapping: SecretKey;
}

function opened(options: VaultOptions, path: string, first: Wrapping, ring: KeyRing): OpenVault {
  const { store, clock, randomness } = options;
  let { file, wrapping } = first;
  let changing = false;
  const change = async ({ source, secrets }: KeyChange, more: readonly Write[]) => {
    // A file's key is as old as the data key that it wraps; a passphrase is changed when its owner says so.
    const wanted = source ?? (file.kind === "file" ? "file" : undefined);
    const next = wanted === undefined ? file : newKeyFile(wanted, randomness);
    const nextWrapping = next === file ? wrapping : await wrappingKey(next, secrets, true);
    const { row, key } = newDataKey(next, nextWrapping, clock, randomness);
    const nextPath = `${path}.next`;
    if (next !== file) writeKeyFile(nextPath, next);
    await store.commit([...(await retire(ring, next, nextWrapping, options)), store.vaultKeys.insert(row), ...more]);
    ring.keys.set(row.id, key);
    ring.current = row.id;
    if (next !== file) movePrivateFile(nextPath, path);
    file = next;
    wrapping = nextWrapping;
  };
  return {
    ...vaultOver(ring, randomness),
    ring,
    source: () => file.kind,
    async changeKey(request, more = []) {
      if (changing || ring.keys.size > 1)
        throw new ServiceError(
          "rekey-under-way",
          "the vault is being re-keyed already; ask how far it is with: hatchery vault status",
        );
      changing = true;
      try {
        await change(request, more);
      } finally {
        changing = false;
      }
    },
  };
}

/** Wraps the key that seals until now under the next wrapping key, for as long as something needs it. */
async function retire(
  ring: KeyRing,
  file: KeyFile,
  wrapping: SecretKey,
  options: VaultOptions,
): Promise<readonly Write[]> {
  const { store, clock, randomness } = options;
  const id = ring.current;
  const key = ring.keys.get(id);
  if (key === undefined) return [];
  const retired = {
    state: "retiring",
    keyFile: file.fingerprint,
    wrapped: seal(wrapping, key.export(), wrapPurpose(id), randomness),
  } as const;
  const row = (await store.vaultKeys.list()).find((each) => each.id === id);
  return [
    row === undefined
      ? store.vaultKeys.insert({ id, created: clock.now(), ...retired })
      : store.vaultKeys.replace(row, retired),
  ];
}

/**
 * The key file whose key wraps the data keys. A crash between the commit of a new wrapping and the renaming of its file
 * leaves that file under its second name; a crash before the commit leaves one there that nothing needs.
 */
function fileOf(rows: readonly VaultKey[], path: string): KeyFile {
  const fits = (file: KeyFile | undefined) => rows.every(({ keyFile }) => keyFile === file?.fingerprint);
  const nextPath = `${path}.next`;
  const file = readKeyFile(path);
  if (file !== undefined && fits(file)) {
    rmSync(nextPath, { force: true });
    return file;
  }
  const next = readKeyFile(nextPath);
  if (next !== undefined && fits(next)) {
    movePrivateFile(nextPath, path);
    return next;
  }
  throw file === undefined ? missing(path) : changed(path);
}

function newDataKey(file: KeyFile, wrapping: SecretKey, clock: Clock, randomness: Randomness) {
  const id = hex(randomness.bytes(keyIdLength));
  const bytes = randomness.bytes(keyLength);
  const wrapped = seal(wrapping, bytes, wrapPurpose(id), randomness);
  const row: VaultKey = { id, state: "current", keyFile: file.fingerprint, wrapped, created: clock.now() };
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return { row, key };
}

function unwrapped({ id, wrapped }: VaultKey, file: KeyFile, wrapping: SecretKey): SecretKey {
  try {
    return createSecretKey(open(wrapping, wrapped, wrapPurpose(id)));
  } catch (cause) {
    throw codeOf(cause) === "seal-broken" ? wrongKey(file.kind, cause) : cause;
  }
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
    `the key file ${path} is not the one of this store: one of them was changed; restore the whole data directory from one backup`,
  );
}

function wrapPurpose(id: string): Uint8Array {
  return utf8(`vault-key/${id}`);
}

const keyLength = 32;
