import { codeOf, messageOf } from "../../core/errors.ts";
import { decodeWireBase64 } from "../../encoding/base64.ts";
import { parseCertificate } from "../../pki/certificate.ts";
import { decodePkiData, type PkiData } from "../../pki/cmc.ts";
import { type Control, type TransactionControls, transactionOf } from "../../pki/cmc-control.ts";
import { identifies } from "../../pki/cms-identifier.ts";
import { parseSignedData, type SignedData } from "../../pki/cms-signed-data.ts";
import type { SignerInfo } from "../../pki/cms-signer-info.ts";
import { cmcControls, contentTypes } from "../../pki/oids.ts";
import { EstRefused } from "./errors.ts";

/** A Full PKI Request (RFC 5272 3.2) for one certificate as it was received. Its signature has not been verified. */
export interface FullRequest {
  readonly signedData: SignedData;
  readonly signer: SignerInfo;
  /** Certificates of the message in DER, the one that names its signer first; empty when none does. */
  readonly signerChain: readonly Uint8Array[];
  /** PKCS #10 in DER, not parsed. */
  readonly certificationRequest: Uint8Array;
  readonly reference: CmcReference;
}

/** What an answer has to repeat so that it is known for the answer to this request. */
export interface CmcReference {
  readonly transaction: TransactionControls;
  /** The parts that the answer is about; 0 is the whole request (RFC 5272 3.2.2). */
  readonly bodyList: readonly number[];
}

/** A request that is refused for what it says; as much of it as was understood is in the reference. */
export interface RefusedFullRequest {
  readonly refusal: EstRefused;
  readonly reference: CmcReference;
}

/** What is known of a request that could not be read at all. */
export const wholeRequest: CmcReference = { transaction: {}, bodyList: [0] };

/** Decodes the body of fullcmc: base64 of a Full PKI Request with exactly one PKCS #10 request. It verifies nothing. */
export function decodeFullRequest(body: Uint8Array): FullRequest | RefusedFullRequest {
  let reference = wholeRequest;
  try {
    const signedData = decodeSignedData(body);
    const [signer, second] = signedData.signerInfos;
    // Whose request it is must not be a matter of which signature is looked at.
    if (signer === undefined || second !== undefined)
      throw new EstRefused("cmc-malformed", "the Full PKI Request has not exactly one signer");
    const pkiData = decodeContent(signedData);
    reference = { ...wholeRequest, transaction: decodeTransaction(pkiData) };
    for (const control of pkiData.controls) {
      reference = { ...reference, bodyList: [control.bodyPartID] };
      checkControl(control);
    }
    reference = { ...reference, bodyList: bodyListOf(pkiData) };
    const { bodyPartID, certificationRequest } = onlyRequest(pkiData);
    return {
      signedData,
      signer,
      signerChain: chainOf(signer, signedData),
      certificationRequest,
      reference: { ...reference, bodyList: [bodyPartID] },
    };
  } catch (error) {
    if (!(error instanceof EstRefused)) throw error;
    return { refusal: error, reference };
  }
}

function decodeSignedData(body: Uint8Array): SignedData {
  let bytes: Uint8Array;
  try {
    bytes = decodeWireBase64(body);
  } catch (cause) {
    throw new EstRefused(codeOf(cause) === "pem-armour" ? "pem-armour" : "cmc-malformed", messageOf(cause), { cause });
  }
  try {
    return parseSignedData(bytes);
  } catch (cause) {
    throw new EstRefused("cmc-malformed", messageOf(cause), { cause });
  }
}

function decodeContent({ eContentType, eContent }: SignedData): PkiData {
  if (eContentType !== contentTypes.pkiData || eContent === undefined)
    throw new EstRefused("cmc-malformed", "the SignedData holds something else than PKIData");
  try {
    return decodePkiData(eContent);
  } catch (cause) {
    throw new EstRefused("cmc-malformed", messageOf(cause), { cause });
  }
}

function decodeTransaction({ controls }: PkiData): TransactionControls {
  try {
    return transactionOf(controls);
  } catch (cause) {
    throw new EstRefused("cmc-control", messageOf(cause), { cause });
  }
}

/** RFC 5272 3.2.1.1: a control that is not understood fails the whole request. */
function checkControl({ type }: Control): void {
  if (proofs.has(type))
    throw new EstRefused(
      "cmc-proof",
      `the request holds the control ${type}, a proof by a secret that is not known here`,
    );
  if (!understood.has(type)) throw new EstRefused("cmc-control", `the request holds the unknown control ${type}`);
}

function onlyRequest({ requests }: PkiData): {
  readonly bodyPartID: number;
  readonly certificationRequest: Uint8Array;
} {
  const [request, second] = requests;
  // A run is about one device, and so is its answer: what a batch would be granted in part has no status of HTTP.
  if (request === undefined || second !== undefined)
    throw new EstRefused("cmc-requests", `the request asks for ${requests.length} certificates instead of one`);
  if (request.kind !== "tcr")
    throw new EstRefused("cmc-requests", "the request is in CRMF or another format than PKCS #10");
  return request;
}

function bodyListOf({ requests }: PkiData): readonly number[] {
  return requests.length === 0 ? wholeRequest.bodyList : requests.map(({ bodyPartID }) => bodyPartID);
}

/** The certificate that names the signer, and the others behind it. Several may; the signature tells later whether it is the one. */
function chainOf({ sid }: SignerInfo, { certificates }: SignedData): readonly Uint8Array[] {
  const own = certificates.find((der) => {
    try {
      return identifies(sid, parseCertificate(der));
    } catch {
      // What cannot be parsed names nobody.
      return false;
    }
  });
  return own === undefined ? [] : [own, ...certificates.filter((der) => der !== own)];
}

/** Of `identification` and `regInfo` nothing follows: they say who it is, and prove nothing (RFC 5272 6.2.4, 6.12). */
const understood: ReadonlySet<string> = new Set([
  cmcControls.transactionId,
  cmcControls.senderNonce,
  cmcControls.recipientNonce,
  cmcControls.dataReturn,
  cmcControls.identification,
  cmcControls.regInfo,
]);

/** RFC 5272 6.2, 6.3: over a secret in plain text, which the service does not keep of anybody. */
const proofs: ReadonlySet<string> = new Set([
  cmcControls.identityProof,
  cmcControls.identityProofV2,
  cmcControls.popLinkRandom,
  cmcControls.popLinkWitness,
  cmcControls.popLinkWitnessV2,
]);
