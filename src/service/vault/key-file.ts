import { createSecretKey, type KeyObject } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { base64, fromBase64, hex, utf8 } from "../../core/bytes.ts";
import type { Randomness } from "../../core/randomness.ts";
import { hmacSha256 } from "../../crypto/mac.ts";
import { type Argon2Cost, recommendedCost } from "../../crypto/passphrase.ts";
import { ServiceError } from "../errors.ts";
import { replacePrivateFile } from "../private-file.ts";

/** Where the key comes from under which the data keys are wrapped. */
export const vaultSources = ["file", "passphrase", "env"] as const;
export type VaultSource = (typeof vaultSources)[number];

/** An AES-256 key, handed on without looking inside. */
export type SecretKey = KeyObject;

/**
 * What `vault.key` says of the key under which the data keys are wrapped: the key itself, or how it comes from a passphrase,
 * or that it comes from the environment. The data directory needs this one file besides its database.
 */
export type KeyFile = KeyFileContent & {
  /** Tells this file from every other; stored with the data keys, so that the right file is known without its secret. */
  readonly fingerprint: string;
  readonly bytes: Uint8Array;
};

type KeyFileContent =
  | { readonly kind: "file"; readonly key: SecretKey }
  | { readonly kind: "passphrase"; readonly salt: Uint8Array; readonly cost: Argon2Cost }
  | { readonly kind: "env" };

/** A new file for keys from `source`, with a fresh key or salt; not written yet. */
export function newKeyFile(source: VaultSource, randomness: Randomness): KeyFile {
  const fresh = randomness.bytes(keyLength);
  if (source === "file") return keyFileOf(fresh, "");
  const salt = base64(fresh);
  const text = source === "passphrase" ? { source, argon2id: recommendedCost, salt } : { source, salt };
  return keyFileOf(utf8(`${JSON.stringify(text)}\n`), "");
}

/** The file at `path`; undefined when there is none. Throws `key-file-open-to-others` and `key-file-broken`. */
export function readKeyFile(path: string): KeyFile | undefined {
  let bytes: Buffer;
  try {
    const { mode, size } = statSync(path);
    if ((mode & 0o077) !== 0) {
      throw new ServiceError(
        "key-file-open-to-others",
        `the key file ${path} can be read by other users; run: chmod 600 ${path}`,
      );
    }
    if (size > mostBytes) throw broken(path);
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return keyFileOf(bytes, path);
}

/**
 * The file appears whole or not at all, and lasts once this returns: neither a crash nor a power cut may leave half a key,
 * a second copy, or sealed values without their key. The directory belongs to this process alone.
 */
export function writeKeyFile(path: string, { bytes }: KeyFile): void {
  replacePrivateFile(path, bytes);
}

function keyFileOf(bytes: Uint8Array, path: string): KeyFile {
  const content: KeyFileContent =
    bytes.length === keyLength
      ? { kind: "file", key: createSecretKey(bytes) }
      : (described(bytes) ?? fail(broken(path)));
  return { ...content, bytes, fingerprint: hex(hmacSha256(bytes, utf8(fingerprintLabel))) };
}

/** The description in JSON; what it asks for is checked where it is used. */
function described(bytes: Uint8Array): KeyFileContent | undefined {
  let found: unknown;
  try {
    found = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof found !== "object" || found === null) return undefined;
  const { source, salt, argon2id } = found as Readonly<Record<string, unknown>>;
  if (source === "env") return { kind: source };
  const octets = typeof salt === "string" ? fromBase64(salt) : undefined;
  const cost = costOf(argon2id);
  if (source !== "passphrase" || octets === undefined || cost === undefined) return undefined;
  return { kind: source, salt: octets, cost };
}

function costOf(value: unknown): Argon2Cost | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { memory, passes, parallelism } = value as Readonly<Record<string, unknown>>;
  if (typeof memory !== "number" || typeof passes !== "number" || typeof parallelism !== "number") return undefined;
  return { memory, passes, parallelism };
}

function broken(path: string): ServiceError {
  return new ServiceError(
    "key-file-broken",
    `the key file ${path} is damaged; restore it from a backup, without it the stored keys cannot be opened`,
  );
}

function fail(error: Error): never {
  throw error;
}

const keyLength = 32;
const mostBytes = 1024;
const fingerprintLabel = "hatchery vault key file";
