import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { promisify } from "node:util";
import { view } from "../core/bytes.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import { DerError, PemError } from "../encoding/errors.ts";
import { decodePem, encodePem } from "../encoding/pem.ts";
import { tags } from "../encoding/tags.ts";
import { CryptoError } from "./errors.ts";
import { publicKeyOf } from "./public-key.ts";

/** A private key in memory, for rooms that hand it on without looking inside. */
export type PrivateKey = KeyObject;

export type GeneratedKeyKind = "P-256" | "P-384" | "Ed25519" | "RSA-2048" | "RSA-3072" | "RSA-4096";

/** A new private key, made with OpenSSL's random numbers. It blocks: RSA takes hundreds of milliseconds. */
export function generateKey(kind: GeneratedKeyKind): PrivateKey {
  switch (kind) {
    case "P-256":
    case "P-384":
      return generateKeyPairSync("ec", { namedCurve: kind }).privateKey;
    case "Ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    case "RSA-2048":
      return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    case "RSA-3072":
      return generateKeyPairSync("rsa", { modulusLength: 3072 }).privateKey;
    case "RSA-4096":
      return generateKeyPairSync("rsa", { modulusLength: 4096 }).privateKey;
  }
}

/** As `generateKey`, on a thread of Node's pool: everything else goes on meanwhile. */
export async function generateKeyAside(kind: GeneratedKeyKind): Promise<PrivateKey> {
  switch (kind) {
    case "P-256":
    case "P-384":
      return (await generatePair("ec", { namedCurve: kind })).privateKey;
    case "Ed25519":
      return (await generatePair("ed25519", {})).privateKey;
    case "RSA-2048":
      return (await generatePair("rsa", { modulusLength: 2048 })).privateKey;
    case "RSA-3072":
      return (await generatePair("rsa", { modulusLength: 3072 })).privateKey;
    case "RSA-4096":
      return (await generatePair("rsa", { modulusLength: 4096 })).privateKey;
  }
}

/** How a private key is written: PKCS #8 (RFC 5958), an ECPrivateKey (RFC 5915), or an RSAPrivateKey (RFC 8017 A.1.2). */
export type PrivateKeyForm = "pkcs8" | "sec1" | "pkcs1";

/**
 * Tells which form a private key in DER has, by its first fields. Throws CryptoError `malformed-key`, or `unsupported-key`
 * for one that is encrypted. It does not check the key.
 */
export function privateKeyForm(der: Uint8Array): PrivateKeyForm {
  try {
    return decodeDer(der, formOf);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw malformed();
  }
}

/**
 * The private key in one of the three forms of DER; throws CryptoError. A key of one side's own: limits as for public keys. It
 * signs once, to see that both halves belong together.
 */
export function privateKeyFromDer(der: Uint8Array): PrivateKey {
  const type = privateKeyForm(der);
  const key = imported(der, type);
  const { keyObject } = publicKeyOf(createPublicKey(key).export({ format: "der", type: "spki" }));
  if (!signsFor(keyObject, key)) throw malformed();
  return key;
}

/** The one private key of a PEM text, which may hold certificates and EC parameters as well; throws CryptoError. */
export function privateKeyFromPem(text: string): PrivateKey {
  const keys = blocksOf(text).filter(({ label }) => label.endsWith("PRIVATE KEY"));
  const [key] = keys;
  if (key === undefined) throw new CryptoError("malformed-key", "The PEM text holds no private key.");
  if (keys.length > 1) throw new CryptoError("malformed-key", "The PEM text holds more than one private key.");
  if (key.label === "ENCRYPTED PRIVATE KEY") throw encrypted();
  return privateKeyFromDer(key.bytes);
}

/** PKCS #8 in DER, not encrypted. */
export function privateKeyToDer(key: PrivateKey): Uint8Array {
  return key.export({ format: "der", type: "pkcs8" });
}

/** PKCS #8 in PEM, not encrypted. */
export function privateKeyToPem(key: PrivateKey): string {
  return encodePem("PRIVATE KEY", privateKeyToDer(key));
}

function formOf(reader: DerReader): PrivateKeyForm {
  return reader.sequence((content) => {
    // EncryptedPrivateKeyInfo (RFC 5958 3) begins with its algorithm, all others with a version.
    if (content.has(tags.sequence)) throw encrypted();
    content.smallInteger(1);
    const { tag } = content.any();
    while (!content.done) content.any();
    if (tag === tags.sequence) return "pkcs8";
    if (tag === tags.octetString) return "sec1";
    if (tag === tags.integer) return "pkcs1";
    throw malformed();
  });
}

function imported(der: Uint8Array, type: PrivateKeyForm): PrivateKey {
  try {
    return createPrivateKey({ key: view(der), format: "der", type });
  } catch {
    // Without the cause: nothing that was made from a private key belongs in an error.
    throw malformed();
  }
}

/** OpenSSL takes the public half that a file has as it is, and scalars longer than the curve's, with which nothing works. */
function signsFor(publicKey: KeyObject, key: PrivateKey): boolean {
  const hash = key.asymmetricKeyType === "ed25519" ? undefined : "sha256";
  try {
    return verify(hash, trial, publicKey, sign(hash, trial, key));
  } catch {
    return false;
  }
}

function blocksOf(text: string): ReturnType<typeof decodePem> {
  try {
    return decodePem(text);
  } catch (error) {
    if (!(error instanceof PemError)) throw error;
    if (error.code === "pem-headers") throw encrypted();
    throw new CryptoError("malformed-key", "The text is not PEM.", { cause: error });
  }
}

function malformed(): CryptoError {
  return new CryptoError("malformed-key", "The private key is not in a form of PKCS #8, SEC 1 or PKCS #1.");
}

function encrypted(): CryptoError {
  return new CryptoError("unsupported-key", "The private key is encrypted: decrypt it first, with openssl pkey.");
}

const generatePair = promisify(generateKeyPair);
const trial = Buffer.from("both halves of a key belong together");
