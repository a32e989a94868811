import { type PublicKey, unusedPublicKeyOf, verifySignature } from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import { type DerElement, type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { isPrintable, textOf } from "../encoding/strings.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { decoding, encoding, PkiError } from "./errors.ts";
import { type Extension, encodeExtensions, readExtensions } from "./extensions.ts";
import { type Name, readName } from "./name.ts";
import { requestAttributes } from "./oids.ts";

/** An attribute (RFC 2986 4.1). */
export interface Attribute {
  /** In dotted form. */
  readonly type: string;
  readonly values: readonly DerElement[];
}

/** A PKCS #10 certification request (RFC 2986). All bytes are views of what was parsed. */
export class CertificationRequest {
  readonly raw: Uint8Array;
  /** What the signature is over. */
  readonly certificationRequestInfo: Uint8Array;
  readonly subject: Name;
  readonly subjectPublicKeyInfo: Uint8Array;
  readonly attributes: readonly Attribute[];
  /** RFC 2985 5.4.1; EST puts the channel binding here (RFC 7030 3.5). */
  readonly challengePassword: string | undefined;
  /** RFC 2985 5.4.2; empty when the attribute is absent. */
  readonly extensionRequest: readonly Extension[];
  /** AlgorithmIdentifier in DER. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  #publicKey: PublicKey | undefined;

  constructor(fields: Omit<CertificationRequest, "publicKey">) {
    this.raw = fields.raw;
    this.certificationRequestInfo = fields.certificationRequestInfo;
    this.subject = fields.subject;
    this.subjectPublicKeyInfo = fields.subjectPublicKeyInfo;
    this.attributes = fields.attributes;
    this.challengePassword = fields.challengePassword;
    this.extensionRequest = fields.extensionRequest;
    this.signatureAlgorithm = fields.signatureAlgorithm;
    this.signature = fields.signature;
  }

  /** Made when first asked for; throws CryptoError for a key that is malformed, weak, or not supported; see `unusedPublicKeyOf`. */
  get publicKey(): PublicKey {
    this.#publicKey ??= unusedPublicKeyOf(this.subjectPublicKeyInfo);
    return this.#publicKey;
  }
}

/**
 * Parses a certification request in DER of at most 64 KiB. Throws PkiError, `duplicate-attribute` and `duplicate-extension`
 * among others. It does not check the signature (`verifyProofOfPossession` does), the key, nor the values of extensions.
 */
export function parseCertificationRequest(bytes: Uint8Array): CertificationRequest {
  return decoding("malformed-request", "certification request", () => decodeDer(bytes, readCertificationRequest));
}

/**
 * Whether the request is signed with the private key of the public key in it (RFC 2986 3, note 2). Throws CryptoError when key
 * or algorithm are not supported or weak. It does not tell who sent the request, nor when.
 */
export function verifyProofOfPossession(request: CertificationRequest): boolean {
  const { publicKey, signatureAlgorithm, certificationRequestInfo, signature } = request;
  return verifySignature(publicKey, signatureAlgorithm, certificationRequestInfo, signature);
}

export interface CertificationRequestContent {
  /** Name in DER. */
  readonly subject: Uint8Array;
  /** Signs, and its public key is the one that is asked to be certified. */
  readonly signer: Signer;
  readonly extensions?: readonly Extension[];
  readonly challengePassword?: string;
  /** Others that the request is to have, each with one value in DER. */
  readonly attributes?: readonly { readonly type: string; readonly value: Uint8Array }[];
}

/** A signed certification request in DER. Throws PkiError `unencodable` or `duplicate-extension`, and what the signer throws. */
export async function buildCertificationRequest(content: CertificationRequestContent): Promise<Uint8Array> {
  const { subject, signer, extensions = [], challengePassword } = content;
  const attributes = (content.attributes ?? []).map(({ type, value }) => encodeAttribute(type, value));
  if (challengePassword !== undefined)
    attributes.push(encodeAttribute(requestAttributes.challengePassword, encodePassword(challengePassword)));
  if (extensions.length > 0)
    attributes.push(encodeAttribute(requestAttributes.extensionRequest, encodeExtensions(extensions)));
  const info = der.sequence([
    der.integer(0),
    subject,
    signer.publicKey,
    // RFC 2986 4.1: present even when there is no attribute.
    der.implicit(0, der.setOf(attributes)),
  ]);
  return der.sequence([info, signer.algorithm, der.bitString(await signer.sign(info))]);
}

function readCertificationRequest(reader: DerReader): CertificationRequest {
  const raw = reader.raw(tags.sequence);
  return decodeDer(raw, (outer) =>
    outer.sequence((content) => {
      const certificationRequestInfo = content.raw(tags.sequence);
      const signatureAlgorithm = content.raw(tags.sequence);
      const signature = content.octetsOfBitString();
      const fields = decodeDer(certificationRequestInfo, readInfo);
      const challengePassword = challengePasswordOf(fields.attributes);
      const extensionRequest = extensionRequestOf(fields.attributes);
      return new CertificationRequest({
        raw,
        certificationRequestInfo,
        ...fields,
        challengePassword,
        extensionRequest,
        signatureAlgorithm,
        signature,
      });
    }),
  );
}

function readInfo(reader: DerReader) {
  return reader.sequence((content) => {
    content.smallInteger(0);
    const subject = readName(content);
    const subjectPublicKeyInfo = content.raw(tags.sequence);
    // Some clients leave an empty [0] out. RFC 2986 does not allow it, but OpenSSL accepts it for their sake
    // (crypto/x509/x_req.c: "Some broken certificate requests don't encode the attributes field if it is empty").
    const attributes = content.done ? [] : content.listOf(readAttribute, maximumAttributes, contextConstructed(0));
    refuseDuplicates(attributes);
    return { subject, subjectPublicKeyInfo, attributes };
  });
}

function readAttribute(reader: DerReader): Attribute {
  return reader.sequence((content) => ({
    type: content.objectIdentifier(),
    values: content.listOf((value) => value.any(), maximumValues, tags.set),
  }));
}

/** With two challengePasswords or two extensionRequests, what is checked and what is used could be different ones. */
function refuseDuplicates(attributes: readonly Attribute[]): void {
  for (const [index, { type }] of attributes.entries())
    for (let other = 0; other < index; other += 1)
      if (attributes[other]?.type === type)
        throw new PkiError("duplicate-attribute", `Attribute ${type} occurs more than once.`, { details: { type } });
}

function challengePasswordOf(attributes: readonly Attribute[]): string | undefined {
  const value = singleValue(attributes, requestAttributes.challengePassword);
  if (value === undefined) return undefined;
  if (!directoryStrings.has(value.tag))
    throw new DerError("unexpected-tag", "The challengePassword is no DirectoryString.");
  const text = textOf(value.tag, value.content);
  if (text.length > maximumPasswordLength)
    throw new DerError("too-large", `The challengePassword has more than ${maximumPasswordLength} characters.`);
  return text;
}

function extensionRequestOf(attributes: readonly Attribute[]): readonly Extension[] {
  const value = singleValue(attributes, requestAttributes.extensionRequest);
  return value === undefined ? [] : decodeDer(value.raw, readExtensions);
}

/** The value of an attribute that RFC 2985 defines as SINGLE VALUE TRUE. */
function singleValue(attributes: readonly Attribute[], type: string): DerElement | undefined {
  const found = attributes.find((attribute) => attribute.type === type);
  if (found === undefined) return undefined;
  const [value, second] = found.values;
  if (value === undefined || second !== undefined)
    throw new DerError("bad-value", `Attribute ${type} has not exactly one value.`);
  return value;
}

function encodeAttribute(type: string, value: Uint8Array): Uint8Array {
  return der.sequence([der.objectIdentifier(type), der.setOf([value])]);
}

function encodePassword(text: string): Uint8Array {
  if (text.length === 0 || text.length > maximumPasswordLength)
    throw new PkiError("unencodable", `A challengePassword has 1 to ${maximumPasswordLength} characters.`);
  // RFC 2985 5.4.1: PrintableString unless the characters do not fit.
  return encoding("challengePassword", () => (isPrintable(text) ? der.printableString(text) : der.utf8String(text)));
}

const directoryStrings: ReadonlySet<number> = new Set([
  tags.printableString,
  tags.utf8String,
  tags.teletexString,
  tags.bmpString,
  tags.universalString,
]);

/** RFC 2985: pkcs-9-ub-challengePassword. */
const maximumPasswordLength = 255;
const maximumAttributes = 32;
const maximumValues = 32;
