import { createSecretKey, type KeyObject } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { utf8 } from "../core/bytes.ts";
import { codeOf } from "../core/errors.ts";
import type { Randomness } from "../core/randomness.ts";
import { CryptoError } from "../crypto/errors.ts";
import { open, seal } from "../crypto/seal.ts";
import { ServiceError } from "./errors.ts";

/** Seals what must be secret at rest. `purpose` is bound into the seal: a blob opens only where it belongs. */
export interface Vault {
  seal(purpose: string, plaintext: Uint8Array): Uint8Array;
  /** Throws `seal-broken` when the blob was changed, moved or sealed by another vault. */
  open(purpose: string, sealed: Uint8Array): Uint8Array;
}

/**
 * The vault whose AES-256 key is in `vault.key` of the data directory. A key that is not there is made, mode 0600, unless
 * `sealedBefore` says that values exist which it would have to open. Throws `key-file-missing`, `key-file-open-to-others`
 * and `key-file-broken`. Does not check that the key is the one of those values.
 */
export function openVault(directory: string, randomness: Randomness, sealedBefore = false): Vault {
  const path = join(directory, "vault.key");
  const key = readKey(path) ?? (sealedBefore ? missing(path) : createKey(path, randomness));
  return {
    seal: (purpose, plaintext) => seal(key, plaintext, utf8(purpose), randomness),
    open(purpose, sealed) {
      try {
        return open(key, sealed, utf8(purpose));
      } catch (cause) {
        if (codeOf(cause) !== "seal-broken") throw cause;
        throw new CryptoError(
          "seal-broken",
          `the key file ${path} does not open the stored ${purpose}: one of them was changed; restore the whole data directory from one backup`,
          { cause },
        );
      }
    },
  };
}

function missing(path: string): never {
  throw new ServiceError(
    "key-file-missing",
    `the key file ${path} is gone; restore it from a backup, without it the stored keys cannot be opened`,
  );
}

function readKey(path: string): KeyObject | undefined {
  let bytes: Buffer;
  try {
    const mode = statSync(path).mode & 0o077;
    if (mode !== 0) {
      throw new ServiceError(
        "key-file-open-to-others",
        `the key file ${path} can be read by other users; run: chmod 600 ${path}`,
      );
    }
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (bytes.length !== keyLength) {
    throw new ServiceError(
      "key-file-broken",
      `the key file ${path} does not hold ${keyLength} bytes; restore it from a backup, without it the stored keys cannot be opened`,
    );
  }
  return createSecretKey(bytes);
}

/**
 * The file appears whole or not at all, and lasts once this returns: neither a crash nor a power cut may leave half a key,
 * a second copy, or sealed values without their key. The directory belongs to this process alone.
 */
function createKey(path: string, randomness: Randomness): KeyObject {
  const bytes = randomness.bytes(keyLength);
  const draft = `${path}.new`;
  rmSync(draft, { force: true });
  const file = openSync(draft, "wx", 0o600);
  writeSync(file, bytes);
  fsyncSync(file);
  closeSync(file);
  renameSync(draft, path);
  const directory = openSync(dirname(path), "r");
  fsyncSync(directory);
  closeSync(directory);
  return createSecretKey(bytes);
}

const keyLength = 32;
