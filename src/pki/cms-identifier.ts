import { equal } from "../core/bytes.ts";
import type { DerReader } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { contextPrimitive, tags } from "../encoding/tags.ts";
import type { Certificate } from "./certificate.ts";
import { PkiError } from "./errors.ts";
import { equalNames, type Name, readName } from "./name.ts";
import { subjectKeyIdentifierOf } from "./standard-extensions.ts";

/** How CMS says whose key it is: SignerIdentifier (RFC 5652 5.3) and RecipientIdentifier (6.2.1). */
export type CertificateIdentifier =
  | {
      readonly kind: "issuerAndSerialNumber";
      readonly issuer: Name;
      /** Content octets of the INTEGER, as in `Certificate`. */
      readonly serialNumber: Uint8Array;
    }
  | { readonly kind: "subjectKeyIdentifier"; readonly keyIdentifier: Uint8Array };

/** The identifier that every certificate has. */
export function issuerAndSerialNumberOf({ issuer, serialNumber }: Certificate): CertificateIdentifier {
  return { kind: "issuerAndSerialNumber", issuer, serialNumber };
}

/** All identifiers of a certificate: the second is its subjectKeyIdentifier, if it has one that is well-formed. */
export function identifiersOf(certificate: Certificate): readonly CertificateIdentifier[] {
  const keyIdentifier = keyIdentifierIn(certificate);
  return [
    issuerAndSerialNumberOf(certificate),
    ...(keyIdentifier === undefined ? [] : [{ kind: "subjectKeyIdentifier", keyIdentifier } as const]),
  ];
}

/** Whether `identifier` names this certificate. Several certificates can have the same name; only a signature tells them apart. */
export function identifies(identifier: CertificateIdentifier, certificate: Certificate): boolean {
  if (identifier.kind === "issuerAndSerialNumber")
    return sameIdentifier(identifier, issuerAndSerialNumberOf(certificate));
  const keyIdentifier = keyIdentifierIn(certificate);
  return keyIdentifier !== undefined && equal(identifier.keyIdentifier, keyIdentifier);
}

/** Whether two identifiers are the same. */
export function sameIdentifier(a: CertificateIdentifier, b: CertificateIdentifier): boolean {
  if (a.kind === "subjectKeyIdentifier")
    return b.kind === "subjectKeyIdentifier" && equal(a.keyIdentifier, b.keyIdentifier);
  return b.kind === "issuerAndSerialNumber" && equal(a.serialNumber, b.serialNumber) && equalNames(a.issuer, b.issuer);
}

/** Reads a SignerIdentifier or a RecipientIdentifier; throws DerError. */
export function readIdentifier(reader: DerReader): CertificateIdentifier {
  if (reader.has(contextPrimitive(0)))
    return { kind: "subjectKeyIdentifier", keyIdentifier: reader.octetString(contextPrimitive(0)) };
  return readIssuerAndSerialNumber(reader);
}

/** Reads an IssuerAndSerialNumber (RFC 5652 10.2.4); throws DerError. */
export function readIssuerAndSerialNumber(reader: DerReader): CertificateIdentifier {
  return reader.sequence((content) => ({
    kind: "issuerAndSerialNumber",
    issuer: readName(content),
    serialNumber: content.integer(),
  }));
}

/** A SignerIdentifier or a RecipientIdentifier in DER. */
export function encodeIdentifier(identifier: CertificateIdentifier): Uint8Array {
  if (identifier.kind === "subjectKeyIdentifier") return der.implicit(0, der.octetString(identifier.keyIdentifier));
  return encodeIssuerAndSerialNumber(identifier);
}

/** An IssuerAndSerialNumber in DER. */
export function encodeIssuerAndSerialNumber(
  identifier: CertificateIdentifier & { readonly kind: "issuerAndSerialNumber" },
): Uint8Array {
  return der.sequence([identifier.issuer.raw, der.element(tags.integer, identifier.serialNumber)]);
}

/** A certificate whose extension is malformed is named by issuer and serial number only. */
function keyIdentifierIn(certificate: Certificate): Uint8Array | undefined {
  try {
    return subjectKeyIdentifierOf(certificate.extensions);
  } catch (error) {
    if (error instanceof PkiError) return undefined;
    throw error;
  }
}
