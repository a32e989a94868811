import { fromHex, hex } from "../core/bytes.ts";
import { type SignatureAlgorithm, signatureAlgorithmOf, signatureAlgorithms } from "../crypto/algorithms.ts";
import type { DigestName } from "../crypto/digest.ts";
import { CmsError, usingKey } from "./cms-errors.ts";

/** The digest of a digestAlgorithm in DER; throws CmsError `unsupported-algorithm`, for SHA-1 as well. */
export function digestNameOf(identifier: Uint8Array): DigestName {
  const name = byIdentifier.get(hex(identifier));
  if (name === undefined)
    throw new CmsError("unsupported-algorithm", "The digest algorithm is not SHA-256, SHA-384 or SHA-512.");
  return name;
}

/** A digestAlgorithm in DER. RFC 5754 2: without parameters. */
export function digestIdentifier(name: DigestName): Uint8Array {
  return identifiers[name];
}

/**
 * The AlgorithmIdentifier, as it would stand in a certificate, of a SignerInfo's signature. Throws CmsError
 * `unsupported-algorithm`, also when the two algorithms of the SignerInfo do not belong together.
 */
export function signatureIdentifierOf(signatureAlgorithm: Uint8Array, digestName: DigestName): Uint8Array {
  // RFC 3370 3.2: rsaEncryption means PKCS #1 v1.5 with the digest algorithm of the SignerInfo.
  if (rsaEncryption.has(hex(signatureAlgorithm))) return rsaWith[digestName].identifier;
  const algorithm = usingKey(() => signatureAlgorithmOf(signatureAlgorithm));
  if (digestNameFor(algorithm) !== digestName)
    throw new CmsError("unsupported-algorithm", `A signature of ${algorithm.name} does not go with ${digestName}.`);
  return algorithm.identifier;
}

/** The digest that the signed attributes hold when `signatureAlgorithm` signs them. */
export function digestNameFor({ hash }: SignatureAlgorithm): DigestName {
  // RFC 8419 3.1: Ed25519 over signed attributes goes with SHA-512 and nothing else.
  return hash ?? "sha512";
}

/** The signatureAlgorithm of a SignerInfo for a signer whose certificates would name `algorithm`. */
export function signerInfoIdentifier(algorithm: SignatureAlgorithm): Uint8Array {
  const isPkcs1 = algorithm.keyType === "rsa" && algorithm.saltLength === undefined;
  // RFC 3370 3.2: what every reader of RSA signatures must know.
  return isPkcs1 ? rsaEncryptionIdentifier : algorithm.identifier;
}

function bytesOf(text: string): Uint8Array {
  return fromHex(text) ?? new Uint8Array();
}

const identifiers: Readonly<Record<DigestName, Uint8Array>> = {
  sha256: bytesOf("300b0609608648016503040201"),
  sha384: bytesOf("300b0609608648016503040202"),
  sha512: bytesOf("300b0609608648016503040203"),
};

/** RFC 5754 2: parameters absent, and NULL has to be accepted. */
const byIdentifier: ReadonlyMap<string, DigestName> = new Map([
  [hex(identifiers.sha256), "sha256"],
  [hex(identifiers.sha384), "sha384"],
  [hex(identifiers.sha512), "sha512"],
  ["300d06096086480165030402010500", "sha256"],
  ["300d06096086480165030402020500", "sha384"],
  ["300d06096086480165030402030500", "sha512"],
]);

const rsaEncryptionIdentifier = bytesOf("300d06092a864886f70d0101010500");

/** With NULL, and as some writers do without. */
const rsaEncryption: ReadonlySet<string> = new Set([hex(rsaEncryptionIdentifier), "300b06092a864886f70d010101"]);

const rsaWith: Readonly<Record<DigestName, SignatureAlgorithm>> = {
  sha256: signatureAlgorithms.sha256WithRsa,
  sha384: signatureAlgorithms.sha384WithRsa,
  sha512: signatureAlgorithms.sha512WithRsa,
};
