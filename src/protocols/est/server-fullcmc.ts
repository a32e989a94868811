import { equal, utf8 } from "../../core/bytes.ts";
import { codeOf, messageOf } from "../../core/errors.ts";
import type { Peer } from "../../core/link.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { encodePkiResponse } from "../../pki/cmc.ts";
import { transactionControls } from "../../pki/cmc-control.ts";
import { type CmcFailInfo, type StatusInfo, statusInfoV2 } from "../../pki/cmc-status.ts";
import { issuerAndSerialNumberOf, sameIdentifier } from "../../pki/cms-identifier.ts";
import { verifySignedData, verifySignedDataByKey } from "../../pki/cms-signed-data.ts";
import { buildSignedData } from "../../pki/cms-signed-data-build.ts";
import type { CertificationRequest } from "../../pki/csr.ts";
import { contentTypes } from "../../pki/oids.ts";
import { subjectKeyIdentifierOf } from "../../pki/standard-extensions.ts";
import type { CmcResponder, Output, Ports } from "../ports.ts";
import { type EstRefusal, EstRefused, refusals } from "./errors.ts";
import { checkBinding } from "./keys.ts";
import type { EstReply, EstRequest, FullCmcRequest } from "./messages.ts";
import { type CmcReference, type FullRequest, wholeRequest } from "./messages-fullcmc.ts";
import { requireProfile } from "./profile.ts";
import { recordFrame } from "./record.ts";
import { enroll } from "./server-enroll.ts";
import { recordAssociation, refused, stranger } from "./server-reply.ts";
import type { EstSession, EstStep } from "./session.ts";

type MalformedRequest = EstRequest & { readonly kind: "malformed" };

/**
 * fullcmc (RFC 7030 4.3): an enrolment, or under a certificate of this authority a renewal, that comes in a Full PKI Request.
 * The message is opened and its signer verified here; everything else is as with simpleenroll and simplereenroll.
 */
export async function fullcmc(
  session: EstSession | undefined,
  request: FullCmcRequest | MalformedRequest,
  peer: Peer,
  ports: Ports,
): Promise<EstStep> {
  recordAssociation(peer, await ports.issuer.issuers(), ports, request.kind === "fullcmc" ? request : undefined);
  const refuse = (error: unknown): EstStep => {
    const refusal = asRefused(error);
    recordFrame(ports.run, "fullcmc", "request", peer, request.bytes);
    return refused(refusal, stranger, "fullcmc", peer, ports);
  };
  let responder: CmcResponder;
  try {
    await requireOffer(request, ports);
    responder = await ports.cmcResponder();
  } catch (error) {
    return refuse(error);
  }
  const reference = request.kind === "fullcmc" ? request.full.reference : (request.reference ?? wholeRequest);
  try {
    if (request.kind === "malformed") throw request.refusal;
    verifySigner(request, peer, ports);
  } catch (error) {
    return answered(refuse(error), reference, responder, ports);
  }
  return answered(await enroll(session, request, peer, ports), reference, responder, ports);
}

/** RFC 7030 4.3.2: a server without fullcmc answers with 404, and that is for every label to say. */
async function requireOffer(request: EstRequest, ports: Ports): Promise<void> {
  const profile = await requireProfile(request, ports);
  if (profile.fullcmc === "refused")
    throw new EstRefused("fullcmc-not-offered", `the profile ${profile.name} takes no Full PKI Requests`);
}

/**
 * RFC 5272 3.2: a request is signed with a key that is certified already, or with the one that it wants certified. The first is
 * proof of who asks: it is the TLS client's, or takes its place where TLS shows none. The second proves nothing but possession,
 * and who asks is for TLS and HTTP to tell. Throws EstRefused `cmc-signature`, `cmc-algorithm`,
 * `cmc-signer`, and what `checkBinding` throws.
 */
function verifySigner({ csr, full }: FullCmcRequest, peer: Peer, { run }: Ports): void {
  run.operation({
    operation: "verify",
    algorithm: "CMS",
    role: "coordinator",
    purpose: "Full PKI Request",
    evidence: "counted",
  });
  const [shown] = peer.chain;
  const certificate = verifiedSigner(csr, full, shown);
  if (certificate === undefined) return;
  // Of several certificates with one name the signature tells which it was, and the one that stands for the client has to be that.
  const own = shown ?? full.signerChain[0];
  if (own === undefined || !equal(certificate.raw, own))
    throw new EstRefused("cmc-signer", "the Full PKI Request is signed by somebody else than the TLS client");
  // Anybody can send again what somebody has signed. The binding, which is signed with it, tells that it is for this connection.
  if (shown !== undefined) return;
  if (csr.challengePassword === undefined)
    throw new EstRefused("binding-missing", "the signature alone tells who asks, and is linked to no connection");
  checkBinding(csr, "required", peer);
}

/** The certificate that has signed; undefined when it is the key that is to be certified. */
function verifiedSigner(
  csr: CertificationRequest,
  { signedData, signer: { sid }, signerChain }: FullRequest,
  shown: Uint8Array | undefined,
): Certificate | undefined {
  try {
    const keyIdentifier = subjectKeyIdentifierOf(csr.extensionRequest);
    const isOwnKey =
      signerChain.length === 0 &&
      keyIdentifier !== undefined &&
      sameIdentifier(sid, { kind: "subjectKeyIdentifier", keyIdentifier });
    if (isOwnKey) {
      verifySignedDataByKey(signedData, { keyIdentifier, publicKey: csr.publicKey });
      return undefined;
    }
    const certificates = shown === undefined ? [] : [parseCertificate(shown)];
    return verifySignedData(signedData, { certificates }).signers[0]?.certificate;
  } catch (cause) {
    const unsupported = codeOf(cause).startsWith("unsupported-");
    throw new EstRefused(unsupported ? "cmc-algorithm" : "cmc-signature", messageOf(cause), { cause });
  }
}

/** The same step with answers in CMC. A success that has nothing to say but the certificate stays a Simple PKI Response (RFC 5272 3.2). */
async function answered(
  step: EstStep,
  reference: CmcReference,
  responder: CmcResponder,
  ports: Ports,
): Promise<EstStep> {
  const outputs = await Promise.all(
    step.outputs.map(async (output): Promise<Output<EstReply>> => {
      if (output.kind !== "send") return output;
      return { kind: "send", reply: await inCmc(output.reply, reference, responder, ports) };
    }),
  );
  return { ...step, outputs };
}

async function inCmc(
  reply: EstReply,
  reference: CmcReference,
  responder: CmcResponder,
  ports: Ports,
): Promise<EstReply> {
  const { bodyList, transaction } = reference;
  const says = (status: Omit<StatusInfo, "bodyList">, certificates: readonly Uint8Array[] = []) =>
    fullResponse({ ...status, bodyList }, certificates, reference, responder, ports);
  switch (reply.kind) {
    case "certificates":
      if (Object.keys(transaction).length === 0) return reply;
      return { ...reply, fullResponse: await says({ status: "success" }, reply.certificates) };
    case "pending": {
      // RFC 7030 4.2.3: the device repeats its request, so that the token is for people to quote.
      const token = utf8(reply.run ?? ports.run.header.id);
      const time = ports.clock.now() + reply.retryAfter * 1000;
      return { ...reply, fullResponse: await says({ status: "pending", pendInfo: { token, time } }) };
    }
    case "refused": {
      const { text, status } = refusals[reply.refusal];
      // RFC 7030 4.3.2: 404 says that there is no such service, which is no answer of it.
      if (status === 404) return reply;
      return {
        ...reply,
        fullResponse: await says({ status: "failed", statusString: text, failInfo: failInfoOf(reply.refusal) }),
      };
    }
    default:
      return reply;
  }
}

/** A Full PKI Response in DER, signed by the authority's delegate. */
async function fullResponse(
  status: StatusInfo,
  certificates: readonly Uint8Array[],
  { transaction }: CmcReference,
  { signer, certificate, issuer }: CmcResponder,
  { clock, randomness, run }: Ports,
): Promise<Uint8Array> {
  const { senderNonce, recipientNonce: _, ...repeated } = transaction;
  // RFC 5272 6.6: a nonce comes back as the recipient's, with a new one of this side.
  const nonces =
    senderNonce === undefined ? {} : { recipientNonce: senderNonce, senderNonce: randomness.bytes(nonceLength) };
  run.operation({
    operation: "sign",
    algorithm: "CMS",
    role: "coordinator",
    purpose: "Full PKI Response",
    evidence: "counted",
  });
  return buildSignedData({
    eContentType: contentTypes.pkiResponse,
    content: encodePkiResponse([statusInfoV2(status), ...transactionControls({ ...repeated, ...nonces })]),
    signers: [{ signer, sid: issuerAndSerialNumberOf(certificate), signingTime: clock.now() }],
    // RFC 5272 4.2: with what leads from the certificates to the root.
    certificates: [certificate.raw, issuer.raw, ...certificates],
  });
}

function asRefused(error: unknown): EstRefused {
  if (error instanceof EstRefused) return error;
  if (codeOf(error) !== "overloaded") throw error;
  return new EstRefused("overloaded", messageOf(error), { cause: error });
}

/** RFC 5272 6.1.4, where badRequest is for what is "not permitted" as well. All that is 401 for a credential looks alike. */
function failInfoOf(code: EstRefusal): CmcFailInfo {
  const special = failInfos[code];
  if (special !== undefined) return special;
  const { status } = refusals[code];
  if (status === 401) return "badIdentity";
  return status === 503 ? "tryLater" : "badRequest";
}

const failInfos: { readonly [code in EstRefusal]?: CmcFailInfo } = {
  // RFC 7030 3.5: a link that is missing or wrong is a proof of possession that failed.
  "binding-missing": "popFailed",
  "binding-malformed": "popFailed",
  "binding-wrong": "popFailed",
  "binding-used": "popFailed",
  "binding-at-proxy": "popFailed",
  "csr-signature": "popFailed",
  "cmc-signature": "badMessageCheck",
  "cmc-algorithm": "badAlg",
  "cmc-proof": "badIdentity",
  "key-weak": "badAlg",
  "key-unsupported": "badAlg",
  "key-not-allowed": "badAlg",
  "key-revoked": "noKeyReuse",
  "renewal-same-key": "noKeyReuse",
  "ca-refused": "internalCAError",
};

/** Octets of a nonce of this side. */
const nonceLength = 16;
