import assert from "node:assert/strict";
import { concat, equal, fromHex, hex } from "../../src/core/bytes.ts";
import type { SignatureAlgorithm } from "../../src/crypto/algorithms.ts";
import { type ContentEncryptionName, decryptContent, encryptContent } from "../../src/crypto/content-encryption.ts";
import { CryptoError, type CryptoErrorCode } from "../../src/crypto/errors.ts";
import { agree } from "../../src/crypto/key-agreement.ts";
import { unwrapKey, wrapKey } from "../../src/crypto/key-wrap.ts";
import { type PrivateKey, privateKeyFromDer } from "../../src/crypto/keys.ts";
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

/**
 * AES-GCM with the nonces and tags of this project: contents of CMS with 128 and 256 bits, and with 256 also what is sealed in
 * our layout, which has to come to the same; `decryptContent` and `open`, and what makes them.
 */
export const authenticated: Judge = (vector, { keySize, ivSize, tagSize }) => {
  if (keySize === 192 || ivSize !== 96 || tagSize !== 128) return "not-expressible";
  const verdict = encrypted(keySize === 128 ? "aes128-GCM" : "aes256-GCM", vector);
  if (keySize === 256) assert.equal(sealed(vector), verdict === "accepted" ? "accepted" : "seal-broken");
  return verdict;
};

/** AES-CBC with the padding of RFC 5652 6.3; `decryptContent`, and `encryptContent` when it decrypts. */
export const padded: Judge = (vector, { keySize }) =>
  keySize === 192 ? "not-expressible" : encrypted(keySize === 128 ? "aes128-CBC" : "aes256-CBC", vector);

/** AES key wrap; `unwrapKey`, and `wrapKey` when it unwraps. */
export const wrapped: Judge = (vector) => {
  const [key, msg, ct] = [field(vector, "key"), field(vector, "msg"), field(vector, "ct")];
  const unwrapped = unwrapKey(key, ct);
  if (unwrapped === undefined) return "refused";
  assert.ok(equal(wrapKey(key, unwrapped), ct), "what was unwrapped is wrapped into something else");
  return yes(equal(unwrapped, msg));
};

/** A SubjectPublicKeyInfo of the file's curve and the secret that comes of it; `publicKeyOf` and `agree`. */
export const agreedByInfo: Judge = (vector, { curve = "" }) =>
  coded(() => {
    const { kind, subjectPublicKeyInfo } = publicKeyOf(field(vector, "public"));
    const [point, expected] = [subjectPublicKeyInfo.subarray(-pointLengthOf(curve)), curveOf(curve).kind];
    if (kind === expected) return agreed(vector, curve, point);
    // The point alone does not say whose it is, and is refused for not being on the private key's curve.
    assert.equal(agree(privateKeyOf(vector, curve), point), undefined);
    return "other-curve";
  });

/** A point of the file's curve and the secret that comes of it; `agree`. */
export const agreedByPoint: Judge = (vector, { curve = "" }) => agreed(vector, curve, field(vector, "public"));

function encrypted(name: ContentEncryptionName, vector: WycheproofCase): Verdict {
  const [key, iv, msg] = [field(vector, "key"), field(vector, "iv"), field(vector, "msg")];
  const [ciphertext, isAuthenticated] = [field(vector, "ct"), name.endsWith("GCM")];
  const tag = isAuthenticated ? field(vector, "tag") : new Uint8Array();
  const aad = isAuthenticated ? field(vector, "aad") : new Uint8Array();
  const content = decryptContent(name, key, iv, { ciphertext, tag }, aad);
  if (content === undefined) return "refused";
  const again = encryptContent(name, key, iv, content, aad);
  assert.ok(
    equal(again.ciphertext, ciphertext) && equal(again.tag, tag),
    "what was decrypted is encrypted differently",
  );
  return yes(equal(content, msg));
}

/** In our layout: version, nonce, ciphertext, tag. */
function sealed(vector: WycheproofCase): Verdict {
  const [key, iv, aad, msg] = [field(vector, "key"), field(vector, "iv"), field(vector, "aad"), field(vector, "msg")];
  const whole = concat([Uint8Array.of(1), iv, field(vector, "ct"), field(vector, "tag")]);
  return coded(() => {
    assert.ok(equal(open(key, whole, aad), msg));
    assert.ok(equal(seal(key, msg, aad, { bytes: () => iv }), whole));
    return "accepted";
  });
}

function agreed(vector: WycheproofCase, curve: string, point: Uint8Array): Verdict {
  const secret = agree(privateKeyOf(vector, curve), point);
  return yes(secret !== undefined && equal(secret, field(vector, "shared")));
}

/** The private key of a number: an ECPrivateKey without the public half (RFC 5915 3), which is made when it is imported. */
function privateKeyOf(vector: WycheproofCase, curve: string): PrivateKey {
  const { octets, oid } = curveOf(curve);
  const number = field(vector, "private");
  const significant = number.subarray(Math.max(0, number.length - octets));
  const scalar = concat([new Uint8Array(octets - significant.length), significant]);
  const parameters = der.explicit(0, der.objectIdentifier(oid));
  return privateKeyFromDer(der.sequence([der.integer(1), der.octetString(scalar), parameters]));
}

function pointLengthOf(curve: string): number {
  return 1 + 2 * curveOf(curve).octets;
}

function curveOf(name: string): Curve {
  const curve = curves[name];
  assert.ok(curve !== undefined, `the curve ${name} is not known here`);
  return curve;
}

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

interface Curve {
  readonly kind: string;
  readonly octets: number;
  readonly oid: string;
}

const curves: { readonly [name: string]: Curve } = {
  secp256r1: { kind: "P-256", octets: 32, oid: "1.2.840.10045.3.1.7" },
  secp384r1: { kind: "P-384", octets: 48, oid: "1.3.132.0.34" },
};
const hashNames = { sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512", none: undefined } as const;
