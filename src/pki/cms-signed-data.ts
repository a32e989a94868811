import { equal } from "../core/bytes.ts";
import { digest } from "../crypto/digest.ts";
import { type PublicKey, verifySignature } from "../crypto/keys.ts";
import type { DerReader } from "../encoding/der.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { decodeContentInfo, type IsAsReceived } from "./cms-content-info.ts";
import { digestNameOf, signatureIdentifierOf } from "./cms-digest.ts";
import { CmsError, decodingCms, usingKey } from "./cms-errors.ts";
import { identifies, sameIdentifier } from "./cms-identifier.ts";
import { readSignerInfo, type SignerInfo, signedStatementOf } from "./cms-signer-info.ts";
import { PkiError } from "./errors.ts";
import { contentTypes } from "./oids.ts";

/** SignedData (RFC 5652 5.1) as it was received. Nothing in it has been verified. */
export interface SignedData {
  /** In dotted form. */
  readonly eContentType: string;
  /** Undefined when the content is detached. */
  readonly eContent: Uint8Array | undefined;
  /** In DER, in the order received. */
  readonly certificates: readonly Uint8Array[];
  /** In DER, in the order received. */
  readonly crls: readonly Uint8Array[];
  readonly signerInfos: readonly SignerInfo[];
}

/** A content, and who has signed it. */
export interface VerifiedContent {
  readonly eContentType: string;
  readonly content: Uint8Array;
  /** One at least. */
  readonly signers: readonly VerifiedSigner[];
  /** Why the other signers do not count. */
  readonly refused: readonly CmsError[];
}

export interface VerifiedSigner {
  /** Holds the key of the signature; whether it is to be believed is for a path to tell. */
  readonly certificate: Certificate;
  /** Milliseconds since 1970-01-01 UTC by the signer's own clock; undefined when it does not say. */
  readonly signingTime: number | undefined;
}

export interface VerificationInput {
  /** The content, when it is detached. */
  readonly content?: Uint8Array;
  /** Certificates of signers that the message need not hold. */
  readonly certificates?: readonly Certificate[];
}

/**
 * Parses SignedData in DER or BER, of at most 1 MiB unless told otherwise. Throws CmsError `malformed-cms`,
 * `unexpected-content-type`, or `not-der` when signed attributes, certificates or CRLs were sent in BER. It verifies nothing,
 * and does not look into certificates and CRLs.
 */
export function parseSignedData(bytes: Uint8Array, maximumLength = defaultMaximumLength): SignedData {
  return decodeContentInfo(bytes, maximumLength, new Map([[contentTypes.signedData, readSignedData]]));
}

/**
 * Verifies every signer's signature, signed attributes and digest of the content (RFC 5652 5.4, 5.6), and succeeds when one
 * holds: the caller has to find one among `signers` that it trusts. A signature without signed attributes is refused, because
 * such a content can be passed off as the attributes of another one. Throws the CmsError of the first signer that fails when
 * none holds. It does not check paths, dates, revocation, key usage, nor that the content type is the one expected.
 */
export function verifySignedData(signedData: SignedData, input: VerificationInput = {}): VerifiedContent {
  const { eContentType, signerInfos } = signedData;
  const content = contentOf(signedData, input);
  const candidates = [...(input.certificates ?? []), ...parsed(signedData.certificates)];
  const signers: VerifiedSigner[] = [];
  const refused: CmsError[] = [];
  for (const signerInfo of signerInfos) {
    try {
      signers.push(verifiedSigner(signerInfo, eContentType, content, candidates));
    } catch (error) {
      if (!(error instanceof CmsError)) throw error;
      refused.push(error);
    }
  }
  if (signers.length > 0) return { eContentType, content, signers, refused };
  throw refused[0] ?? new CmsError("no-signer", "The CMS message is signed by nobody.");
}

/**
 * Verifies a content that is signed with a key for which no certificate exists yet (RFC 5272 3.2), by its one signer, who is
 * named by `keyIdentifier`; returns the content. Throws CmsError, `unknown-signer` for another signer and for several. Whose
 * the key is is not checked.
 */
export function verifySignedDataByKey(
  signedData: SignedData,
  { keyIdentifier, publicKey }: { readonly keyIdentifier: Uint8Array; readonly publicKey: PublicKey },
): Uint8Array {
  const { eContentType, signerInfos } = signedData;
  const content = contentOf(signedData, {});
  const [signerInfo, second] = signerInfos;
  if (signerInfo === undefined) throw new CmsError("no-signer", "The CMS message is signed by nobody.");
  if (second !== undefined || !sameIdentifier(signerInfo.sid, { kind: "subjectKeyIdentifier", keyIdentifier }))
    throw new CmsError("unknown-signer", "The CMS message is not signed by the key alone that was expected.");
  const { algorithm, signed, signature } = signedBy(signerInfo, eContentType, content);
  if (usingKey(() => verifySignature(publicKey, algorithm, signed, signature))) return content;
  throw new CmsError("bad-signature", "The signature does not fit the key.");
}

function contentOf({ eContent }: SignedData, { content }: VerificationInput): Uint8Array {
  if (eContent !== undefined && content !== undefined)
    throw new CmsError("content-twice", "The CMS message holds a content, although a detached one was given.");
  const one = eContent ?? content;
  if (one === undefined) throw new CmsError("content-missing", "The content of the CMS message is detached.");
  return one;
}

function verifiedSigner(
  signerInfo: SignerInfo,
  eContentType: string,
  content: Uint8Array,
  candidates: readonly Certificate[],
): VerifiedSigner {
  const { algorithm, signed, signature, signingTime } = signedBy(signerInfo, eContentType, content);
  const named = candidates.filter((candidate) => identifies(signerInfo.sid, candidate));
  if (named.length === 0)
    throw new CmsError("unknown-signer", "The signer's certificate is neither in the CMS message nor known.");
  for (const certificate of distinctKeys(named))
    if (usingKey(() => verifySignature(certificate.publicKey, algorithm, signed, signature)))
      return { certificate, signingTime };
  throw new CmsError("bad-signature", "The signature does not fit the signer's certificate.");
}

/** What a signer has signed, once its signed attributes are seen to be about this content. */
function signedBy(
  { digestAlgorithm, signedAttrs, signatureAlgorithm, signature }: SignerInfo,
  eContentType: string,
  content: Uint8Array,
) {
  const digestName = digestNameOf(digestAlgorithm);
  const algorithm = signatureIdentifierOf(signatureAlgorithm, digestName);
  if (signedAttrs === undefined) throw new CmsError("bad-attributes", "The signer has no signed attributes.");
  const { contentType, messageDigest, signingTime } = decodingCms(() => signedStatementOf(signedAttrs));
  // RFC 5652 11.1: or the signature would be about a content of another type.
  if (contentType !== eContentType)
    throw new CmsError("bad-attributes", "The signed attribute contentType is not the type of the content.");
  if (!equal(messageDigest, digest(digestName, content)))
    throw new CmsError("digest-mismatch", "The content is not the one that was signed.");
  return { algorithm, signed: signedAttrs.signed, signature, signingTime };
}

/** Anybody can put a certificate with the name of another one into a message, so the first need not be the right one. */
function distinctKeys(certificates: readonly Certificate[]): readonly Certificate[] {
  const keyOf = ({ subjectPublicKeyInfo }: Certificate) => subjectPublicKeyInfo;
  return certificates
    .filter((one, i) => certificates.findIndex((other) => equal(keyOf(one), keyOf(other))) === i)
    .slice(0, maximumCandidates);
}

/** Certificates that cannot be parsed are passed over: they may be for others, and cannot be a signer's. */
function parsed(certificates: readonly Uint8Array[]): readonly Certificate[] {
  return certificates.flatMap((bytes) => {
    try {
      return [parseCertificate(bytes)];
    } catch (error) {
      if (error instanceof PkiError) return [];
      throw error;
    }
  });
}

function readSignedData(reader: DerReader, isAsReceived: IsAsReceived): SignedData {
  return reader.sequence((content) => {
    // RFC 5652 5.1 derives the version from what follows, so nothing depends on it.
    content.smallInteger(5);
    content.listOf((algorithm) => algorithm.raw(tags.sequence), maximumSigners, tags.set);
    const { eContentType, eContent } = content.sequence((encapsulated) => ({
      eContentType: encapsulated.objectIdentifier(),
      eContent: encapsulated.done ? undefined : encapsulated.explicit(0, (inner) => inner.octetString()),
    }));
    const certificates = content.has(contextConstructed(0))
      ? content.listOf((choice) => choice.raw(tags.sequence), maximumCertificates, contextConstructed(0))
      : [];
    const crls = content.has(contextConstructed(1))
      ? content.listOf(readRevocationInfo, maximumCrls, contextConstructed(1)).filter((crl) => crl !== undefined)
      : [];
    const signerInfos = content.listOf((signer) => readSignerInfo(signer, isAsReceived), maximumSigners, tags.set);
    // Both are signed DER: what had to be rewritten to be read was never valid, and is not passed on as if it were.
    if (![...certificates, ...crls].every(isAsReceived))
      throw new CmsError("not-der", "A certificate or a CRL in the CMS message is not in DER.");
    return { eContentType, eContent, certificates, crls, signerInfos };
  });
}

/** RFC 5652 10.2.1: a CertificateList, or another format such as an OCSP response, which is passed over. */
function readRevocationInfo(reader: DerReader): Uint8Array | undefined {
  if (reader.has(contextConstructed(1))) {
    reader.any();
    return undefined;
  }
  return reader.raw(tags.sequence);
}

/** A registrar's voucher request holds another one within; none comes near to this. */
const defaultMaximumLength = 1_048_576;
const maximumCertificates = 32;
const maximumCrls = 32;
/** With the next limit, at most 32 verifications for one message of a stranger. */
const maximumSigners = 8;
const maximumCandidates = 4;
