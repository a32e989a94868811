import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { concat, fromHex, view } from "../../src/core/bytes.ts";
import { systemRandomness } from "../../src/core/randomness.ts";
import { generateKey, signerOf } from "../../src/crypto/keys.ts";
import type { Signer } from "../../src/crypto/signer.ts";
import * as der from "../../src/encoding/der-writer.ts";
import type { Extension } from "../../src/pki/extensions.ts";
import { encodeExtensions } from "../../src/pki/extensions.ts";
import { buildCertificate } from "../../src/pki/issue.ts";
import { encodeName } from "../../src/pki/name.ts";
import { attributeTypes, requestAttributes } from "../../src/pki/oids.ts";
import { encodeBasicConstraints, encodeKeyUsage } from "../../src/pki/standard-extensions.ts";
import type { RawIdentity } from "./raw-client.ts";

/** Requests and certificates that no proper client makes: nothing in here is checked. */

export function commonName(value: string): Uint8Array {
  return encodeName([{ type: attributeTypes.commonName, value }]);
}

export function serialNumber(value: string): Uint8Array {
  return encodeName([{ type: attributeTypes.serialNumber, value }]);
}

/** The signer of a new P-256 key. */
export function newSigner(): Signer {
  return signerOf(generateKey("P-256"));
}

export interface CraftedRequest {
  readonly subject: Uint8Array;
  readonly signer?: Signer;
  readonly version?: number;
  readonly attributes?: readonly Uint8Array[];
}

/** A certification request of these parts in DER (RFC 2986), signed by whatever `signer` signs with. */
export async function craftedRequest(content: CraftedRequest): Promise<Uint8Array> {
  const { subject, signer = newSigner(), version = 0, attributes = [] } = content;
  const info = der.sequence([der.integer(version), subject, signer.publicKey, der.implicit(0, der.setOf(attributes))]);
  return der.sequence([info, signer.algorithm, der.bitString(await signer.sign(info))]);
}

export function passwordAttribute(text: string): Uint8Array {
  return attribute(requestAttributes.challengePassword, der.utf8String(text));
}

export function extensionAttribute(...extensions: readonly Extension[]): Uint8Array {
  return attribute(requestAttributes.extensionRequest, encodeExtensions(extensions));
}

/** An extensionRequest with the same extension twice, which `encodeExtensions` refuses to write. */
export function doubledExtension({ type, value }: Extension): Uint8Array {
  const one = der.sequence([der.objectIdentifier(type), der.octetString(value)]);
  return attribute(requestAttributes.extensionRequest, der.sequence([one, one]));
}

/** Signs with a P-256 key over SHA-1. */
export function sha1Signer(): Signer {
  const key = generateKey("P-256");
  const ecdsaWithSha1 = fromHex("300906072a8648ce3d0401") as Uint8Array;
  return { ...signerOf(key), algorithm: ecdsaWithSha1, sign: (data) => sign("sha1", view(data), key) };
}

/** A pair that `signerOf` refuses, with the SubjectPublicKeyInfo that Node writes for it. */
export function oddSigner(pair: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }): Signer {
  const isRsa = pair.privateKey.asymmetricKeyType === "rsa";
  return {
    publicKey: pair.publicKey.export({ format: "der", type: "spki" }),
    algorithm: fromHex(isRsa ? "300d06092a864886f70d01010b0500" : "300a06082a8648ce3d040302") as Uint8Array,
    sign: (data) => sign("sha256", view(data), pair.privateKey),
  };
}

/** A P-256 key whose point is rewritten. */
export function pointSigner(rewrite: (point: Uint8Array) => Uint8Array): Signer {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const point = pair.publicKey.export({ format: "raw-public", type: "uncompressed" });
  const algorithm = der.sequence([
    der.objectIdentifier("1.2.840.10045.2.1"),
    der.objectIdentifier("1.2.840.10045.3.1.7"),
  ]);
  return { ...oddSigner(pair), publicKey: der.sequence([algorithm, der.bitString(rewrite(point))]) };
}

/** An RSA key of 2048 bits with an even public exponent: nobody has its private half, so the signature is made up. */
export function evenExponentSigner(): Signer {
  const modulus = Uint8Array.from(systemRandomness.bytes(256));
  modulus[0] = 0xc0;
  modulus[255] = 0x01;
  const algorithm = der.sequence([der.objectIdentifier("1.2.840.113549.1.1.1"), der.nullValue()]);
  const key = der.sequence([der.unsignedInteger(modulus), der.integer(65_536)]);
  return {
    publicKey: der.sequence([algorithm, der.bitString(key)]),
    algorithm: fromHex("300d06092a864886f70d01010b0500") as Uint8Array,
    sign: () => systemRandomness.bytes(256),
  };
}

/** The same request with its outer length in the indefinite form of BER. */
export function indefinite(request: Uint8Array): Uint8Array {
  const length = request[1] as number;
  const header = 2 + (length < 0x80 ? 0 : length & 0x7f);
  return concat([Uint8Array.of(0x30, 0x80), request.subarray(header), Uint8Array.of(0, 0)]);
}

/** A certificate with its key that can issue others, whether it is a CA or not. */
export interface CraftedIssuer extends RawIdentity {
  issue(subject: Uint8Array, options?: CraftedCertificate, key?: KeyObject): Promise<CraftedIssuer>;
}

export interface CraftedCertificate {
  readonly extensions?: readonly Extension[];
  /** Milliseconds from now. */
  readonly from?: number;
  readonly to?: number;
}

/** The extensions of a CA. */
export function authorityExtensions(pathLenConstraint?: number): readonly Extension[] {
  const constraint = pathLenConstraint === undefined ? {} : { pathLenConstraint };
  return [encodeBasicConstraints({ cA: true, ...constraint }), encodeKeyUsage(["keyCertSign"])];
}

/** A self-signed certificate to begin with. */
export function selfSigned(subject: Uint8Array, extensions: readonly Extension[]): Promise<CraftedIssuer> {
  const key = generateKey("P-256");
  return certified(subject, key, { name: subject, key, chain: [] }, { extensions });
}

interface Issuing extends RawIdentity {
  readonly name: Uint8Array;
}

async function certified(
  subject: Uint8Array,
  key: KeyObject,
  issuer: Issuing,
  { extensions = [], from = -day, to = day }: CraftedCertificate,
): Promise<CraftedIssuer> {
  const now = Date.now();
  const certificate = await buildCertificate({
    serialNumber: concat([Uint8Array.of(0x40), systemRandomness.bytes(15)]),
    issuer: issuer.name,
    subject,
    publicKey: signerOf(key).publicKey,
    notBefore: now + from,
    notAfter: now + to,
    extensions,
    signer: signerOf(issuer.key),
  });
  const chain = [certificate, ...issuer.chain];
  return {
    chain,
    key,
    issue: (below, options = {}, keyBelow = generateKey("P-256")) =>
      certified(below, keyBelow, { name: subject, key, chain }, options),
  };
}

/** An attribute with one value in DER. */
export function attribute(type: string, value: Uint8Array): Uint8Array {
  return der.sequence([der.objectIdentifier(type), der.setOf([value])]);
}

const day = 24 * 3600 * 1000;
