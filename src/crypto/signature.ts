import { constants, createPublicKey, sign, verify } from "node:crypto";
import { view } from "../core/bytes.ts";
import { type SignatureAlgorithm, signatureAlgorithmOf, signatureAlgorithms } from "./algorithms.ts";
import { CryptoError } from "./errors.ts";
import type { PrivateKey } from "./private-key.ts";
import { type KeyKind, type PublicKey, publicKeyOf, usable } from "./public-key.ts";
import type { Signer } from "./signer.ts";

/**
 * Whether `signature` over `data`, in the form of a certificate, is by the private key of `key`; false as well when the
 * algorithm is one of another type of key. Throws CryptoError `unsupported-algorithm` or `malformed-key`. It does not check what the key may
 * be used for.
 */
export function verifySignature(
  key: PublicKey,
  algorithmIdentifier: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const algorithm = signatureAlgorithmOf(algorithmIdentifier);
  if (algorithm.keyType !== algorithmFor[key.kind].keyType) return false;
  const parameters = parametersOf(algorithm, key);
  return usable(() => verify(algorithm.hash, view(data), parameters, view(signature)));
}

/** A Signer that answers at once. */
export interface SynchronousSigner extends Signer {
  sign(data: Uint8Array): Uint8Array;
}

/**
 * A signer over a private key in memory: ECDSA with the hash of the curve's size, Ed25519, or RSA PKCS #1 v1.5 with SHA-256,
 * unless `wanted` says otherwise. Throws CryptoError for a key that `publicKeyOf` would refuse, and `unsupported-algorithm` for
 * an algorithm of another type of key.
 */
export function signerOf(privateKey: PrivateKey, wanted?: SignatureAlgorithm): SynchronousSigner {
  const { kind, subjectPublicKeyInfo } = publicKeyOf(
    createPublicKey(privateKey).export({ format: "der", type: "spki" }),
  );
  const algorithm = wanted ?? algorithmFor[kind];
  const { hash, saltLength } = algorithm;
  if (algorithm.keyType !== algorithmFor[kind].keyType)
    throw new CryptoError("unsupported-algorithm", `A key of kind ${kind} does not sign by ${algorithm.name}.`);
  const parameters =
    saltLength === undefined ? privateKey : { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  return {
    publicKey: subjectPublicKeyInfo,
    algorithm: algorithm.identifier,
    sign: (data) => sign(hash, view(data), parameters),
  };
}

function parametersOf({ saltLength }: SignatureAlgorithm, key: PublicKey) {
  if (saltLength === undefined) return key.verificationKey;
  return { key: key.keyObject, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
}

const algorithmFor: Readonly<Record<KeyKind, SignatureAlgorithm>> = {
  "P-256": signatureAlgorithms.ecdsaWithSha256,
  "P-384": signatureAlgorithms.ecdsaWithSha384,
  "P-521": signatureAlgorithms.ecdsaWithSha512,
  Ed25519: signatureAlgorithms.ed25519,
  RSA: signatureAlgorithms.sha256WithRsa,
};
