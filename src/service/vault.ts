import { createSecretKey, type KeyObject } from "node:crypto";
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "../core/bytes.ts";
import type { Randomness } from "../core/randomness.ts";
import { open, seal } from "../crypto/seal.ts";
import { ServiceError } from "./errors.ts";

/** Seals what must be secret at rest. `purpose` is bound into the seal: a blob opens only where it belongs. */
export interface Vault {
  seal(purpose: string, plaintext: Uint8Array): Uint8Array;
  /** Throws `seal-broken` when the blob was changed, moved or sealed by another vault. */
  open(purpose: string, sealed: Uint8Array): Uint8Array;
}

/** The vault whose AES-256 key is in `vault.key` of the data directory; made at the first start, mode 0600. */
export function openVault(directory: string, randomness: Randomness): Vault {
  const path = join(directory, "vault.key");
  const key = readKey(path) ?? createKey(path, randomness);
  return {
    seal: (purpose, plaintext) => seal(key, plaintext, utf8(purpose), randomness),
    open: (purpose, sealed) => open(key, sealed, utf8(purpose)),
  };
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

/** The file appears whole or not at all: a crash while it is written must not leave half a key behind sealed data. */
function createKey(path: string, randomness: Randomness): KeyObject {
  const bytes = randomness.bytes(keyLength);
  const draft = `${path}.new`;
  try {
    unlinkSync(draft);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const file = openSync(draft, "wx", 0o600);
  writeSync(file, bytes);
  fsyncSync(file);
  closeSync(file);
  linkSync(draft, path);
  unlinkSync(draft);
  return createSecretKey(bytes);
}

const keyLength = 32;
