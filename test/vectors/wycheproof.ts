import assert from "node:assert/strict";
import { concat, fromHex, hex } from "../../src/core/bytes.ts";
import type { SignatureAlgorithm } from "../../src/crypto/algorithms.ts";
import { CryptoError, type CryptoErrorCode } from "../../src/crypto/errors.ts";
import { equalSecret, hmacSha256 } from "../../src/crypto/mac.ts";
import { publicKeyOf } from "../../src/crypto/public-key.ts";
import { open, seal } from "../../src/crypto/seal.ts";
import { verifySignature } from "../../src/crypto/signature.ts";
import * as der from "../../src/encoding/der-writer.ts";

/** How a file of Wycheproof is written (testvectors_v1), as far as it is read here. */
export interface WycheproofFile {
  readonly testGroups: readonly WycheproofGroup[];
}

export interface WycheproofGroup {
  readonly tests: readonly WycheproofCase[];
  readonly publicKeyDer?: string;
  readonly curve?: string;
  readonly sha?: string;
  readonly keySize?: number;
  readonly ivSize?: number;
  readonly tagSize?: number;
}

export interface WycheproofCase {
  readonly tcId: number;
  readonly comment: string;
  readonly result: "valid" | "acceptable" | "invalid";
  readonly flags?: readonly string[];
  /** All others are texts in hexadecimal; which there are depends on the file. */
  readonly [field: string]: unknown;
}

/** What our function says: yes, no, the code of its error, or that the case has no form in which it could be asked. */
export type Verdict = "accepted" | "refused" | "other-curve" | "not-expressible" | CryptoErrorCode;

/** Puts one case to the function of ours that is to be proven. Errors that are not ours are thrown on. */
export type Judge = (vector: WycheproofCase, group: WycheproofGroup) => Verdict;

/** A signature as X.509 has it, under the only algorithm of the file; `verifySignature` and `publicKeyOf`. */
export function signature(algorithm: SignatureAlgorithm): Judge {
  return (vector, { publicKeyDer, sha }) => {
    assert.equal(sha, hashNames[algorithm.hash ?? "none"]);
    const key = publicKeyOf(bytes(publicKeyDer));
    return yes(verifySignature(key, algorithm.identifier, field(vector, "msg"), field(vector, "sig")));
  };
}

/**
 * A signature of r and s side by side, as JWS and COSE have it. Our function reads the form of X.509, so it is rewritten;
 * one of the wrong length has no such form.
 */
export function sideBySide(algorithm: SignatureAlgorithm, octets: number): Judge {
  const judge = signature(algorithm);
  return (vector, group) => {
    const sig = field(vector, "sig");
    if (sig.length !== 2 * octets) return "not-expressible";
    const integers = [sig.subarray(0, octets), sig.subarray(octets)].map(der.unsignedInteger);
    return judge({ ...vector, sig: hex(der.sequence(integers)) }, group);
  };
}

/** A MAC, cut to the length of the file's tags; `hmacSha256` and `equalSecret`. */
export const mac: Judge = (vector, { tagSize = 0 }) => {
  const whole = hmacSha256(field(vector, "key"), field(vector, "msg"));
  return yes(equalSecret(whole.subarray(0, tagSize / 8), field(vector, "tag")));
};

/** What was sealed with AES-GCM, in our layout: version, nonce, ciphertext, tag; `open`, and `seal` when it opens. */
export const sealed: Judge = (vector, { keySize, ivSize, tagSize }) => {
  if (keySize !== 256 || ivSize !== 96 || tagSize !== 128) return "not-expressible";
  const [key, iv, aad, msg] = [field(vector, "key"), field(vector, "iv"), field(vector, "aad"), field(vector, "msg")];
  const whole = concat([Uint8Array.of(1), iv, field(vector, "ct"), field(vector, "tag")]);
  return coded(() => {
    assert.deepEqual(Buffer.from(open(key, whole, aad)), msg);
    assert.deepEqual(Buffer.from(seal(key, msg, aad, { bytes: () => iv })), whole);
    return "accepted";
  });
};

/** A SubjectPublicKeyInfo that is to be one of the file's curve; `publicKeyOf`. No secret is agreed on. */
export const importedKey: Judge = (vector, { curve = "" }) =>
  coded(() => (publicKeyOf(field(vector, "public")).kind === curveNames[curve] ? "accepted" : "other-curve"));

function yes(answer: boolean): Verdict {
  return answer ? "accepted" : "refused";
}

function coded(judge: () => Verdict): Verdict {
  try {
    return judge();
  } catch (error) {
    if (error instanceof CryptoError) return error.code;
    throw error;
  }
}

function field(vector: WycheproofCase, name: string): Buffer {
  return bytes(vector[name]);
}

function bytes(text: unknown): Buffer {
  const decoded = typeof text === "string" ? fromHex(text) : undefined;
  assert.ok(decoded !== undefined, "a field of the vector is not there, or not in hexadecimal");
  return Buffer.from(decoded);
}

const curveNames: { readonly [curve: string]: string } = { secp256r1: "P-256", secp384r1: "P-384" };
const hashNames = { sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512", none: undefined } as const;
