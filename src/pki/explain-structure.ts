import { equal } from "../core/bytes.ts";
import * as der from "../encoding/der-writer.ts";
import { tags } from "../encoding/tags.ts";
import { type Element, elementAt, elementsBetween } from "./explain-faults.ts";
import { contentTypes } from "./oids.ts";

/** What a block is, by what its first elements look like; nothing is known of the rest. */
export type Structure =
  | "certificate"
  | "certification-request"
  | "certificate-list"
  | "signed-data"
  | "enveloped-data"
  | "other-cms"
  | "private-key"
  | "encrypted-private-key"
  | "public-key"
  | "pkcs12"
  | "ocsp-request"
  | "ocsp-response"
  | "unknown";

/** Tells structures in DER or BER apart. It takes no notice of faults, so that what is broken can be explained. */
export function structureOf(bytes: Uint8Array): Structure {
  const outer = elementAt(bytes, 0, bytes.length);
  if (outer === undefined || outer.tag !== tags.sequence) return "unknown";
  const [first, second, third] = inside(bytes, outer);
  if (first === undefined) return "unknown";
  switch (first.tag) {
    case tags.objectIdentifier:
      return cmsStructure(bytes, first);
    case enumerated:
      return "ocsp-response";
    case tags.integer:
      // RFC 7292 4: the version of a PFX is 3; those of private keys are 0 and 1.
      if (second?.tag === tags.sequence && bytes[first.content] === 3) return "pkcs12";
      return second === undefined ? "unknown" : "private-key";
    case tags.sequence:
      if (third !== undefined || second?.tag === tags.sequence) return signedStructure(bytes, first);
      if (second?.tag === tags.bitString) return "public-key";
      if (second?.tag === tags.octetString) return "encrypted-private-key";
      return isOcspRequest(bytes, first) ? "ocsp-request" : signedStructure(bytes, first);
    default:
      return "unknown";
  }
}

function inside(bytes: Uint8Array, { content, end }: Element): readonly Element[] {
  return elementsBetween(bytes, content, Math.min(end, bytes.length), mostElements);
}

/** By the to-be-signed part of the three structures that are signed. */
function signedStructure(bytes: Uint8Array, signed: Element): Structure {
  const elements = inside(bytes, signed);
  const typeAt = (index: number) => elements[index]?.tag;
  // RFC 5280 5.1.2: after the issuer of a CRL a Time follows at once; in certificates they come in pairs, in a SEQUENCE.
  const isTime = (tag: number | undefined) => tag === tags.utcTime || tag === tags.generalizedTime;
  if (isTime(typeAt(2)) || isTime(typeAt(3))) return "certificate-list";
  const [version, , key] = elements;
  // RFC 2986 4.1: version, subject, key; the key of a certificate comes four elements later.
  if (version?.tag === tags.integer && key !== undefined && typeAt(3) !== tags.sequence) {
    const [, bits] = inside(bytes, key);
    if (bits?.tag === tags.bitString) return "certification-request";
  }
  return elements.length >= 3 ? "certificate" : "unknown";
}

/** RFC 6960 4.1.1: a list of requests, each of which begins with a CertID. */
function isOcspRequest(bytes: Uint8Array, request: Element): boolean {
  const [requestList] = inside(bytes, request).filter(({ tag }) => tag === tags.sequence);
  const [single] = requestList === undefined ? [] : inside(bytes, requestList);
  const [certId] = single === undefined ? [] : inside(bytes, single);
  const parts = certId === undefined ? [] : inside(bytes, certId);
  return parts[1]?.tag === tags.octetString && parts[2]?.tag === tags.octetString && parts[3]?.tag === tags.integer;
}

function cmsStructure(bytes: Uint8Array, type: Element): Structure {
  const isOf = (name: keyof typeof contentTypes) =>
    equal(bytes.subarray(type.start, type.end), der.objectIdentifier(contentTypes[name]));
  if (isOf("signedData")) return "signed-data";
  return isOf("envelopedData") || isOf("authEnvelopedData") ? "enveloped-data" : "other-cms";
}

/** Identifier octet of ENUMERATED: an OCSP response begins with its status (RFC 6960 4.2.1). */
const enumerated = 0x0a;
const mostElements = 16;
