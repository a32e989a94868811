import type { Signer } from "../crypto/signer.ts";
import * as der from "../encoding/der-writer.ts";
import type { Revocation } from "./crl-entries.ts";
import { CrlError, encodingCrl } from "./crl-errors.ts";
import { encodedReasons, type RevocationReason } from "./crl-reasons.ts";
import { type Extension, encodeExtensions } from "./extensions.ts";
import { crlEntryExtensionTypes, crlExtensionTypes } from "./oids.ts";
import { encodeAuthorityKeyIdentifier } from "./standard-extensions.ts";

export interface CertificateListContent {
  /** Name in DER, byte for byte the subject of the issuer's certificate. */
  readonly issuer: Uint8Array;
  /** The subjectKeyIdentifier of the issuer's certificate. */
  readonly authorityKeyIdentifier: Uint8Array;
  /** Milliseconds since 1970-01-01 UTC; fractions of a second are dropped, here and in the entries. */
  readonly thisUpdate: number;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly nextUpdate: number;
  /** Unsigned number of 1 to 20 octets, most significant first, higher than in each list before (RFC 5280 5.2.3). */
  readonly cRLNumber: Uint8Array;
  /** Serial numbers are taken as unsigned numbers, and all but expired certificates stay on the list (RFC 5280 3.3). */
  readonly revokedCertificates: Iterable<Revocation> | AsyncIterable<Revocation>;
  /** The issuer's. */
  readonly signer: Signer;
}

/**
 * A signed version 2 CRL in DER with the two extensions that RFC 5280 5.2 demands. Throws CrlError `unencodable`, and what the
 * signer throws. It does not look for a serial number that occurs twice.
 */
export async function buildCertificateList(content: CertificateListContent): Promise<Uint8Array> {
  const { signer, revokedCertificates } = content;
  const entries: Uint8Array[] = [];
  // One at a time: whoever reads a long list from a store can let others run in between.
  for await (const revocation of revokedCertificates) entries.push(encodingCrl(() => encodeEntry(revocation)));
  const tbsCertList = encodingCrl(() => encodeTbsCertList(content, entries));
  const signature = await signer.sign(tbsCertList);
  return der.sequence([tbsCertList, signer.algorithm, der.bitString(signature)]);
}

function encodeTbsCertList(content: CertificateListContent, entries: readonly Uint8Array[]): Uint8Array {
  const { issuer, authorityKeyIdentifier, thisUpdate, nextUpdate, cRLNumber, signer } = content;
  if (nextUpdate < thisUpdate) throw new CrlError("unencodable", "The CRL would be replaced before it is issued.");
  const extensions: readonly Extension[] = [
    encodeAuthorityKeyIdentifier(authorityKeyIdentifier),
    { type: crlExtensionTypes.cRLNumber, critical: false, value: number("A cRLNumber", cRLNumber) },
  ];
  return der.sequence([
    version2,
    signer.algorithm,
    issuer,
    der.time(thisUpdate),
    der.time(nextUpdate),
    // RFC 5280 5.1.2.6: absent when there are no revoked certificates.
    ...(entries.length > 0 ? [der.sequence(entries)] : []),
    der.explicit(0, encodeExtensions(extensions)),
  ]);
}

function encodeEntry({ serialNumber, revocationDate, reason, invalidityDate }: Revocation): Uint8Array {
  const extensions: Extension[] = [];
  // RFC 5280 5.3.1: unspecified should not be written.
  if (reason !== undefined && reason !== "unspecified") extensions.push(encodeReason(reason));
  if (invalidityDate !== undefined) extensions.push(encodeInvalidityDate(invalidityDate));
  return der.sequence([
    number("A serial number", serialNumber),
    der.time(revocationDate),
    ...(extensions.length > 0 ? [encodeExtensions(extensions)] : []),
  ]);
}

function encodeReason(reason: RevocationReason): Extension {
  const value = encodedReasons.get(reason);
  // RFC 5280 5.3.1: in delta CRLs only.
  if (value === undefined || reason === "removeFromCRL")
    throw new CrlError("unencodable", `A complete CRL has no entry with the reason ${reason}.`);
  return { type: crlEntryExtensionTypes.reasonCode, critical: false, value };
}

/** RFC 5280 5.3.2: GeneralizedTime always, and not UTCTime before 2050. */
function encodeInvalidityDate(milliseconds: number): Extension {
  return { type: crlEntryExtensionTypes.invalidityDate, critical: false, value: der.generalizedTime(milliseconds) };
}

function number(what: string, magnitude: Uint8Array): Uint8Array {
  const significant = magnitude[0] === 0 ? magnitude.length - 1 : magnitude.length;
  if (magnitude.length === 0 || significant > maximumOctets)
    throw new CrlError("unencodable", `${what} has 1 to ${maximumOctets} octets.`);
  return der.unsignedInteger(magnitude);
}

const version2 = der.integer(1);
const maximumOctets = 20;
