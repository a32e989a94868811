import { equal } from "../core/bytes.ts";
import { verifySignature } from "../crypto/keys.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import { DerError } from "../encoding/errors.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import type { Certificate } from "./certificate.ts";
import { type Revocation, RevokedCertificates } from "./crl-entries.ts";
import { CrlError, decodingCrl } from "./crl-errors.ts";
import { type Extension, extensionValue, readExtensions } from "./extensions.ts";
import { equalNames, formatName, type Name, readName } from "./name.ts";
import { crlExtensionTypes } from "./oids.ts";
import { keyUsageOf } from "./standard-extensions.ts";

/** A complete CRL of one issuer (RFC 5280 5.1). All bytes are views of what was parsed. */
export interface CertificateList {
  readonly raw: Uint8Array;
  /** What the signature is over. */
  readonly tbsCertList: Uint8Array;
  readonly version: 1 | 2;
  readonly issuer: Name;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly thisUpdate: number;
  /** Milliseconds since 1970-01-01 UTC; undefined when the list does not say, which RFC 5280 5.1.2.5 forbids to CAs. */
  readonly nextUpdate: number | undefined;
  /** In the order of the list. */
  readonly revokedCertificates: RevokedCertificates;
  /** Empty in version 1. */
  readonly extensions: readonly Extension[];
  /** Content octets of the INTEGER; undefined when absent. */
  readonly cRLNumber: Uint8Array | undefined;
  /** AlgorithmIdentifier in DER; the same inside and outside of what is signed. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Parses a CRL in DER, of less than 64 MiB unless told otherwise, with every entry in it. Throws CrlError: `critical-extension`
 * and `partial-crl` for lists that say more than is understood here. It does not check the signature nor the dates.
 */
export function parseCertificateList(bytes: Uint8Array, maximumLength = defaultMaximumLength): CertificateList {
  return decodingCrl(() => decodeDer(bytes, (reader) => readCertificateList(reader, maximumLength), maximumLength));
}

/**
 * Checks that the list was signed by the key of `issuer`, under its name, and that this key may sign lists (RFC 5280 6.3.3 (f)
 * and (g)). Throws CrlError `not-the-issuer` or `bad-signature`, CryptoError when key or algorithm are not supported, and
 * PkiError for a malformed keyUsage. It does not check the issuer's certificate itself, nor whether the list is current.
 */
export function verifyCertificateList(list: CertificateList, issuer: Certificate): void {
  const details = { issuer: formatName(list.issuer) };
  if (!equalNames(list.issuer, issuer.subject))
    throw new CrlError("not-the-issuer", "The CRL is of another issuer than the certificate names.", { details });
  const usages = keyUsageOf(issuer.extensions);
  if (usages !== undefined && !usages.has("cRLSign"))
    throw new CrlError("not-the-issuer", "The certificate of the CRL's issuer has a keyUsage without cRLSign.", {
      details,
    });
  if (!verifySignature(issuer.publicKey, list.signatureAlgorithm, list.tbsCertList, list.signature))
    throw new CrlError("bad-signature", "The CRL was not signed by the certificate of its issuer.", { details });
}

/**
 * The entry for a certificate's serialNumber; undefined when it is not revoked by this list. The first call sorts an index. It
 * does not check that the certificate has the issuer of the list.
 */
export function revocationOf(list: CertificateList, serialNumber: Uint8Array): Revocation | undefined {
  return list.revokedCertificates.find(serialNumber);
}

function readCertificateList(reader: DerReader, maximumLength: number): CertificateList {
  const raw = reader.raw(tags.sequence);
  const read = (outer: DerReader) =>
    outer.sequence((content) => {
      const tbsCertList = content.raw(tags.sequence);
      const signatureAlgorithm = content.raw(tags.sequence);
      const signature = content.octetsOfBitString();
      const { innerAlgorithm, ...fields } = decodeDer(tbsCertList, readTbsCertList, maximumLength);
      // RFC 5280 5.1.1.2: what is signed must name the algorithm that the signature is read by.
      if (!equal(innerAlgorithm, signatureAlgorithm))
        throw new DerError("bad-value", "The signature algorithms inside and outside differ.");
      return { raw, tbsCertList, signatureAlgorithm, signature, ...fields };
    });
  return decodeDer(raw, read, maximumLength);
}

function readTbsCertList(reader: DerReader) {
  return reader.sequence((content) => {
    const version = readVersion(content);
    const innerAlgorithm = content.raw(tags.sequence);
    const issuer = readName(content);
    const thisUpdate = content.time();
    const nextUpdate = content.has(tags.utcTime) || content.has(tags.generalizedTime) ? content.time() : undefined;
    // RFC 5280 5.1.2.6 wants an empty list left out; one that is written says the same.
    const revoked = content.has(tags.sequence) ? content.content(tags.sequence) : new Uint8Array();
    const revokedCertificates = new RevokedCertificates(revoked);
    const extensions = version === 2 && content.has(contextConstructed(0)) ? content.explicit(0, readExtensions) : [];
    const cRLNumber = readCrlExtensions(extensions);
    return {
      version,
      innerAlgorithm,
      issuer,
      thisUpdate,
      nextUpdate,
      revokedCertificates,
      extensions,
      cRLNumber,
    };
  });
}

function readVersion(reader: DerReader): 1 | 2 {
  if (!reader.has(tags.integer)) return 1;
  // RFC 5280 5.1.2.1: the version is absent in version 1, and nothing else may be written than 2.
  if (reader.smallInteger(1) !== 1) throw new DerError("bad-value", "The version is written and is not 2.");
  return 2;
}

function readCrlExtensions(extensions: readonly Extension[]): Uint8Array | undefined {
  for (const { type, critical } of extensions) {
    // Both are critical by RFC 5280 5.2.4 and 5.2.5; passed over, they would turn a part of a list into all of it.
    if (type === crlExtensionTypes.deltaCRLIndicator)
      throw new CrlError("partial-crl", "The CRL is a delta: it says only what has changed since another one.");
    if (type === crlExtensionTypes.issuingDistributionPoint)
      throw new CrlError("partial-crl", "The CRL has an issuingDistributionPoint: it is not about all certificates.");
    if (critical && !processed.has(type))
      throw new CrlError("critical-extension", `The CRL has the critical extension ${type}.`, { details: { type } });
  }
  return extensionValue(extensions, crlExtensionTypes.cRLNumber, (reader) => {
    const number = reader.integer();
    // RFC 5280 5.2.3: not above 20 octets.
    if ((number[0] ?? 0) >= 0x80 || number.length > maximumNumberOctets + (number[0] === 0 ? 1 : 0))
      throw new DerError("bad-value", "The cRLNumber is negative, or has more than 20 octets.");
    return number;
  });
}

/** Which of several keys signed is settled by verifying with the one key that is given. */
const processed: ReadonlySet<string> = new Set([crlExtensionTypes.cRLNumber, crlExtensionTypes.authorityKeyIdentifier]);

/** A million entries with a reason have about 40 MB. */
const defaultMaximumLength = 2 ** 26 - 1;
const maximumNumberOctets = 20;
