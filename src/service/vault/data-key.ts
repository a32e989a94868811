import { createSecretKey } from "node:crypto";
import { hex, utf8 } from "../../core/bytes.ts";
import type { Clock } from "../../core/clock.ts";
import { codeOf } from "../../core/errors.ts";
import type { Randomness } from "../../core/randomness.ts";
import { open, seal } from "../../crypto/seal.ts";
import type { VaultKey } from "../../store/records.ts";
import { keyIdLength } from "../../store/vault-keys.ts";
import { ServiceError } from "../errors.ts";
import type { KeyFile, SecretKey } from "./key-file.ts";
import { wrongKey } from "./sources.ts";

/** A key under which data keys are wrapped, and the file that tells of it. */
export interface Wrapping {
  readonly file: KeyFile;
  readonly key: SecretKey;
}

interface Surroundings {
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** A new current data key, and how it is to be stored. */
export function newDataKey({ file, key: wrapping }: Wrapping, { clock, randomness }: Surroundings) {
  const id = hex(randomness.bytes(keyIdLength));
  const bytes = randomness.bytes(keyLength);
  const wrapped = seal(wrapping, bytes, wrapPurpose(id), randomness);
  const row: VaultKey = { id, state: "current", keyFile: file.fingerprint, wrapped, created: clock.now() };
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return { row, key };
}

/** How the data key `id` is to be stored for as long as something needs it. */
export function retiredDataKey(id: string, key: SecretKey, { file, key: wrapping }: Wrapping, randomness: Randomness) {
  const wrapped = seal(wrapping, key.export(), wrapPurpose(id), randomness);
  return { state: "retiring", keyFile: file.fingerprint, wrapped } as const;
}

/** The data key of the row; throws `passphrase-wrong`, `vault-key-wrong` or `key-file-changed`. */
export function unwrapped({ id, wrapped }: VaultKey, { file, key: wrapping }: Wrapping): SecretKey {
  try {
    return createSecretKey(open(wrapping, wrapped, wrapPurpose(id)));
  } catch (cause) {
    throw codeOf(cause) === "seal-broken" ? wrongKey(file.kind, cause) : cause;
  }
}

/** Whether the data keys are wrapped under the key that the file tells of. */
export function areWrappedBy(file: KeyFile, rows: readonly VaultKey[]): boolean {
  return rows.every(({ keyFile }) => keyFile === file.fingerprint);
}

/** The data key that seals; throws `data-key-missing`. */
export function currentOf(rows: readonly VaultKey[]): VaultKey {
  return rows.find(({ state }) => state === "current") ?? fail(dataKeyMissing());
}

/** The error of a store that holds sealed values and no data key. */
export function dataKeyMissing(): ServiceError {
  return new ServiceError(
    "data-key-missing",
    "the store has lost the vault's data key; restore the database from a backup, without it the stored keys cannot be opened",
  );
}

function wrapPurpose(id: string): Uint8Array {
  return utf8(`vault-key/${id}`);
}

function fail(error: Error): never {
  throw error;
}

const keyLength = 32;
