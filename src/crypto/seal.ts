import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import { concat, view } from "../core/bytes.ts";
import type { Randomness } from "../core/randomness.ts";
import { CryptoError } from "./errors.ts";

/**
 * `plaintext` under AES-256-GCM: version octet, nonce of 12 octets, ciphertext, tag of 16 octets. `associatedData` says where
 * it belongs and must be given again to open it. With random nonces one key is good for 2^32 seals (SP 800-38D 8.3).
 */
export function seal(
  key: KeyObject | Uint8Array,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
  randomness: Randomness,
): Uint8Array {
  const nonce = randomness.bytes(nonceLength);
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagLength });
  cipher.setAAD(view(associatedData));
  const ciphertext = concat([cipher.update(view(plaintext)), cipher.final()]);
  return concat([Uint8Array.of(version), nonce, ciphertext, cipher.getAuthTag()]);
}

/** What `seal` was given. Throws CryptoError `seal-broken` for another key, other associated data, and any other bytes. */
export function open(key: KeyObject | Uint8Array, sealed: Uint8Array, associatedData: Uint8Array): Uint8Array {
  if (sealed[0] !== version || sealed.length < 1 + nonceLength + tagLength) throw broken();
  const nonce = sealed.subarray(1, 1 + nonceLength);
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagLength });
  decipher.setAAD(view(associatedData));
  decipher.setAuthTag(view(sealed.subarray(sealed.length - tagLength)));
  const plaintext = decipher.update(view(sealed.subarray(1 + nonceLength, sealed.length - tagLength)));
  try {
    return concat([plaintext, decipher.final()]);
  } catch {
    throw broken();
  }
}

function broken(): CryptoError {
  return new CryptoError("seal-broken", "The sealed value was changed, belongs elsewhere, or needs another key.");
}

const algorithm = "aes-256-gcm";
const version = 0x01;
const nonceLength = 12;
const tagLength = 16;
