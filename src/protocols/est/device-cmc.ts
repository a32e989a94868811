import { equal } from "../../core/bytes.ts";
import { messageOf } from "../../core/errors.ts";
import type { Randomness } from "../../core/randomness.ts";
import { decodeWireBase64 } from "../../encoding/base64.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { decodePkiResponse, encodePkiData } from "../../pki/cmc.ts";
import { type TransactionControls, transactionControls, transactionOf } from "../../pki/cmc-control.ts";
import { type StatusInfo, statusInfosOf } from "../../pki/cmc-status.ts";
import { issuerAndSerialNumberOf } from "../../pki/cms-identifier.ts";
import { parseSignedData, verifySignedData } from "../../pki/cms-signed-data.ts";
import { buildSignedData, type ContentSigner } from "../../pki/cms-signed-data-build.ts";
import type { Extension } from "../../pki/extensions.ts";
import { contentTypes, keyPurposes } from "../../pki/oids.ts";
import { validatePath } from "../../pki/path.ts";
import { encodeSubjectKeyIdentifier, extKeyUsageOf, keyIdentifierOf } from "../../pki/standard-extensions.ts";
import type { HttpResponse } from "../../transport/http/message.ts";
import type { ClientIdentity, DeviceKey } from "../ports.ts";
import type { CaCertificates } from "./accept.ts";
import { EstFailed } from "./errors.ts";
import { decodeResponse, runIn } from "./http.ts";
import { failureIn, failureText, smimeTypeOf } from "./http-fullcmc.ts";
import type { EstResponse } from "./messages.ts";

/** What this end has sent in a Full PKI Request, and has to find in the answer again (RFC 5272 6.6). */
export interface CmcTransaction {
  readonly transactionId: Uint8Array;
  readonly senderNonce: Uint8Array;
}

/** Extensions that a request has to hold so that its own key can sign the message around it (RFC 5272 3.2). */
export function extensionsForCmc(key: DeviceKey, identity: ClientIdentity | undefined): readonly Extension[] {
  return identity === undefined ? [encodeSubjectKeyIdentifier(keyIdentifierOf(key.signer.publicKey))] : [];
}

/**
 * A Full PKI Request in DER around a PKCS #10 request, signed with the certificate that the device shows in TLS as well, or else
 * with the key that is to be certified. Throws what the signer throws.
 */
export async function buildFullRequest(
  certificationRequest: Uint8Array,
  key: DeviceKey,
  identity: ClientIdentity | undefined,
  randomness: Randomness,
): Promise<{ readonly message: Uint8Array; readonly transaction: CmcTransaction }> {
  // A positive INTEGER in its shortest form, whatever the octets are.
  const transactionId = Uint8Array.of(1, ...randomness.bytes(transactionLength));
  const transaction = { transactionId, senderNonce: randomness.bytes(nonceLength) };
  const message = await buildSignedData({
    eContentType: contentTypes.pkiData,
    content: encodePkiData(transactionControls(transaction), [certificationRequest]),
    signers: [signerOf(key, identity)],
    certificates: identity?.chain ?? [],
  });
  return { message, transaction };
}

/**
 * The device's reading of an answer of fullcmc: a Simple PKI Response, or a Full one that is signed by one to whom the CA has given
 * that, and is the answer to this request. Throws EstFailed, `cmc-failed` with the server's own reason among others.
 */
export function decodeFullResponse(
  answer: HttpResponse,
  sent: CmcTransaction,
  ca: CaCertificates,
  now: number,
): EstResponse {
  const isFull = smimeTypeOf(answer.headers) === "cmc-response";
  const failure = isFull && answer.status !== 503 ? failureIn(answer) : undefined;
  if (failure !== undefined && (answer.status >= 400 || failure.status !== "pending")) throw failed(failure, answer);
  if (!isFull || answer.status >= 300) return decodeResponse("fullcmc", answer, now);
  const { statuses, transaction, certificates } = openResponse(answer.body, ca, now);
  requireAnswerTo(sent, transaction);
  // RFC 7030 4.3.2: how long to wait is the status line's to say.
  if (answer.status === 202) return decodeResponse("fullcmc", answer, now);
  const pending = statuses.some(({ status }) => status === "pending");
  if (answer.status !== 200 || pending)
    throw new EstFailed(
      "status-unexpected",
      `the server answered fullcmc with ${answer.status}, and says ${pending ? "pending" : "success"} in CMC`,
      { details: { status: answer.status } },
    );
  return { kind: "certificates", certificates: certificates.map((der) => parseCertificate(der)) };
}

interface OpenedResponse {
  readonly statuses: readonly StatusInfo[];
  readonly transaction: TransactionControls;
  /** In DER. */
  readonly certificates: readonly Uint8Array[];
}

function openResponse(body: Uint8Array, ca: CaCertificates, now: number): OpenedResponse {
  let signers: readonly { readonly certificate: Certificate }[];
  let opened: OpenedResponse;
  try {
    const signedData = parseSignedData(decodeWireBase64(body));
    const verified = verifySignedData(signedData);
    if (verified.eContentType !== contentTypes.pkiResponse)
      throw new EstFailed("response-malformed", "the message holds something else than a PKIResponse");
    const { controls } = decodePkiResponse(verified.content);
    signers = verified.signers;
    opened = {
      statuses: statusInfosOf(controls),
      transaction: transactionOf(controls),
      certificates: signedData.certificates,
    };
  } catch (cause) {
    throw new EstFailed("response-malformed", `the server's answer is no Full PKI Response: ${messageOf(cause)}`, {
      cause,
    });
  }
  const others = opened.certificates.flatMap((der) => {
    try {
      return [parseCertificate(der)];
    } catch {
      // What cannot be parsed leads nowhere.
      return [];
    }
  });
  if (!signers.some(({ certificate }) => mayAnswer(certificate, [...ca.authorities, ...others], ca, now)))
    throw new EstFailed("cmc-not-trusted", "the server's answer is signed by nobody who may answer for its CA");
  return opened;
}

/** RFC 6402 2.10: the CA itself, or one with id-kp-cmcCA or id-kp-cmcRA. Every device has a certificate of this CA, and none of these. */
function mayAnswer(
  signer: Certificate,
  others: readonly Certificate[],
  { authorities, anchors }: CaCertificates,
  at: number,
): boolean {
  if (authorities.some(({ raw }) => equal(raw, signer.raw))) return true;
  const purposes = extKeyUsageOf(signer.extensions) ?? [];
  if (!purposes.includes(keyPurposes.cmcCA) && !purposes.includes(keyPurposes.cmcRA)) return false;
  try {
    const chain = [signer, ...others.filter(({ raw }) => !equal(raw, signer.raw))];
    validatePath({ chain, anchors, at, profile: "cmc-responder" });
    return true;
  } catch {
    return false;
  }
}

function requireAnswerTo(sent: CmcTransaction, { transactionId, recipientNonce }: TransactionControls): void {
  const same = (one: Uint8Array, other: Uint8Array | undefined) => other !== undefined && equal(one, other);
  if (same(sent.transactionId, transactionId) && same(sent.senderNonce, recipientNonce)) return;
  throw new EstFailed("cmc-not-the-answer", "the server's Full PKI Response is the answer to another request");
}

function failed(failure: StatusInfo, answer: HttpResponse): EstFailed {
  const run = runIn(answer.headers);
  return new EstFailed("cmc-failed", `the server refused fullcmc with ${answer.status}, ${failureText(failure)}`, {
    details: {
      status: answer.status,
      failInfo: failure.failInfo ?? failure.status,
      ...(run === undefined ? {} : { run }),
    },
  });
}

function signerOf(key: DeviceKey, identity: ClientIdentity | undefined): ContentSigner {
  const own = identity?.chain[0];
  if (identity === undefined || own === undefined) {
    const keyIdentifier = keyIdentifierOf(key.signer.publicKey);
    return { signer: key.signer, sid: { kind: "subjectKeyIdentifier", keyIdentifier } };
  }
  return { signer: identity.key.signer, sid: issuerAndSerialNumberOf(parseCertificate(own)) };
}

const transactionLength = 15;
const nonceLength = 16;
