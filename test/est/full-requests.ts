import { base64, utf8 } from "../../src/core/bytes.ts";
import { type PrivateKey, signerOf } from "../../src/crypto/keys.ts";
import type { Signer } from "../../src/crypto/signer.ts";
import { decodeWireBase64 } from "../../src/encoding/base64.ts";
import { type Certificate, parseCertificate } from "../../src/pki/certificate.ts";
import { decodePkiResponse, encodePkiData } from "../../src/pki/cmc.ts";
import {
  type ControlContent,
  type TransactionControls,
  transactionControls,
  transactionOf,
} from "../../src/pki/cmc-control.ts";
import { type StatusInfo, statusInfosOf } from "../../src/pki/cmc-status.ts";
import { type CertificateIdentifier, issuerAndSerialNumberOf } from "../../src/pki/cms-identifier.ts";
import { parseSignedData, verifySignedData } from "../../src/pki/cms-signed-data.ts";
import { buildSignedData } from "../../src/pki/cms-signed-data-build.ts";
import { contentTypes } from "../../src/pki/oids.ts";
import { basicConstraintsOf, encodeSubjectKeyIdentifier, keyIdentifierOf } from "../../src/pki/standard-extensions.ts";
import { type CraftedRequest, craftedRequest, extensionAttribute, newSigner } from "./crafted.ts";
import { message, type RawAnswer, type RawIdentity } from "./raw-client.ts";

/** Full PKI Requests that a proper client or none makes: nothing in here is checked. */

/** Who signs a Full PKI Request, and the certificates that go with it. */
export interface CmcSigner {
  readonly signer: Signer;
  readonly sid: CertificateIdentifier;
  readonly certificates: readonly Uint8Array[];
}

/** Signs with the key of a certificate, which goes with the message. */
export function byCertificate({ chain, key }: RawIdentity): CmcSigner {
  const [own] = chain as readonly [Uint8Array, ...Uint8Array[]];
  return {
    signer: signerOf(key as PrivateKey),
    sid: issuerAndSerialNumberOf(parseCertificate(own)),
    certificates: chain,
  };
}

/** Signs with a key that has no certificate yet. */
export function byKey(signer: Signer): CmcSigner {
  const keyIdentifier = keyIdentifierOf(signer.publicKey);
  return { signer, sid: { kind: "subjectKeyIdentifier", keyIdentifier }, certificates: [] };
}

/** SignedData around PKIData, whatever that is. */
export function signedPkiData(content: Uint8Array, ...signers: readonly CmcSigner[]): Promise<Uint8Array> {
  return buildSignedData({
    eContentType: contentTypes.pkiData,
    content,
    signers,
    certificates: signers.flatMap(({ certificates }) => certificates),
  });
}

/** A Full PKI Request around a PKCS #10 request. */
export function fullRequest(
  request: Uint8Array,
  signer: CmcSigner,
  controls: readonly ControlContent[] = [],
): Promise<Uint8Array> {
  return signedPkiData(encodePkiData(controls, [request]), signer);
}

/** A Full PKI Request that the key signs which it wants certified (RFC 5272 3.2). */
export async function selfSignedRequest(
  content: CraftedRequest,
  transaction: TransactionControls = {},
): Promise<Uint8Array> {
  const { signer = newSigner(), attributes = [] } = content;
  const identifier = extensionAttribute(encodeSubjectKeyIdentifier(keyIdentifierOf(signer.publicKey)));
  const request = await craftedRequest({ ...content, signer, attributes: [...attributes, identifier] });
  return fullRequest(request, byKey(signer), transactionControls(transaction));
}

export const cmcRequestType = "Content-Type: application/pkcs7-mime; smime-type=CMC-request";
export const cmcResponseType = "application/pkcs7-mime; smime-type=CMC-response";

/** A POST to fullcmc: a message in DER, or the body as it is. */
export function fullcmc(
  request: Uint8Array | string,
  fields: readonly string[] = [],
  path = "/.well-known/est/fullcmc",
): Uint8Array {
  const body = typeof request === "string" ? request : base64(request);
  return message(`POST ${path}`, [cmcRequestType, `Content-Length: ${Buffer.byteLength(body)}`, ...fields], body);
}

/** A Full PKI Response whose signature holds. */
export interface FullAnswer {
  readonly statuses: readonly StatusInfo[];
  readonly transaction: TransactionControls;
  readonly responder: Certificate;
  /** In DER, without the responder's own and those of CAs. */
  readonly certificates: readonly Uint8Array[];
}

/** The Full PKI Response in an answer; throws for anything else. */
export function fullAnswerIn(answer: RawAnswer): FullAnswer {
  const type = answer.field("content-type");
  if (type !== cmcResponseType) throw new Error(`instead of CMC: ${answer.status} ${type} ${answer.text}`);
  const signedData = parseSignedData(decodeWireBase64(utf8(answer.text)));
  const { content, signers } = verifySignedData(signedData);
  const [signer] = signers;
  if (signer === undefined) throw new Error("nobody has signed");
  const { controls } = decodePkiResponse(content);
  const isAuthority = ({ extensions }: Certificate) => basicConstraintsOf(extensions)?.cA === true;
  const others = signedData.certificates.filter(
    (der) => !Buffer.from(der).equals(signer.certificate.raw) && !isAuthority(parseCertificate(der)),
  );
  return {
    statuses: statusInfosOf(controls),
    transaction: transactionOf(controls),
    responder: signer.certificate,
    certificates: others,
  };
}
