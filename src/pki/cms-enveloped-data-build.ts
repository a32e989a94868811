import type { Randomness } from "../core/randomness.ts";
import { type ContentEncryptionName, contentEncryptions, encryptContent } from "../crypto/content-encryption.ts";
import { agreeEphemerally } from "../crypto/key-agreement.ts";
import { encryptKey, type KeyTransportScheme } from "../crypto/key-transport.ts";
import { wrapKey } from "../crypto/key-wrap.ts";
import type { PublicKey } from "../crypto/keys.ts";
import * as der from "../encoding/der-writer.ts";
import { encodeContentEncryption } from "./cms-content-encryption.ts";
import { encodeContentInfo } from "./cms-content-info.ts";
import { CmsError, encodingCms, usingKey } from "./cms-errors.ts";
import { type CertificateIdentifier, encodeIdentifier, encodeIssuerAndSerialNumber } from "./cms-identifier.ts";
import {
  derivedKeyEncryptionKey,
  type KeyWrapName,
  keyAgreementIdentifier,
  keyTransportIdentifier,
  keyWrapIdentifier,
  keyWrapLengthOf,
  keyWrapNameFor,
} from "./cms-key-encryption.ts";
import { encodeAttribute } from "./cms-signer-info.ts";
import { cmsAttributes, contentTypes } from "./oids.ts";

/** Who is to decrypt, and how the content's key is encrypted for it. */
export type Recipient =
  | {
      /** RSA. */
      readonly kind: "keyTransport";
      readonly rid: CertificateIdentifier;
      readonly publicKey: PublicKey;
      readonly scheme: KeyTransportScheme;
    }
  | {
      /** Ephemeral-static ECDH by dhSinglePass-stdDH-sha256kdf-scheme (RFC 5753). */
      readonly kind: "keyAgreement";
      readonly rid: CertificateIdentifier;
      readonly publicKey: PublicKey;
      readonly keyWrap: KeyWrapName;
    }
  | {
      readonly kind: "keyEncryptionKey";
      readonly keyIdentifier: Uint8Array;
      /** 16, 24 or 32 octets, which also choose the key wrap. */
      readonly key: Uint8Array;
    };

export interface EnvelopedDataContent {
  /** Of what is encrypted, in dotted form. */
  readonly contentType: string;
  readonly content: Uint8Array;
  /** GCM makes AuthEnvelopedData, in which changes are noticed, and CBC makes EnvelopedData. */
  readonly contentEncryption: ContentEncryptionName;
  /** One at least. */
  readonly recipients: readonly Recipient[];
}

/**
 * Encrypts a content for its recipients: EnvelopedData or AuthEnvelopedData in DER. `randomness` makes the content's key and
 * nonce; ephemeral keys and RSA padding are made with OpenSSL's random numbers. Throws CmsError `unencodable` or
 * `unsupported-key`. It does not check what the recipients' certificates allow, and it signs nothing.
 */
export function encryptEnvelopedData(data: EnvelopedDataContent, randomness: Randomness): Uint8Array {
  const { contentType, content, contentEncryption, recipients } = data;
  if (recipients.length === 0) throw new CmsError("unencodable", "EnvelopedData needs a recipient.");
  const { mode, keyLength, nonceLength } = contentEncryptions[contentEncryption];
  const key = randomness.bytes(keyLength);
  const nonce = randomness.bytes(nonceLength);
  return encodingCms(() => {
    const authAttrs =
      mode === "GCM" && contentType !== contentTypes.data ? contentTypeAttribute(contentType) : undefined;
    const { ciphertext, tag } = encryptContent(contentEncryption, key, nonce, content, authAttrs ?? new Uint8Array());
    const recipientInfos = der.setOf(recipients.map((recipient) => encodeRecipientInfo(recipient, key)));
    const encryptedContentInfo = der.sequence([
      der.objectIdentifier(contentType),
      encodeContentEncryption(contentEncryption, nonce),
      der.implicit(0, der.octetString(ciphertext)),
    ]);
    if (mode === "CBC")
      return encodeContentInfo(
        envelopedDataType,
        der.sequence([versionFor(recipients), recipientInfos, encryptedContentInfo]),
      );
    const authenticated = [...(authAttrs === undefined ? [] : [der.implicit(1, authAttrs)]), der.octetString(tag)];
    return encodeContentInfo(
      authEnvelopedDataType,
      der.sequence([der.integer(0), recipientInfos, encryptedContentInfo, ...authenticated]),
    );
  });
}

/** RFC 5652 6.1. */
function versionFor(recipients: readonly Recipient[]): Uint8Array {
  const isVersion0 = (recipient: Recipient) =>
    recipient.kind === "keyTransport" && recipient.rid.kind === "issuerAndSerialNumber";
  return der.integer(recipients.every(isVersion0) ? 0 : 2);
}

/** RFC 5083 2.1: authAttrs, under the tag of a SET, which must be there when the content type is not id-data. */
function contentTypeAttribute(contentType: string): Uint8Array {
  const type = der.objectIdentifier(cmsAttributes.contentType);
  return der.setOf([encodeAttribute(type, der.objectIdentifier(contentType))]);
}

function encodeRecipientInfo(recipient: Recipient, key: Uint8Array): Uint8Array {
  switch (recipient.kind) {
    case "keyTransport":
      return encodeKeyTransport(recipient, key);
    case "keyAgreement":
      return encodeKeyAgreement(recipient, key);
    case "keyEncryptionKey":
      return encodeKeyEncryptionKey(recipient, key);
  }
}

/** RFC 5652 6.2.1. */
function encodeKeyTransport(recipient: Recipient & { readonly kind: "keyTransport" }, key: Uint8Array): Uint8Array {
  const { rid, publicKey, scheme } = recipient;
  return der.sequence([
    der.integer(rid.kind === "subjectKeyIdentifier" ? 2 : 0),
    encodeIdentifier(rid),
    keyTransportIdentifier(scheme),
    der.octetString(usingKey(() => encryptKey(publicKey, scheme, key))),
  ]);
}

/** RFC 5652 6.2.2 and RFC 5753 3.1.1. */
function encodeKeyAgreement(recipient: Recipient & { readonly kind: "keyAgreement" }, key: Uint8Array): Uint8Array {
  const { rid, publicKey } = recipient;
  const keyWrap = keyWrapIdentifier(recipient.keyWrap);
  const { point, sharedSecret } = usingKey(() => agreeEphemerally(publicKey));
  const length = keyWrapLengthOf(keyWrap);
  const keyEncryptionKey = derivedKeyEncryptionKey({ digestName: "sha256", keyWrap }, length, sharedSecret, undefined);
  const originatorKey = der.implicit(1, der.sequence([ecPublicKey, der.bitString(point)]));
  const encryptedKey = der.octetString(wrapKey(keyEncryptionKey, key));
  return der.implicit(
    1,
    der.sequence([
      der.integer(3),
      der.explicit(0, originatorKey),
      keyAgreementIdentifier(keyWrap),
      der.sequence([der.sequence([encodeKeyAgreementIdentifier(rid), encryptedKey])]),
    ]),
  );
}

/** RFC 5652 6.2.2: KeyAgreeRecipientIdentifier, in which a key identifier is a SEQUENCE of its own. */
function encodeKeyAgreementIdentifier(rid: CertificateIdentifier): Uint8Array {
  if (rid.kind === "subjectKeyIdentifier") return der.implicit(0, der.sequence([der.octetString(rid.keyIdentifier)]));
  return encodeIssuerAndSerialNumber(rid);
}

/** RFC 5652 6.2.3. */
function encodeKeyEncryptionKey(
  recipient: Recipient & { readonly kind: "keyEncryptionKey" },
  key: Uint8Array,
): Uint8Array {
  const keyWrap = keyWrapNameFor(recipient.key.length);
  if (keyWrap === undefined) throw new CmsError("unencodable", "A key-encryption key has 16, 24 or 32 octets.");
  return der.implicit(
    2,
    der.sequence([
      der.integer(4),
      der.sequence([der.octetString(recipient.keyIdentifier)]),
      keyWrapIdentifier(keyWrap),
      der.octetString(wrapKey(recipient.key, key)),
    ]),
  );
}

const envelopedDataType = der.objectIdentifier(contentTypes.envelopedData);
const authEnvelopedDataType = der.objectIdentifier(contentTypes.authEnvelopedData);

/** RFC 5753 3.1.1: id-ecPublicKey, whose parameters are left out because the curve is the recipient's. */
const ecPublicKey = der.sequence([der.objectIdentifier("1.2.840.10045.2.1")]);
