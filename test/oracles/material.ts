import { generateKeyPairSync, hash } from "node:crypto";
import { utf8 } from "../../src/core/bytes.ts";
import { generateKey, type PrivateKey, type SynchronousSigner, signerOf } from "../../src/crypto/keys.ts";
import * as der from "../../src/encoding/der-writer.ts";
import { tags } from "../../src/encoding/tags.ts";
import { type Certificate, parseCertificate } from "../../src/pki/certificate.ts";
import type { Extension } from "../../src/pki/extensions.ts";
import { buildCertificate } from "../../src/pki/issue.ts";
import { parseName } from "../../src/pki/name.ts";
import { attributeTypes, keyPurposes } from "../../src/pki/oids.ts";
import * as standard from "../../src/pki/standard-extensions.ts";
import type { Random } from "./random.ts";

/** Generated names, dates, serial numbers and extensions, each with the values that every reader must find in its bytes. */

export interface Key {
  readonly kind: "P-256" | "P-384" | "P-521" | "Ed25519" | "RSA";
  readonly privateKey: PrivateKey;
  readonly signer: SynchronousSigner;
}

/** One key of each kind; new ones in each process, because nothing that is compared depends on them. */
export const keys: readonly [Key, ...Key[]] = [
  keyOf("P-256", generateKey("P-256")),
  keyOf("P-384", generateKey("P-384")),
  keyOf("P-521", generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey),
  keyOf("Ed25519", generateKey("Ed25519")),
  keyOf("RSA", generateKey("RSA-2048")),
];

export interface NameValue {
  readonly type: string;
  readonly tag: number;
  readonly text: string;
}

/** A Name in DER of one to six attributes in strings of these types, each of which can hold its text. */
export function randomName(
  random: Random,
  types: StringTypes = allStrings,
): { readonly raw: Uint8Array; readonly values: readonly NameValue[] } {
  const values = Array.from({ length: 1 + random.below(6) }, () => {
    const [tag, texts] = random.pick(types);
    return { type: random.pick(attributes), tag, text: random.pick(texts) };
  });
  const rdn = ({ type, tag, text }: NameValue) =>
    der.setOf([der.sequence([der.objectIdentifier(type), der.element(tag, octetsOf(tag, text))])]);
  return { raw: der.sequence(values.map(rdn)), values };
}

/** Dates in whole seconds around 1950, 2050 and 9999, where their form changes or ends, or of today. */
export function randomDates(random: Random): { readonly notBefore: number; readonly notAfter: number } {
  const moments = [Date.UTC(1950, 0, 1), Date.UTC(2026, 0, 1), Date.UTC(2050, 0, 1), endless] as const;
  const near = () => Math.min(endless, random.pick(moments) + (random.below(7) - 3) * 1000);
  const [a, b] = [near(), near()];
  return { notBefore: Math.min(a, b), notAfter: Math.max(a, b) };
}

/** One to 20 octets, not all zero; often with the highest bit set, and often with zeros before. */
export function randomSerialNumber(random: Random): Uint8Array {
  const serialNumber = random.bytes(1 + random.below(20));
  serialNumber[0] = random.pick([0x00, 0x01, 0x7f, 0x80, 0xff]);
  serialNumber[serialNumber.length - 1] = 1 + random.below(255);
  return serialNumber;
}

/** Some of the extensions of RFC 5280, critical or not, and at times an unknown one. */
export function randomExtensions(random: Random, publicKey: Uint8Array): readonly Extension[] {
  const all: readonly Extension[] = [
    standard.encodeBasicConstraints(
      random.chance(2) ? { cA: false } : { cA: true, pathLenConstraint: random.pick([0, 1, 127, 128, 40_000]) },
    ),
    standard.encodeKeyUsage([random.pick(["digitalSignature", "keyAgreement", "decipherOnly"]), "nonRepudiation"]),
    standard.encodeExtKeyUsage([random.pick([keyPurposes.clientAuth, keyPurposes.serverAuth]), "1.3.6.1.4.1.99999.1"]),
    standard.encodeSubjectAltName(
      [
        { kind: "dNSName", text: `host-${random.below(1000)}.example` },
        { kind: "iPAddress", address: random.bytes(random.pick([4, 16])) },
        { kind: "rfc822Name", text: "a@device.example" },
        { kind: "uniformResourceIdentifier", text: "urn:device:1" },
        { kind: "directoryName", name: parseName(randomName(random, directoryStrings).raw) },
        { kind: "registeredID", identifier: "1.3.6.1.4.1.99999.2" },
      ],
      random.chance(2),
    ),
    standard.encodeSubjectKeyIdentifier(standard.keyIdentifierOf(publicKey)),
    standard.encodeAuthorityKeyIdentifier(random.bytes(20)),
    { type: "1.3.6.1.4.1.99999.3", critical: false, value: der.octetString(random.bytes(random.below(300))) },
  ];
  return all.filter(() => !random.chance(4));
}

/** A certificate of `key` for itself, whose other fields are chosen by `random`, and what they are. */
export async function randomCertificate(random: Random, key: Key, types: StringTypes = allStrings) {
  const [issuer, subject] = [randomName(random, types), randomName(random, types)];
  const dates = randomDates(random);
  const serialNumber = randomSerialNumber(random);
  const extensions = randomExtensions(random, key.signer.publicKey);
  const { publicKey } = key.signer;
  const names = { issuer: issuer.raw, subject: subject.raw };
  const raw = await buildCertificate({ ...names, ...dates, serialNumber, publicKey, extensions, signer: key.signer });
  return { raw, issuer, subject, ...dates, serialNumber, extensions };
}

/**
 * A certificate that can be found by issuer and serial number, and by its key's identifier: SHA-1 of the key's bits (RFC 5280
 * 4.2.1.2, method 1), which is what PKI.js looks for, whatever the extension says.
 */
export async function selfSigned({ kind, signer }: Key): Promise<Certificate> {
  const name = der.sequence([
    der.setOf([der.sequence([der.objectIdentifier(attributeTypes.commonName), der.utf8String(kind)])]),
  ]);
  return parseCertificate(
    await buildCertificate({
      serialNumber: Uint8Array.of(0x80, 1),
      issuer: name,
      subject: name,
      publicKey: signer.publicKey,
      notBefore: Date.UTC(2026, 0, 1),
      notAfter: endless,
      extensions: [
        standard.encodeBasicConstraints({ cA: true }),
        standard.encodeKeyUsage(["digitalSignature", "keyEncipherment", "keyAgreement", "keyCertSign", "cRLSign"]),
        standard.encodeSubjectKeyIdentifier(hash("sha1", standard.publicKeyBitsOf(signer.publicKey), "buffer")),
      ],
      signer,
    }),
  );
}

/** The number that unsigned octets stand for, in hexadecimal without leading zeros. */
export function numberOf(magnitude: Uint8Array): string {
  return Buffer.from(magnitude)
    .toString("hex")
    .replace(/^0+(?=.)/, "");
}

function keyOf(kind: Key["kind"], privateKey: PrivateKey): Key {
  return { kind, privateKey, signer: signerOf(privateKey) };
}

function octetsOf(tag: number, text: string): Uint8Array {
  if (tag === tags.utf8String) return utf8(text);
  if (tag === tags.bmpString) return Buffer.from(text, "utf16le").swap16();
  if (tag === tags.universalString)
    return Buffer.concat(
      Array.from(text, (character) => {
        const octets = Buffer.alloc(4);
        octets.writeUInt32BE(character.codePointAt(0) ?? 0);
        return octets;
      }),
    );
  return Buffer.from(text, "latin1");
}

/** RFC 5280 4.1.2.5: the end of certificates without one. */
export const endless = 253_402_300_799_000;

/** A type of string, and texts that it can hold. */
type StringType = readonly [tag: number, texts: readonly [string, ...string[]]];
export type StringTypes = readonly [StringType, ...StringType[]];

const attributes = [
  attributeTypes.commonName,
  attributeTypes.organizationName,
  attributeTypes.organizationalUnitName,
  attributeTypes.serialNumber,
  attributeTypes.countryName,
  attributeTypes.localityName,
  attributeTypes.userId,
  attributeTypes.domainComponent,
] as const;

/** What stands in names. */
export const directoryStrings: StringTypes = [
  [tags.utf8String, ["a", "Größe & Söhne", "日本", "😀", 'a,b+c="d"\\', " padded ", "#1"]],
  [tags.printableString, ["A1 (b) - c/d: e?", "sn-1"]],
  [tags.ia5String, ["a@b.example", "a_b*"]],
  [tags.numericString, ["0 1 2"]],
  [tags.teletexString, ["Köln"]],
  [tags.bmpString, ["A€", "日本"]],
  [tags.universalString, ["😀", "A"]],
];

/** Which OpenSSL does not read in a name: it is none of the strings that RFC 5280 A.1 has for names. */
const visibleString: StringType = [tags.visibleString, ["{visible}"]];
const allStrings: StringTypes = [visibleString, ...directoryStrings];
