import { hash } from "node:crypto";
import { equal, hex, view } from "../core/bytes.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { tags } from "../encoding/tags.ts";
import type { Certificate } from "./certificate.ts";
import { decodingOcsp } from "./ocsp-errors.ts";
import { publicKeyBitsOf } from "./standard-extensions.ts";

/** A CertID (RFC 6960 4.1.1): one certificate, by hashes of its issuer's name and key and by its serial number. */
export interface CertId {
  /** As received: an answer repeats it. */
  readonly raw: Uint8Array;
  /** In dotted form. */
  readonly hashAlgorithm: string;
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  /** Content octets of the INTEGER, as in `Certificate`. */
  readonly serialNumber: Uint8Array;
}

/**
 * The hashes that a CertID may be made with. SHA-1 is what clients use (RFC 5019 2.1.1), and collisions would gain nothing
 * here: the hash finds an issuer, and the answer is signed with another.
 */
export type CertIdHash = "sha1" | "sha256";

/** Reads a CertID; throws DerError. It takes any hash, of any length: one that is not known here finds no issuer. */
export function readCertId(reader: DerReader): CertId {
  const raw = reader.raw(tags.sequence);
  return decodeDer(raw, (outer) =>
    outer.sequence((content) => {
      const hashAlgorithm = content.sequence((algorithm) => {
        const type = algorithm.objectIdentifier();
        if (!algorithm.done) algorithm.null();
        return type;
      });
      const issuerNameHash = content.octetString();
      const issuerKeyHash = content.octetString();
      const serialNumber = content.integer();
      // RFC 5280 4.1.2.2.
      if (serialNumber.length > maximumSerialOctets + (serialNumber[0] === 0 ? 1 : 0))
        throw new DerError("bad-value", "A serial number has more than 20 octets.");
      return { raw, hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber };
    }),
  );
}

/** The CertID in DER of the certificate of `issuer` with the content octets of `serialNumber`. */
export function encodeCertId(hashName: CertIdHash, issuer: Certificate, serialNumber: Uint8Array): Uint8Array {
  const { nameHash, keyHash } = issuerHashes(hashName, issuer);
  return der.sequence([
    der.sequence([der.objectIdentifier(hashOids[hashName]), der.nullValue()]),
    der.octetString(nameHash),
    der.octetString(keyHash),
    der.element(tags.integer, serialNumber),
  ]);
}

/** Whether the CertID is of the certificate of `issuer` with this serial number; false for hashes that are not known here. */
export function isCertIdOf(certId: CertId, issuer: Certificate, serialNumber: Uint8Array): boolean {
  return (
    equal(certId.serialNumber, serialNumber) &&
    certIdHashes.some((hashName) => issuerOfCertId(certId) === issuerName(hashName, issuer))
  );
}

/** A text for the issuer that a CertID means, equal to one of `issuerNames` of that issuer. */
export function issuerOfCertId({ hashAlgorithm, issuerNameHash, issuerKeyHash }: CertId): string {
  return `${hashAlgorithm} ${hex(issuerNameHash)} ${hex(issuerKeyHash)}`;
}

/** The texts that `issuerOfCertId` can have for `issuer`: one for each hash. */
export function issuerNames(issuer: Certificate): readonly string[] {
  return certIdHashes.map((hashName) => issuerName(hashName, issuer));
}

/**
 * The KeyHash of a ResponderID (RFC 6960 4.2.1): SHA-1 of the key's bits. It names the key, and trust does not rest on it.
 * Throws OcspError `malformed-ocsp` when the bytes are no SubjectPublicKeyInfo.
 */
export function responderKeyHash(subjectPublicKeyInfo: Uint8Array): Uint8Array {
  const bits = decodingOcsp("responder's key", () => publicKeyBitsOf(subjectPublicKeyInfo));
  return hash("sha1", view(bits), "buffer");
}

function issuerName(hashName: CertIdHash, issuer: Certificate): string {
  const { nameHash, keyHash } = issuerHashes(hashName, issuer);
  return `${hashOids[hashName]} ${hex(nameHash)} ${hex(keyHash)}`;
}

function issuerHashes(hashName: CertIdHash, issuer: Certificate) {
  return {
    nameHash: hash(hashName, view(issuer.subject.raw), "buffer"),
    keyHash: hash(hashName, view(publicKeyBitsOf(issuer.subjectPublicKeyInfo)), "buffer"),
  };
}

const hashOids: Readonly<Record<CertIdHash, string>> = {
  sha1: "1.3.14.3.2.26",
  sha256: "2.16.840.1.101.3.4.2.1",
};
const certIdHashes = ["sha1", "sha256"] as const;

const maximumSerialOctets = 20;
