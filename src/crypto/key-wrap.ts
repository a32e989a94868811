import { createCipheriv, createDecipheriv } from "node:crypto";
import { concat, view } from "../core/bytes.ts";
import { CryptoError } from "./errors.ts";

/**
 * `key` under AES Key Wrap (RFC 3394 2.2.1), which is eight octets longer. Throws CryptoError `malformed-key` unless
 * `keyEncryptionKey` has 16, 24 or 32 octets and `key` 16 to 512 in steps of eight.
 */
export function wrapKey(keyEncryptionKey: Uint8Array, key: Uint8Array): Uint8Array {
  if (!isWrappable(key.length)) throw new CryptoError("malformed-key", "A key to wrap has 16, 24, 32 ... octets.");
  const cipher = createCipheriv(cipherFor(keyEncryptionKey), view(keyEncryptionKey), initialValue);
  return concat([cipher.update(view(key)), cipher.final()]);
}

/**
 * The key that `wrapKey` was given; undefined when `wrapped` was changed, cannot be a wrapped key, or was wrapped under another
 * one. Throws CryptoError `malformed-key` for a `keyEncryptionKey` of no AES length.
 */
export function unwrapKey(keyEncryptionKey: Uint8Array, wrapped: Uint8Array): Uint8Array | undefined {
  const decipher = createDecipheriv(cipherFor(keyEncryptionKey), view(keyEncryptionKey), initialValue);
  // OpenSSL does not refuse all lengths that RFC 3394 has not.
  if (!isWrappable(wrapped.length - 8)) return undefined;
  try {
    return concat([decipher.update(view(wrapped)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function isWrappable(length: number): boolean {
  return length >= 16 && length <= maximumKeyLength && length % 8 === 0;
}

function cipherFor(keyEncryptionKey: Uint8Array): string {
  const bits = keyEncryptionKey.length * 8;
  if (bits !== 128 && bits !== 192 && bits !== 256)
    throw new CryptoError("malformed-key", "A key-encryption key has 16, 24 or 32 octets.");
  return `aes${bits}-wrap`;
}

/** RFC 3394 2.2.3.1. */
const initialValue = Buffer.alloc(8, 0xa6);
const maximumKeyLength = 512;
