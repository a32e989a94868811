import { createPublicKey, type KeyObject, type VerifyPublicKeyInput } from "node:crypto";
import { hex, view } from "../core/bytes.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import { DerError } from "../encoding/errors.ts";
import { CryptoError } from "./errors.ts";

export type KeyKind = "P-256" | "P-384" | "P-521" | "Ed25519" | "RSA";

/** A public key to verify with. */
export class PublicKey {
  readonly kind: KeyKind;
  /** Size of the field or the modulus. */
  readonly bits: number;
  /** In DER, as received. */
  readonly subjectPublicKeyInfo: Uint8Array;
  #keyObject: KeyObject | undefined;
  #used = false;

  constructor({ kind, bits }: Description, subjectPublicKeyInfo: Uint8Array) {
    this.kind = kind;
    this.bits = bits;
    this.subjectPublicKeyInfo = subjectPublicKeyInfo;
  }

  /** Made when first asked for; throws CryptoError `malformed-key` when it is not valid for its algorithm. */
  get keyObject(): KeyObject {
    // This also checks that the point is on the curve.
    this.#keyObject ??= usable(() => createPublicKey({ key: view(this.subjectPublicKeyInfo), ...form }));
    return this.#keyObject;
  }

  /** What node:crypto verifies with. The first time it is bytes, because an object that is used once costs more. */
  get verificationKey(): VerifyPublicKeyInput | KeyObject {
    if (this.#used) return this.keyObject;
    this.#used = true;
    return this.#keyObject ?? { key: view(this.subjectPublicKeyInfo), ...form };
  }
}

const form = { format: "der", type: "spki" } as const;

/** Runs `use` of a key that node:crypto may find to be none; throws CryptoError `malformed-key`. */
export function usable<T>(use: () => T): T {
  try {
    return use();
  } catch (cause) {
    throw new CryptoError("malformed-key", "The public key is not valid for its algorithm.", { cause });
  }
}

/**
 * The key of a SubjectPublicKeyInfo in DER: an uncompressed point of P-256, P-384 or P-521 by the curve's name (RFC 5480),
 * Ed25519 (RFC 8410), or RSA of 2048 to 8192 bits (RFC 3279 2.3.1). Throws CryptoError `malformed-key`, `unsupported-key` or
 * `weak-key`. It does not look for keys that are known to be compromised, nor for Ed25519 points of small order.
 */
export function publicKeyOf(subjectPublicKeyInfo: Uint8Array): PublicKey {
  const key = unusedPublicKeyOf(subjectPublicKeyInfo);
  void key.keyObject;
  return key;
}

/**
 * As `publicKeyOf`, but that a point is on its curve is seen when the key is used: for one that may be used once, or never.
 * `verifySignature` and `keyObject` throw CryptoError `malformed-key` then.
 */
export function unusedPublicKeyOf(subjectPublicKeyInfo: Uint8Array): PublicKey {
  const description =
    plainP256(subjectPublicKeyInfo) ?? described(() => decodeDer(subjectPublicKeyInfo, readDescription));
  return new PublicKey(description, subjectPublicKeyInfo);
}

/**
 * As `unusedPublicKeyOf`, but the last few keys are remembered by their octets: what certificates hold are the same issuers' and
 * signers' keys again and again, and importing one costs a third of a verification.
 */
export function rememberedPublicKeyOf(subjectPublicKeyInfo: Uint8Array): PublicKey {
  const octets = view(subjectPublicKeyInfo).toString("latin1");
  // A copy, because a view would keep the whole message of a stranger.
  const key = remembered.get(octets) ?? unusedPublicKeyOf(Buffer.from(subjectPublicKeyInfo));
  // A Map keeps the order of insertion, so the first key is the one that was not asked for the longest.
  remembered.delete(octets);
  remembered.set(octets, key);
  if (remembered.size > mostRemembered) remembered.delete(remembered.keys().next().value ?? octets);
  return key;
}

/** What nearly all devices send, known by its fixed octets: that saves a quarter of what a new key costs. */
function plainP256(subjectPublicKeyInfo: Uint8Array): Description | undefined {
  const fits =
    subjectPublicKeyInfo.length === p256Length &&
    view(subjectPublicKeyInfo).subarray(0, p256Header.length).equals(p256Header);
  return fits ? p256 : undefined;
}

interface Description {
  readonly kind: KeyKind;
  readonly bits: number;
}

function described(decode: () => Description): Description {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new CryptoError("malformed-key", "The public key is not a SubjectPublicKeyInfo in DER.", { cause: error });
  }
}

function readDescription(reader: DerReader): Description {
  return reader.sequence((content) => {
    const { algorithm, parameters } = content.sequence((identifier) => ({
      algorithm: identifier.objectIdentifier(),
      parameters: identifier.done ? "" : hex(identifier.any().raw),
    }));
    const key = content.octetsOfBitString();
    if (algorithm === idEcPublicKey) return ellipticCurve(parameters, key);
    if (algorithm === idEd25519) return ed25519(parameters, key);
    if (algorithm === rsaEncryption) return rsa(parameters, key);
    throw new CryptoError("unsupported-key", "Keys of this type are not supported: use P-256.", {
      details: { algorithm },
    });
  });
}

function ellipticCurve(parameters: string, point: Uint8Array): Description {
  // RFC 5480 2.1.1: namedCurve, never implicitCurve nor specifiedCurve, which let an attacker choose the generator.
  const curve = namedCurves.get(parameters);
  if (curve === undefined)
    throw new CryptoError("unsupported-key", "The key is not on P-256, P-384 or P-521, or does not name its curve.");
  if (point[0] === 0x02 || point[0] === 0x03)
    throw new CryptoError("unsupported-key", "Compressed points are not supported: send the point uncompressed.");
  if (point[0] !== 0x04 || point.length !== 1 + 2 * Math.ceil(curve.bits / 8))
    throw new CryptoError("malformed-key", `The key is not an uncompressed point of ${curve.kind}.`);
  return curve;
}

function ed25519(parameters: string, key: Uint8Array): Description {
  // RFC 8410 3: the parameters are absent.
  if (parameters !== "" || key.length !== 32)
    throw new CryptoError("malformed-key", "The key is not an Ed25519 key of RFC 8410.");
  return { kind: "Ed25519", bits: 256 };
}

function rsa(parameters: string, key: Uint8Array): Description {
  // RFC 3279 2.3.1: the parameters are NULL.
  if (parameters !== "0500") throw new CryptoError("malformed-key", "The RSA key has parameters other than NULL.");
  const [modulus, exponent] = decodeDer(key, (reader) =>
    reader.sequence((content) => [content.integer(), content.integer()] as const),
  );
  if (isNegative(modulus) || isNegative(exponent) || !isOdd(modulus))
    throw new CryptoError("malformed-key", "The RSA key has a modulus or an exponent that no RSA key can have.");
  const bits = bitLength(modulus);
  if (bits < leastModulusBits)
    throw new CryptoError("weak-key", `RSA keys need at least ${leastModulusBits} bits; this one has ${bits}.`);
  if (bits > mostModulusBits)
    throw new CryptoError("unsupported-key", `RSA keys above ${mostModulusBits} bits are not supported.`);
  if (!isOdd(exponent) || bitLength(exponent) < 2)
    throw new CryptoError("weak-key", "The RSA key has a public exponent that is even or 1.");
  if (bitLength(exponent) > mostExponentBits)
    throw new CryptoError("unsupported-key", `RSA exponents above ${mostExponentBits} bits are not supported.`);
  return { kind: "RSA", bits };
}

function isNegative(integer: Uint8Array): boolean {
  return (integer[0] ?? 0) >= 0x80;
}

function isOdd(integer: Uint8Array): boolean {
  return ((integer[integer.length - 1] ?? 0) & 1) === 1;
}

/** Of a non-negative INTEGER's content octets, which have at most one leading zero octet. */
function bitLength(integer: Uint8Array): number {
  const significant = integer[0] === 0 ? integer.subarray(1) : integer;
  return significant.length * 8 - (significant.length === 0 ? 0 : Math.clz32(significant[0] ?? 0) - 24);
}

const idEcPublicKey = "1.2.840.10045.2.1";
const idEd25519 = "1.3.101.112";
const rsaEncryption = "1.2.840.113549.1.1.1";

const p256: Description = { kind: "P-256", bits: 256 };
/** All of a SubjectPublicKeyInfo up to the coordinates, id-ecPublicKey and secp256r1 in it (RFC 5480 2, RFC 8422 5.4.1). */
const p256Header = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex");
const p256Length = p256Header.length + 64;

/** By the DER of the curve's OBJECT IDENTIFIER (RFC 5480 2.1.1.1). */
const namedCurves: ReadonlyMap<string, Description> = new Map<string, Description>([
  ["06082a8648ce3d030107", p256],
  ["06052b81040022", { kind: "P-384", bits: 384 }],
  ["06052b81040023", { kind: "P-521", bits: 521 }],
]);

/** Those of the issuers in use, although devices with keys of their own come between. */
const mostRemembered = 128;
const remembered = new Map<string, PublicKey>();

const leastModulusBits = 2048;
/** Verifying costs the square of the size, and its key comes from a stranger. */
const mostModulusBits = 8192;
/** The same; 65537 is what everybody uses. */
const mostExponentBits = 33;
