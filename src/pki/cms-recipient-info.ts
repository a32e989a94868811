import type { DerReader } from "../encoding/der.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { CmsError } from "./cms-errors.ts";
import { type CertificateIdentifier, readIdentifier, readIssuerAndSerialNumber } from "./cms-identifier.ts";

/** For whom a content's key is encrypted, and how (RFC 5652 6.2). Algorithms are AlgorithmIdentifiers in DER. */
export type RecipientInfo =
  | {
      readonly kind: "keyTransport";
      readonly rid: CertificateIdentifier;
      readonly keyEncryptionAlgorithm: Uint8Array;
      readonly encryptedKey: Uint8Array;
    }
  | {
      readonly kind: "keyAgreement";
      readonly rid: CertificateIdentifier;
      /** The originator's ephemeral key as a point; undefined when the originator has a certificate. */
      readonly originatorKey: Uint8Array | undefined;
      readonly ukm: Uint8Array | undefined;
      readonly keyEncryptionAlgorithm: Uint8Array;
      readonly encryptedKey: Uint8Array;
    }
  | {
      readonly kind: "keyEncryptionKey";
      readonly keyIdentifier: Uint8Array;
      readonly keyEncryptionAlgorithm: Uint8Array;
      readonly encryptedKey: Uint8Array;
    };

/**
 * Reads RecipientInfos: one for each key, so that a key agreement with several recipients gives several. Those for passwords
 * and other kinds are passed over. Throws DerError or CmsError `malformed-cms`.
 */
export function readRecipientInfos(reader: DerReader): readonly RecipientInfo[] {
  const infos = reader.listOf(readRecipientInfo, maximumRecipients, tags.set).flat();
  if (infos.length > maximumRecipients) throw new CmsError("malformed-cms", "The CMS message has too many recipients.");
  return infos;
}

function readRecipientInfo(reader: DerReader): readonly RecipientInfo[] {
  if (reader.has(tags.sequence)) return [reader.sequence(readKeyTransport)];
  if (reader.has(contextConstructed(1))) return reader.constructed(contextConstructed(1), readKeyAgreement);
  if (reader.has(contextConstructed(2))) return [reader.constructed(contextConstructed(2), readKeyEncryptionKey)];
  if (!reader.has(contextConstructed(3)) && !reader.has(contextConstructed(4)))
    throw new CmsError("malformed-cms", "The CMS message has a RecipientInfo of no known kind.");
  reader.any();
  return [];
}

/** RFC 5652 6.2.1. */
function readKeyTransport(reader: DerReader): RecipientInfo {
  const version = reader.smallInteger(2);
  const rid = readIdentifier(reader);
  if (version !== (rid.kind === "subjectKeyIdentifier" ? 2 : 0))
    throw new CmsError("malformed-cms", "The version of a KeyTransRecipientInfo does not go with its identifier.");
  const keyEncryptionAlgorithm = reader.raw(tags.sequence);
  return { kind: "keyTransport", rid, keyEncryptionAlgorithm, encryptedKey: reader.octetString() };
}

/** RFC 5652 6.2.2. */
function readKeyAgreement(reader: DerReader): readonly RecipientInfo[] {
  readVersion(reader, 3);
  const originatorKey = reader.explicit(0, readOriginator);
  const ukm = reader.has(contextConstructed(1)) ? reader.explicit(1, (inner) => inner.octetString()) : undefined;
  const keyEncryptionAlgorithm = reader.raw(tags.sequence);
  return reader.listOf(
    (item) =>
      item.sequence((content) => ({
        kind: "keyAgreement" as const,
        rid: readKeyAgreementIdentifier(content),
        originatorKey,
        ukm,
        keyEncryptionAlgorithm,
        encryptedKey: content.octetString(),
      })),
    maximumRecipients,
  );
}

/** RFC 5652 6.2.2: OriginatorIdentifierOrKey. */
function readOriginator(reader: DerReader): Uint8Array | undefined {
  if (!reader.has(contextConstructed(1))) {
    readIdentifier(reader);
    return undefined;
  }
  return reader.constructed(contextConstructed(1), (content) => {
    // RFC 5753 3.1.1: with parameters or without; the curve is the recipient's either way.
    content.raw(tags.sequence);
    return content.octetsOfBitString();
  });
}

/** RFC 5652 6.2.2: KeyAgreeRecipientIdentifier; the date of a RecipientKeyIdentifier says nothing that is needed. */
function readKeyAgreementIdentifier(reader: DerReader): CertificateIdentifier {
  if (!reader.has(contextConstructed(0))) return readIssuerAndSerialNumber(reader);
  return reader.constructed(contextConstructed(0), (content) => {
    const keyIdentifier = content.octetString();
    skipDateAndOther(content);
    return { kind: "subjectKeyIdentifier", keyIdentifier };
  });
}

/** RFC 5652 6.2.3. */
function readKeyEncryptionKey(reader: DerReader): RecipientInfo {
  readVersion(reader, 4);
  const keyIdentifier = reader.sequence((content) => {
    const identifier = content.octetString();
    skipDateAndOther(content);
    return identifier;
  });
  const keyEncryptionAlgorithm = reader.raw(tags.sequence);
  return { kind: "keyEncryptionKey", keyIdentifier, keyEncryptionAlgorithm, encryptedKey: reader.octetString() };
}

function skipDateAndOther(reader: DerReader): void {
  if (reader.has(tags.generalizedTime)) reader.time();
  if (reader.has(tags.sequence)) reader.any();
}

function readVersion(reader: DerReader, expected: number): void {
  if (reader.smallInteger(expected) !== expected)
    throw new CmsError("malformed-cms", "The version of a RecipientInfo does not go with its kind.");
}

/** Far more than a key for one device needs. */
const maximumRecipients = 64;
