import { equal } from "../core/bytes.ts";
import { signatureAlgorithmOf } from "../crypto/algorithms.ts";
import { digest } from "../crypto/digest.ts";
import type { Signer } from "../crypto/signer.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed } from "../encoding/tags.ts";
import { encodeContentInfo } from "./cms-content-info.ts";
import { digestIdentifier, digestNameFor, signerInfoIdentifier } from "./cms-digest.ts";
import { CmsError, encodingCms, usingKey } from "./cms-errors.ts";
import { type CertificateIdentifier, encodeIdentifier } from "./cms-identifier.ts";
import { encodeSignedAttributes } from "./cms-signer-info.ts";
import { contentTypes } from "./oids.ts";

export interface SignedDataContent {
  /** In dotted form. */
  readonly eContentType: string;
  readonly content: Uint8Array;
  /** Leaves the content out of the message; the reader has to get it otherwise. */
  readonly detached?: boolean;
  /** One at least. */
  readonly signers: readonly ContentSigner[];
  /** In DER: the signers' own and what leads from them to an anchor. */
  readonly certificates?: readonly Uint8Array[];
  /** In DER. */
  readonly crls?: readonly Uint8Array[];
}

export interface ContentSigner {
  readonly signer: Signer;
  /** How readers find the signer's certificate: `issuerAndSerialNumberOf` it. */
  readonly sid: CertificateIdentifier;
  /** Milliseconds since 1970-01-01 UTC; fractions of a second are dropped. */
  readonly signingTime?: number;
}

/**
 * SignedData in DER with signed attributes (RFC 5652 5). Throws CmsError `unencodable` or `unsupported-algorithm`, and what
 * the signers throw. It does not look into certificates and CRLs, nor check that they are the signers'.
 */
export async function buildSignedData(content: SignedDataContent): Promise<Uint8Array> {
  const { signers } = content;
  if (signers.length === 0) throw new CmsError("unencodable", "SignedData needs a signer.");
  const signed = await Promise.all(signers.map((signer) => signerInfo(signer, content)));
  return encodingCms(() => encodeContentInfo(signedDataType, encodeSignedData(content, signed)));
}

interface SignedPart {
  readonly digestAlgorithm: Uint8Array;
  readonly signerInfo: Uint8Array;
}

async function signerInfo(
  { signer, sid, signingTime }: ContentSigner,
  { eContentType, content }: SignedDataContent,
): Promise<SignedPart> {
  const algorithm = usingKey(() => signatureAlgorithmOf(signer.algorithm));
  const digestName = digestNameFor(algorithm);
  const messageDigest = digest(digestName, content);
  const digestAlgorithm = digestIdentifier(digestName);
  const signedAttrs = encodingCms(() =>
    encodeSignedAttributes({ contentType: eContentType, messageDigest, signingTime }),
  );
  const signature = await signer.sign(signedAttrs);
  return {
    digestAlgorithm,
    signerInfo: der.sequence([
      sid.kind === "subjectKeyIdentifier" ? version3 : version1,
      encodeIdentifier(sid),
      digestAlgorithm,
      der.implicit(0, signedAttrs),
      signerInfoIdentifier(algorithm),
      der.octetString(signature),
    ]),
  };
}

function encodeSignedData(content: SignedDataContent, signed: readonly SignedPart[]): Uint8Array {
  const { eContentType, detached = false, signers, certificates = [], crls = [] } = content;
  // RFC 5652 5.1.
  const isVersion3 =
    eContentType !== contentTypes.data || signers.some(({ sid }) => sid.kind === "subjectKeyIdentifier");
  const digestAlgorithms = signed.map(({ digestAlgorithm }) => digestAlgorithm);
  return der.sequence([
    isVersion3 ? version3 : version1,
    der.setOf(digestAlgorithms.filter((one, i) => digestAlgorithms.findIndex((other) => equal(one, other)) === i)),
    der.sequence([
      der.objectIdentifier(eContentType),
      ...(detached ? [] : [der.explicit(0, der.octetString(content.content))]),
    ]),
    ...(certificates.length > 0 ? [der.setOf(certificates, contextConstructed(0))] : []),
    ...(crls.length > 0 ? [der.setOf(crls, contextConstructed(1))] : []),
    der.setOf(signed.map((part) => part.signerInfo)),
  ]);
}

const signedDataType = der.objectIdentifier(contentTypes.signedData);
const version1 = der.integer(1);
const version3 = der.integer(3);
