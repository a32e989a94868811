import { createECDH, createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { base64, concat, fromHex, utf8, view } from "../../../src/core/bytes.ts";
import { type PrivateKey, type SynchronousSigner, signerOf } from "../../../src/crypto/keys.ts";
import { sha256 } from "../../../src/crypto/mac.ts";
import { decodeWireBase64 } from "../../../src/encoding/base64.ts";
import * as der from "../../../src/encoding/der-writer.ts";
import { tags } from "../../../src/encoding/tags.ts";
import type { Certificate } from "../../../src/pki/certificate.ts";
import { decodeCertsOnly } from "../../../src/pki/cms.ts";
import { attributeTypes } from "../../../src/pki/oids.ts";
import { encodeSubjectAltName } from "../../../src/pki/standard-extensions.ts";
import { certify, commonName, request, serialNumber } from "../../../src/protocols/est/fixtures.test-support.ts";

/**
 * What is damaged. The same in every process, or a seed would not repeat its inputs: keys are derived from their names, and
 * what is signed here is signed with Ed25519, which takes no random numbers.
 */

/** The Ed25519 key of this name. */
export function keyOf(name: string): PrivateKey {
  // RFC 8410 7: all of a PrivateKeyInfo but its 32 octets.
  const header = fromHex("302e020100300506032b657004220420") as Uint8Array;
  return createPrivateKey({ key: view(concat([header, sha256(utf8(name))])), format: "der", type: "pkcs8" });
}

export interface FuzzAuthority {
  readonly certificate: Certificate;
  readonly signer: SynchronousSigner;
  readonly key: PrivateKey;
}

/** A CA with the key of its name, a root unless `issuer` is given. */
export async function authorityOf(name: string, issuer?: FuzzAuthority): Promise<FuzzAuthority> {
  const key = keyOf(name);
  const signer = signerOf(key);
  return { key, signer, certificate: await certify([commonName(name)], signer, issuer, { cA: true }) };
}

/** What `signer` makes of something to be signed: certificates and requests have the same frame (RFC 5280 4.1, RFC 2986 4.2). */
export function signed(toBeSigned: Uint8Array, signer: SynchronousSigner): Uint8Array {
  return der.sequence([toBeSigned, signer.algorithm, der.bitString(signer.sign(toBeSigned))]);
}

const vectors = JSON.parse(readFileSync(new URL("../../../src/pki/testdata/est.json", import.meta.url), "utf8"));
const rsa = JSON.parse(readFileSync(new URL("rsa-private-key.json", import.meta.url), "utf8"));
const bytesOf = (text: string) => decodeWireBase64(utf8(text));

/** certs-only messages by where they are from. */
export const messages: Readonly<Record<string, Uint8Array>> = {
  "RFC 7030 A.1": bytesOf(vectors.rfc7030A1.cacerts),
  "RFC 7030 A.3": bytesOf(vectors.rfc7030A3.response),
  "RFC 9148 A.1": bytesOf(vectors.rfc9148A1.cacerts),
};

/** A certs-only message as a streaming writer makes it: indefinite lengths (X.690 8.1.3.6). */
export function streamed(message: Uint8Array): Uint8Array {
  const [certificate = new Uint8Array()] = decodeCertsOnly(message);
  const open = (tag: number, ...parts: readonly Uint8Array[]) =>
    concat([Uint8Array.of(tag, 0x80), ...parts, new Uint8Array(2)]);
  const octets = open(0xa0, open(0x24));
  const content = open(0x30, der.objectIdentifier("1.2.840.113549.1.7.1"), octets);
  const signedData = open(0x30, der.integer(1), der.setOf([]), content, open(0xa0, certificate), der.setOf([]));
  return open(0x30, der.objectIdentifier("1.2.840.113549.1.7.2"), open(0xa0, signedData));
}

const own = signerOf(keyOf("own"));

export const certificates: Readonly<Record<string, Uint8Array>> = {
  ...Object.fromEntries(
    Object.entries(messages).map(([name, message]) => [name, decodeCertsOnly(message)[0] as Uint8Array]),
  ),
  Ed25519: (
    await certify([serialNumber("SN-1")], own, await authorityOf("any CA"), {
      extensions: [encodeSubjectAltName([{ kind: "dNSName", text: "sn-1.example" }])],
    })
  ).raw,
};

export const requests: Readonly<Record<string, Uint8Array>> = {
  "RFC 7030 A.3": bytesOf(vectors.rfc7030A3.csr),
  "RFC 9148 A.3": bytesOf(vectors.rfc9148A3.csr),
  Ed25519: await request([serialNumber("SN-1"), commonName("sn-1.example")], {
    signer: own,
    challengePassword: base64(new Uint8Array(32)),
    extensions: [encodeSubjectAltName([{ kind: "dNSName", text: "sn-1.example" }])],
  }),
};

/** Private keys by kind. */
export const privateKeys: Readonly<Record<string, PrivateKey>> = {
  "P-256": pointKey("P-256", "prime256v1"),
  "P-384": pointKey("P-384", "secp384r1"),
  "P-521": pointKey("P-521", "secp521r1"),
  Ed25519: keyOf("own"),
  RSA: createPrivateKey({ key: view(bytesOf(rsa.rsaPrivateKey)), format: "der", type: "pkcs1" }),
};

/** SubjectPublicKeyInfo by kind. */
export const publicKeys: Readonly<Record<string, Uint8Array>> = Object.fromEntries(
  Object.entries(privateKeys).map(([kind, key]) => [
    kind,
    createPublicKey(key).export({ format: "der", type: "spki" }),
  ]),
);

const rdn = (type: string, value: Uint8Array) => der.setOf([der.sequence([der.objectIdentifier(type), value])]);

/** Names with every type of string, and with what is no string. */
export const names: Readonly<Record<string, Uint8Array>> = {
  "all strings": der.sequence([
    rdn(attributeTypes.countryName, der.printableString("DE")),
    rdn(attributeTypes.domainComponent, der.ia5String("example")),
    rdn(attributeTypes.organizationName, der.utf8String("Größe & Söhne")),
    rdn(attributeTypes.organizationalUnitName, der.element(tags.bmpString, Uint8Array.of(0, 0x41, 0x20, 0xac))),
    rdn(attributeTypes.localityName, der.element(tags.teletexString, Uint8Array.of(0x4b, 0xf6, 0x6c, 0x6e))),
    rdn(attributeTypes.title, der.element(tags.universalString, Uint8Array.of(0, 1, 0xf6, 0))),
    rdn(attributeTypes.pseudonym, der.element(tags.numericString, utf8("007"))),
    rdn(attributeTypes.commonName, der.element(tags.visibleString, utf8("sn-1"))),
  ]),
  "several values": der.sequence([
    der.setOf([
      der.sequence([der.objectIdentifier(attributeTypes.commonName), der.utf8String("a")]),
      der.sequence([der.objectIdentifier(attributeTypes.serialNumber), der.printableString("1")]),
    ]),
    rdn("2.5.4.45", der.bitString(Uint8Array.of(1, 2))),
  ]),
};

/** Private keys in DER by kind and form. */
export const privateKeyForms: Readonly<Record<string, Uint8Array>> = {
  ...Object.fromEntries(
    Object.entries(privateKeys).map(([kind, key]) => [
      `${kind}, PKCS #8`,
      key.export({ format: "der", type: "pkcs8" }),
    ]),
  ),
  "P-256, SEC 1": (privateKeys["P-256"] as PrivateKey).export({ format: "der", type: "sec1" }),
  "RSA, PKCS #1": bytesOf(rsa.rsaPrivateKey),
};

/** An elliptic-curve key whose scalar is the hash of the curve's name. */
function pointKey(crv: string, curve: string): PrivateKey {
  const ecdh = createECDH(curve);
  ecdh.setPrivateKey(view(sha256(utf8(crv))));
  const point = ecdh.getPublicKey();
  const octets = (point.length - 1) / 2;
  const d = Buffer.alloc(octets);
  view(sha256(utf8(crv))).copy(d, octets - 32);
  const text = (bytes: Buffer) => bytes.toString("base64url");
  const [x, y] = [point.subarray(1, 1 + octets), point.subarray(1 + octets)];
  return createPrivateKey({ format: "jwk", key: { kty: "EC", crv, x: text(x), y: text(y), d: text(d) } });
}
