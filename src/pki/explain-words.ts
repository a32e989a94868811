import { hex, view } from "../core/bytes.ts";
import { signatureAlgorithmOf } from "../crypto/algorithms.ts";
import { CryptoError } from "../crypto/errors.ts";
import { sha256 } from "../crypto/mac.ts";
import { decodeDer } from "../encoding/der.ts";
import { DerError } from "../encoding/errors.ts";
import { textOf } from "../encoding/strings.ts";
import type { GeneralName } from "./general-name.ts";
import { formatName, isEmptyName, type Name } from "./name.ts";
import type { Subtree } from "./name-constraints.ts";
import { contentTypes, otherNames } from "./oids.ts";

/** Milliseconds since 1970-01-01 UTC as `2026-03-01 14:05:00 UTC`. */
export function dateText(milliseconds: number): string {
  if (milliseconds === withoutEnd) return "9999-12-31 23:59:59 UTC, which means without end";
  const text = new Date(milliseconds).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`;
}

/** A span of time by its largest unit: `3 days`. */
export function spanText(milliseconds: number): string {
  const [size, unit] = units.find(([size]) => milliseconds >= size) ?? lastUnit;
  return counted(Math.floor(milliseconds / size), unit);
}

/** `1 entry`, `2 entries`. */
export function counted(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${count} ${/[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;
}

/** A name, or what stands for one that is empty. */
export function nameText(name: Name): string {
  return isEmptyName(name) ? "(empty)" : formatName(name);
}

/** What a fingerprint or an identifier is compared by. */
export function fingerprint(bytes: Uint8Array): string {
  return hex(sha256(bytes));
}

/** The name of a CMS content type. */
export function contentTypeText(type: string): string {
  return contentTypeNames.get(type) ?? `content type ${type}`;
}

/** The name of a signature algorithm; that of one that is refused as far as it is known. */
export function signatureAlgorithmText(identifier: Uint8Array): string {
  try {
    return signatureAlgorithmOf(identifier).name;
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    const { algorithm } = error.details;
    return typeof algorithm === "string" ? (refusedAlgorithms.get(algorithm) ?? algorithm) : "(unreadable)";
  }
}

/** A GeneralName with the kind that it is of. */
export function generalNameText(name: GeneralName | Subtree): string {
  switch (name.kind) {
    case "dNSName":
      return `host ${name.text}`;
    case "rfc822Name":
      return `mailbox ${name.text}`;
    case "uniformResourceIdentifier":
      return `URI ${name.text}`;
    case "directoryName":
      return `directory name ${nameText(name.name)}`;
    case "registeredID":
      return `object identifier ${name.identifier}`;
    case "iPAddress":
      return `address ${addressText(name.address)}${"mask" in name ? `/${prefixLength(name.mask)}` : ""}`;
    case "otherName":
      return otherNameText(name.type, name.value);
    case "x400Address":
    case "ediPartyName":
      return `${name.kind} of ${name.raw.length} octets`;
  }
}

function otherNameText(type: string, value: Uint8Array): string {
  try {
    // RFC 4108 5: what sort of hardware, and the serial number of this piece of it.
    if (type === otherNames.hardwareModuleName)
      return decodeDer(value, (reader) =>
        reader.sequence(
          (content) =>
            `hardware module of type ${content.objectIdentifier()}, serial number ${hex(content.octetString())}`,
        ),
      );
    const element = decodeDer(value, (reader) => reader.any());
    return `${type} ${textOf(element.tag, element.content)}`;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return `otherName of type ${type}`;
  }
}

function addressText(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  const groups = Array.from({ length: address.length / 2 }, (_, i) =>
    view(address)
      .readUInt16BE(2 * i)
      .toString(16),
  );
  // RFC 5952 4.2: the longest run of zeros, as a URL parser writes it.
  return groups.length === 8 ? new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1) : "(to be filled in)";
}

/** Of a mask that has been checked to be one of a prefix. */
function prefixLength(mask: Uint8Array): number {
  return mask.reduce((length, octet) => length + Math.clz32(~octet & 0xff) - 24, 0);
}

/** RFC 5280 4.1.2.5: 99991231235959Z. */
export const withoutEnd = 253_402_300_799_000;

const day = 24 * 3_600_000;
const lastUnit = [1000, "second"] as const;
const units = [[365.25 * day, "year"], [day, "day"], [3_600_000, "hour"], [60_000, "minute"], lastUnit] as const;

/** What others still write, in dotted form. */
const refusedAlgorithms: ReadonlyMap<string, string> = new Map([
  ["1.2.840.113549.1.1.2", "RSA with MD2"],
  ["1.2.840.113549.1.1.4", "RSA with MD5"],
  ["1.2.840.113549.1.1.5", "RSA with SHA-1"],
  ["1.2.840.113549.1.1.10", "RSASSA-PSS with other parameters than those of SHA-2 with MGF1"],
  ["1.2.840.113549.1.1.14", "RSA with SHA-224"],
  ["1.2.840.10040.4.3", "DSA with SHA-1"],
  ["2.16.840.1.101.3.4.3.2", "DSA with SHA-256"],
  ["1.2.840.10045.4.1", "ECDSA with SHA-1"],
  ["1.2.840.10045.4.3.1", "ECDSA with SHA-224"],
  ["1.3.101.113", "Ed448"],
  ["2.16.840.1.101.3.4.3.17", "ML-DSA-44"],
  ["2.16.840.1.101.3.4.3.18", "ML-DSA-65"],
  ["2.16.840.1.101.3.4.3.19", "ML-DSA-87"],
]);

const contentTypeNames: ReadonlyMap<string, string> = new Map([
  [contentTypes.data, "data"],
  [contentTypes.signedData, "a signed message"],
  [contentTypes.envelopedData, "an encrypted message"],
  [contentTypes.authEnvelopedData, "an encrypted message"],
  [contentTypes.animaJsonVoucher, "a voucher (RFC 8366)"],
  ["1.2.840.113549.1.9.16.1.42", "an SZTP conveyed information (RFC 8572)"],
  ["1.2.840.113549.1.9.16.1.43", "an SZTP conveyed information (RFC 8572)"],
  ["1.3.6.1.5.5.7.12.2", "a CMC request"],
  ["1.3.6.1.5.5.7.12.3", "a CMC response"],
]);
