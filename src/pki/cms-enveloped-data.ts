import { concat, equal } from "../core/bytes.ts";
import type { Randomness } from "../core/randomness.ts";
import { decryptContent } from "../crypto/content-encryption.ts";
import { agree } from "../crypto/key-agreement.ts";
import { decryptKey } from "../crypto/key-transport.ts";
import { unwrapKey } from "../crypto/key-wrap.ts";
import type { PrivateKey } from "../crypto/keys.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import { contextConstructed, contextPrimitive, tags } from "../encoding/tags.ts";
import { contentEncryptionOf } from "./cms-content-encryption.ts";
import { decodeContentInfo, type IsAsReceived } from "./cms-content-info.ts";
import { CmsError, decodingCms, usingKey } from "./cms-errors.ts";
import { type CertificateIdentifier, sameIdentifier } from "./cms-identifier.ts";
import {
  derivedKeyEncryptionKey,
  keyAgreementOf,
  keyTransportSchemeOf,
  keyWrapLengthOf,
} from "./cms-key-encryption.ts";
import { type RecipientInfo, readRecipientInfos } from "./cms-recipient-info.ts";
import { attributeValue, readAttributes } from "./cms-signer-info.ts";
import { cmsAttributes, contentTypes } from "./oids.ts";

/** EnvelopedData (RFC 5652 6.1) or AuthEnvelopedData (RFC 5083 2.1) as it was received, encrypted. */
export interface EnvelopedData {
  readonly kind: "EnvelopedData" | "AuthEnvelopedData";
  readonly recipientInfos: readonly RecipientInfo[];
  /** Of what is encrypted, in dotted form. */
  readonly contentType: string;
  /** AlgorithmIdentifier in DER. */
  readonly contentEncryptionAlgorithm: Uint8Array;
  readonly encryptedContent: Uint8Array;
  /** The authenticated attributes as they are authenticated, or nothing. */
  readonly associatedData: Uint8Array;
  /** Empty in EnvelopedData. */
  readonly mac: Uint8Array;
}

/** A key of a recipient. */
export type DecryptionKey =
  | {
      readonly kind: "privateKey";
      readonly privateKey: PrivateKey;
      /** `identifiersOf` its certificate, or the identifier that it was asked for by. */
      readonly identifiers: readonly CertificateIdentifier[];
    }
  | {
      readonly kind: "keyEncryptionKey";
      readonly keyIdentifier: Uint8Array;
      /** 16, 24 or 32 octets. */
      readonly key: Uint8Array;
    };

export interface DecryptedContent {
  /** In dotted form. */
  readonly contentType: string;
  readonly content: Uint8Array;
  /** Whether a change on the way would have been noticed. It does not tell who the sender is. */
  readonly authenticated: boolean;
}

/**
 * Parses EnvelopedData or AuthEnvelopedData in DER or BER, of at most 1 MiB unless told otherwise. Throws CmsError
 * `malformed-cms`, `unexpected-content-type`, `content-missing`, `not-der` for authenticated attributes in BER, or
 * `bad-attributes` when they are missing or about another content type.
 */
export function parseEnvelopedData(bytes: Uint8Array, maximumLength = defaultMaximumLength): EnvelopedData {
  return decodeContentInfo(bytes, maximumLength, readers);
}

/**
 * Decrypts the content with the key of one recipient. `randomness` makes the key that is used in place of one that cannot be
 * decrypted (RFC 3218 2.3.2). Throws CmsError `not-a-recipient`, `malformed-cms` or `unsupported-algorithm` by what the message
 * says of its algorithms, `unsupported-key`, or `decryption-failed` for everything that is wrong with what is encrypted. AES-CBC does not notice changes, and gives octets
 * without meaning for one wrong key in 256: what it protects has to be signed within, and a failure to read it has to look to the
 * sender like `decryption-failed`, or the sender could ask for the content octet by octet. It does not check who sent it.
 */
export function decryptEnvelopedData(
  data: EnvelopedData,
  key: DecryptionKey,
  randomness: Randomness,
): DecryptedContent {
  const { kind, contentType, contentEncryptionAlgorithm, encryptedContent, associatedData, mac } = data;
  const info = data.recipientInfos.find((candidate) => isFor(candidate, key));
  if (info === undefined) throw new CmsError("not-a-recipient", "The CMS message is not encrypted for this key.");
  const { name, mode, keyLength, nonce, tagLength } = decodingCms(() =>
    contentEncryptionOf(contentEncryptionAlgorithm),
  );
  const authenticated = mode === "GCM";
  // RFC 5084 3: GCM belongs into AuthEnvelopedData, which is what holds its tag; and CBC has none.
  if (authenticated !== (kind === "AuthEnvelopedData") || mac.length !== tagLength)
    throw new CmsError("unsupported-algorithm", `${kind} does not go with ${name} and a tag of ${mac.length} octets.`);

  const substitute = randomness.bytes(keyLength);
  const found = contentKey(info, key, keyLength);
  const content = decryptContent(
    name,
    found?.length === keyLength ? found : substitute,
    nonce,
    { ciphertext: encryptedContent, tag: mac },
    associatedData,
  );
  if (content === undefined || found === undefined)
    throw new CmsError("decryption-failed", "The CMS message was encrypted under another key, or was changed.");
  return { contentType, content, authenticated };
}

function isFor(info: RecipientInfo, key: DecryptionKey): boolean {
  if (key.kind === "keyEncryptionKey")
    return info.kind === "keyEncryptionKey" && equal(info.keyIdentifier, key.keyIdentifier);
  const kind = key.privateKey.asymmetricKeyType === "rsa" ? "keyTransport" : "keyAgreement";
  return info.kind === kind && key.identifiers.some((identifier) => sameIdentifier(identifier, info.rid));
}

/**
 * Undefined when it cannot be decrypted. From PKCS #1 v1.5, and only from there, it may be of another length: wrong padding has
 * to look like any other wrong key, to the end. Whatever is thrown depends on algorithms and kinds of keys alone.
 */
function contentKey(info: RecipientInfo, key: DecryptionKey, keyLength: number): Uint8Array | undefined {
  const { keyEncryptionAlgorithm, encryptedKey } = info;
  if (key.kind === "keyEncryptionKey") {
    if (keyWrapLengthOf(keyEncryptionAlgorithm) !== key.key.length)
      throw new CmsError("unsupported-algorithm", "The key wrap takes a key-encryption key of another length.");
    return ofLength(keyLength, unwrapKey(key.key, encryptedKey));
  }
  const { privateKey } = key;
  if (info.kind === "keyTransport") {
    const scheme = decodingCms(() => keyTransportSchemeOf(keyEncryptionAlgorithm));
    const decrypted = usingKey(() => decryptKey(privateKey, scheme, encryptedKey));
    return scheme.kind === "RSAES-PKCS1-v1_5" ? decrypted : ofLength(keyLength, decrypted);
  }
  if (info.kind !== "keyAgreement" || info.originatorKey === undefined)
    throw new CmsError("unsupported-algorithm", "The originator's key is not ephemeral, which is not supported.");
  const { originatorKey, ukm } = info;
  const parameters = decodingCms(() => keyAgreementOf(keyEncryptionAlgorithm));
  const length = keyWrapLengthOf(parameters.keyWrap);
  const sharedSecret = usingKey(() => agree(privateKey, originatorKey));
  if (sharedSecret === undefined) return undefined;
  return ofLength(keyLength, unwrapKey(derivedKeyEncryptionKey(parameters, length, sharedSecret, ukm), encryptedKey));
}

function ofLength(length: number, key: Uint8Array | undefined): Uint8Array | undefined {
  return key?.length === length ? key : undefined;
}

function readEnvelopedData(reader: DerReader): EnvelopedData {
  return reader.sequence((content) => {
    content.smallInteger(4);
    skipOriginatorInfo(content);
    const recipientInfos = readRecipientInfos(content);
    const encrypted = content.sequence(readEncryptedContentInfo);
    // unprotectedAttrs: what they say, anybody may have said.
    if (content.has(contextConstructed(1))) content.any();
    return {
      kind: "EnvelopedData",
      recipientInfos,
      ...encrypted,
      associatedData: new Uint8Array(),
      mac: new Uint8Array(),
    };
  });
}

function readAuthEnvelopedData(reader: DerReader, isAsReceived: IsAsReceived): EnvelopedData {
  return reader.sequence((content) => {
    content.smallInteger(0);
    skipOriginatorInfo(content);
    const recipientInfos = readRecipientInfos(content);
    const encrypted = content.sequence(readEncryptedContentInfo);
    const associatedData = readAuthAttrs(content, encrypted.contentType, isAsReceived);
    const mac = content.octetString();
    if (content.has(contextConstructed(2))) content.any();
    return { kind: "AuthEnvelopedData", recipientInfos, ...encrypted, associatedData, mac };
  });
}

/** Certificates and CRLs of an originator that has a key of its own, which is not supported. */
function skipOriginatorInfo(reader: DerReader): void {
  if (reader.has(contextConstructed(0))) reader.any();
}

function readEncryptedContentInfo(reader: DerReader) {
  const contentType = reader.objectIdentifier();
  const contentEncryptionAlgorithm = reader.raw(tags.sequence);
  if (reader.done) throw new CmsError("content-missing", "The encrypted content is not in the CMS message.");
  return { contentType, contentEncryptionAlgorithm, encryptedContent: readEncryptedContent(reader) };
}

/** An IMPLICIT OCTET STRING; in BER it may have come in pieces, and then the tag does not show what they are. */
function readEncryptedContent(reader: DerReader): Uint8Array {
  if (!reader.has(contextConstructed(0))) return reader.octetString(contextPrimitive(0));
  return reader.constructed(contextConstructed(0), (content) => {
    const pieces: Uint8Array[] = [];
    while (!content.done) pieces.push(content.octetString());
    return concat(pieces);
  });
}

/** RFC 5083 2.2: they are authenticated under the tag of a SET, and must be there when the content type is not id-data. */
function readAuthAttrs(reader: DerReader, contentType: string, isAsReceived: IsAsReceived): Uint8Array {
  if (!reader.has(contextConstructed(1))) {
    if (contentType === contentTypes.data) return new Uint8Array();
    throw new CmsError("bad-attributes", "The type of the content is not authenticated, and is not id-data.");
  }
  const raw = reader.raw(contextConstructed(1));
  if (!isAsReceived(raw)) throw new CmsError("not-der", "The authenticated attributes are not in DER.");
  const attributes = decodeDer(raw, (content) => readAttributes(content, contextConstructed(1)));
  const types = new Set(attributes.map(({ type }) => type));
  if (types.size !== attributes.length)
    throw new CmsError("bad-attributes", "An authenticated attribute occurs twice.");
  const authenticated = attributeValue(attributes, cmsAttributes.contentType, (value) => value.objectIdentifier());
  if (authenticated !== contentType && (authenticated !== undefined || contentType !== contentTypes.data))
    throw new CmsError("bad-attributes", "The authenticated contentType is not the type of the content.");
  const associatedData = Buffer.from(raw);
  associatedData[0] = tags.set;
  return associatedData;
}

const readers = new Map([
  [contentTypes.envelopedData, readEnvelopedData],
  [contentTypes.authEnvelopedData, readAuthEnvelopedData],
]);

/** A private key with its certificates is encrypted; none comes near to this. */
const defaultMaximumLength = 1_048_576;
