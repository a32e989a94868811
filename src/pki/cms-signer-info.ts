import { type DerElement, type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import type { IsAsReceived } from "./cms-content-info.ts";
import { CmsError } from "./cms-errors.ts";
import { type CertificateIdentifier, readIdentifier } from "./cms-identifier.ts";
import type { Attribute } from "./csr.ts";
import { cmsAttributes } from "./oids.ts";

/** One signer's part of SignedData (RFC 5652 5.3), not verified. */
export interface SignerInfo {
  readonly sid: CertificateIdentifier;
  /** AlgorithmIdentifier in DER. */
  readonly digestAlgorithm: Uint8Array;
  /** Undefined when the signature is over the content itself. */
  readonly signedAttrs: SignedAttributes | undefined;
  /** AlgorithmIdentifier in DER. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
}

export interface SignedAttributes {
  readonly attributes: readonly Attribute[];
  /** What the signature is over: the octets received, under the tag of a SET (RFC 5652 5.4). */
  readonly signed: Uint8Array;
}

/** What the signed attributes say about the content. */
export interface SignedStatement {
  readonly contentType: string;
  readonly messageDigest: Uint8Array;
  /** Milliseconds since 1970-01-01 UTC by the signer's own clock. */
  readonly signingTime: number | undefined;
}

/** Reads a SignerInfo; throws DerError, or CmsError `not-der` for signed attributes that were sent in BER. */
export function readSignerInfo(reader: DerReader, isAsReceived: IsAsReceived): SignerInfo {
  return reader.sequence((content) => {
    const version = content.smallInteger(3);
    const sid = readIdentifier(content);
    // RFC 5652 5.3: 1 with issuerAndSerialNumber, 3 with subjectKeyIdentifier.
    if (version !== (sid.kind === "subjectKeyIdentifier" ? 3 : 1))
      throw new CmsError("malformed-cms", "The version of a SignerInfo does not go with its identifier.");
    const digestAlgorithm = content.raw(tags.sequence);
    const signedAttrs = content.has(contextConstructed(0)) ? readSignedAttributes(content, isAsReceived) : undefined;
    const signatureAlgorithm = content.raw(tags.sequence);
    const signature = content.octetString();
    // Nobody vouches for unsignedAttrs, and nothing here asks for them.
    if (content.has(contextConstructed(1))) content.any();
    return { sid, digestAlgorithm, signedAttrs, signatureAlgorithm, signature };
  });
}

/**
 * The statement of signed attributes. Throws CmsError `bad-attributes` when contentType or messageDigest are missing, or any
 * attribute occurs twice (RFC 5652 11.1, 11.2).
 */
export function signedStatementOf({ attributes }: SignedAttributes): SignedStatement {
  const types = new Set(attributes.map(({ type }) => type));
  if (types.size !== attributes.length) throw new CmsError("bad-attributes", "A signed attribute occurs twice.");
  const contentType = attributeValue(attributes, cmsAttributes.contentType, (value) => value.objectIdentifier());
  const messageDigest = attributeValue(attributes, cmsAttributes.messageDigest, (value) => value.octetString());
  const signingTime = attributeValue(attributes, cmsAttributes.signingTime, (value) => value.time());
  if (contentType === undefined || messageDigest === undefined)
    throw new CmsError("bad-attributes", "The signed attributes lack contentType or messageDigest.");
  return { contentType, messageDigest, signingTime };
}

/** SignedAttributes in DER under the tag of a SET; throws DerError. */
export function encodeSignedAttributes({ contentType, messageDigest, signingTime }: SignedStatement): Uint8Array {
  return der.setOf([
    encodeAttribute(encodedTypes.contentType, der.objectIdentifier(contentType)),
    encodeAttribute(encodedTypes.messageDigest, der.octetString(messageDigest)),
    ...(signingTime === undefined ? [] : [encodeAttribute(encodedTypes.signingTime, der.time(signingTime))]),
  ]);
}

/** Reads a SET OF Attribute under this tag; throws DerError. */
export function readAttributes(reader: DerReader, tag: number): readonly Attribute[] {
  return reader.listOf(
    (item) =>
      item.sequence((content) => ({
        type: content.objectIdentifier(),
        values: content.listOf((value) => value.any(), maximumValues, tags.set),
      })),
    maximumAttributes,
    tag,
  );
}

/** An Attribute with one value, in DER; so is its type. */
export function encodeAttribute(type: Uint8Array, value: Uint8Array): Uint8Array {
  return der.sequence([type, der.element(tags.set, value)]);
}

/** Reads the one value of an attribute; undefined when it is absent; throws CmsError `bad-attributes` for several, or DerError. */
export function attributeValue<T>(
  attributes: readonly Attribute[],
  type: string,
  read: (reader: DerReader) => T,
): T | undefined {
  const attribute = attributes.find((candidate) => candidate.type === type);
  if (attribute === undefined) return undefined;
  const [value, second]: readonly (DerElement | undefined)[] = attribute.values;
  if (value === undefined || second !== undefined)
    throw new CmsError("bad-attributes", `Attribute ${type} has not exactly one value.`, { details: { type } });
  return decodeDer(value.raw, read);
}

function readSignedAttributes(reader: DerReader, isAsReceived: IsAsReceived): SignedAttributes {
  const raw = reader.raw(contextConstructed(0));
  // RFC 5652 5.4 has the DER of the attributes signed. What came in BER could be read in two ways, and is not repaired.
  if (!isAsReceived(raw)) throw new CmsError("not-der", "The signed attributes of the CMS message are not in DER.");
  const attributes = decodeDer(raw, (content) => readAttributes(content, contextConstructed(0)));
  const signed = Buffer.from(raw);
  signed[0] = tags.set;
  return { attributes, signed };
}

/** Made once: they are in every message. */
const encodedTypes = {
  contentType: der.objectIdentifier(cmsAttributes.contentType),
  messageDigest: der.objectIdentifier(cmsAttributes.messageDigest),
  signingTime: der.objectIdentifier(cmsAttributes.signingTime),
} as const;

/** OpenSSL writes four, one of them with ten values inside. */
const maximumAttributes = 32;
const maximumValues = 32;
