import { createPublicKey, diffieHellman, generateKeyPairSync } from "node:crypto";
import { concat } from "../core/bytes.ts";
import { type DigestName, digest } from "./digest.ts";
import { CryptoError } from "./errors.ts";
import type { PrivateKey } from "./private-key.ts";
import { type KeyKind, type PublicKey, publicKeyOf } from "./public-key.ts";

/** What an ephemeral key and a recipient's agree on. */
export interface EphemeralAgreement {
  /** The ephemeral public key as an uncompressed point (SEC 1 2.3.3). */
  readonly point: Uint8Array;
  /** The x-coordinate of the shared point. */
  readonly sharedSecret: Uint8Array;
}

/**
 * Agrees with `recipient` by a new key on the same curve, made with OpenSSL's random numbers. Throws CryptoError
 * `unsupported-key` for a key that is not on P-256, P-384 or P-521.
 */
export function agreeEphemerally(recipient: PublicKey): EphemeralAgreement {
  const length = pointLength(recipient.kind);
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: recipient.kind });
  const sharedSecret = diffieHellman({ privateKey, publicKey: recipient.keyObject });
  return { point: publicKey.export({ format: "der", type: "spki" }).subarray(-length), sharedSecret };
}

/**
 * The shared secret of a private key and the uncompressed point of another key on the same curve; undefined when `point` is not
 * one. Throws CryptoError `unsupported-key` for a private key that is not on P-256, P-384 or P-521.
 */
export function agree(privateKey: PrivateKey, point: Uint8Array): Uint8Array | undefined {
  const own = publicKeyOf(createPublicKey(privateKey).export({ format: "der", type: "spki" }));
  const length = pointLength(own.kind);
  if (point.length !== length) return undefined;
  try {
    // The own algorithm and curve around the other's point: a point of another curve is refused as one that is not on it.
    const info = concat([own.subjectPublicKeyInfo.subarray(0, -length), point]);
    return diffieHellman({ privateKey, publicKey: publicKeyOf(info).keyObject });
  } catch (error) {
    if (error instanceof CryptoError) return undefined;
    throw error;
  }
}

/** `length` octets derived from a shared secret by the function of ANSI X9.63 (SEC 1 3.6.1). */
export function deriveX963(
  digestName: DigestName,
  sharedSecret: Uint8Array,
  sharedInfo: Uint8Array,
  length: number,
): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let counter = 1, derived = 0; derived < length; counter += 1) {
    const octets = Buffer.alloc(4);
    octets.writeUInt32BE(counter);
    const block = digest(digestName, concat([sharedSecret, octets, sharedInfo]));
    blocks.push(block);
    derived += block.length;
  }
  return concat(blocks).subarray(0, length);
}

function pointLength(kind: KeyKind): number {
  const length = pointLengths.get(kind);
  if (length === undefined)
    throw new CryptoError("unsupported-key", "Key agreement needs a key on P-256, P-384 or P-521.");
  return length;
}

const pointLengths: ReadonlyMap<KeyKind, number> = new Map([
  ["P-256", 65],
  ["P-384", 97],
  ["P-521", 133],
]);
