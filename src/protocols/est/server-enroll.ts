import { base64, fromBase64, hex } from "../../core/bytes.ts";
import { codeOf, messageOf } from "../../core/errors.ts";
import type { Peer } from "../../core/link.ts";
import { sha256 } from "../../crypto/mac.ts";
import type { Decoded } from "../../knowledge/run.ts";
import { parseCertificate } from "../../pki/certificate.ts";
import { verifyProofOfPossession } from "../../pki/csr.ts";
import { formatName } from "../../pki/name.ts";
import type { CertificateProfile, Decision, Evidence, Issuance, Ports } from "../ports.ts";
import { authenticate, type Client, hostOf, presentedCredential } from "./authenticate.ts";
import { waitingLifetime } from "./constants.ts";
import { EstRefused } from "./errors.ts";
import { protectionAsked, protectionFor } from "./key-protection.ts";
import { checkBinding } from "./keys.ts";
import { type DeliveredKey, type EnrollRequest, type EstReply, encodeCertificates } from "./messages.ts";
import { checkProfile, requireProfile } from "./profile.ts";
import { caPlayer, carriedByRequest, known, note, recordClient, recordFrame, variantOf } from "./record.ts";
import {
  delivered,
  keptKey,
  keptUntil,
  keyAgain,
  type MadeKey,
  makeKey,
  requireServerKey,
  waitingKey,
} from "./server-keygen.ts";
import { recordAssociation, refused } from "./server-reply.ts";
import { type EstSession, type EstStep, namesAsked, sessionName } from "./session.ts";
import { type CertifiedNames, certifiedNames } from "./subject.ts";

/**
 * simpleenroll and simplereenroll (RFC 7030 4.2): who asks, for what, may they, and the certificate. serverkeygen (4.4) differs by
 * the key alone: the server makes it for a request that is admitted, and looks at none in the request.
 */
export async function enroll(
  earlier: EstSession | undefined,
  request: EnrollRequest,
  peer: Peer,
  ports: Ports,
): Promise<EstStep> {
  let label = shortened(formatName(request.csr.subject)) || "unnamed device";
  let known = false;
  recordAssociation(peer, await ports.issuer.issuers(), ports, request);
  try {
    const profile = await requireProfile(request, ports);
    if (request.kind === "serverkeygen") requireServerKey(profile, peer);
    const client = await authenticate(request, peer, profile, ports);
    label = client.name ?? client.user ?? label;
    known = client.credential !== "anonymous";
    checkOperation(request, client);
    ports.run.variant(variantOf(request.kind, client.credential));
    const carries = carriedByRequest(request, client.credential);
    recordFrame(ports.run, request.kind, "request", peer, request.bytes, {
      carries,
      decoded: describe(request),
      repeated: earlier !== undefined,
    });
    // RFC 7030 3.5 and 4.2.3: a repeated request is held to the same checks, a binding to its own association among them.
    checkRequest(request, client, profile, peer, ports);
    if (request.kind !== "serverkeygen" && (await ports.issuer.isCompromised(request.csr.subjectPublicKeyInfo)))
      throw new EstRefused("key-revoked", "a certificate of the request's key was revoked for keyCompromise");
    if (earlier?.kind === "granted" && mayHaveAgain(earlier, client)) return await repeated(earlier, ports);
    const session = earlier?.kind === "granted" ? undefined : earlier;
    checkProfile(request, client, profile, ports.clock.now());
    if (session !== undefined && session.names !== namesAsked(request))
      throw new EstRefused("waiting-under-another-name", "the key waits for a decision under another name");
    const names = certifiedNames(request, client, profile, ports.isOwnName);
    label = client.name ?? names.name;
    if (session === undefined) recordClient(ports.run, request, client, await ports.issuer.authorities());
    const asking = evidenceOf(request, client, profile, names, peer, ports);
    const asked = await ports.admission.decide(asking);
    const made =
      request.kind === "serverkeygen" && asked.verdict !== "deny"
        ? await keyFor(session, request, client, asked, asking.name, profile, names, peer, ports)
        : undefined;
    // What is admitted in the end is this very key: the inventory knows whose it is.
    const evidence = made === undefined ? asking : { ...asking, key: hex(sha256(made.request.subjectPublicKeyInfo)) };
    const admitted = made === undefined ? asked : await ports.admission.decide(evidence);
    // What was revoked since it was looked at grants nothing: an authority may take its time for the answer.
    const decision = { ...admitted, writes: [...admitted.writes, ...client.writes] };
    // A request that asks again while nobody has decided changes nothing: neither ledger nor store grow with its patience.
    if (decision.verdict === "wait" && session !== undefined) return pending(decision, ports);
    ports.run.phase("authorize");
    const { verdict, rule, reason } = decision;
    ports.run.decision({ verdict, rule, reason, evidence: shown(evidence) });
    if (decision.decidedBy !== undefined) {
      ports.run.user({ action: "approve-in-console", who: "administrator", channel: "backend", characters: 0 });
    }
    if (verdict === "deny")
      throw new EstRefused(
        client.credential === "anonymous" && !decision.decidedBy ? "credentials-missing" : "not-allowed",
        reason,
      );
    return verdict === "wait"
      ? waiting(decision, label, request, undefined, peer, ports)
      : await certified(session, decision, label, request, made, profile, names, peer, ports);
  } catch (error) {
    const code = codeOf(error);
    if (code === "overloaded" || code === "upstream-unusable")
      return refused(
        new EstRefused(code, messageOf(error), { cause: error }),
        { label, known },
        request.kind,
        peer,
        ports,
      );
    if (!(error instanceof EstRefused)) throw error;
    return refused(error, { label, known }, request.kind, peer, ports);
  }
}

/** What the operation demands of the client (RFC 7030 4.2.2): a renewal comes under the certificate that it renews. */
function checkOperation(request: EnrollRequest, client: Client): void {
  // Whoever knows the name of a request could have its private key: there is no proof of possession to hold against it.
  if (request.kind === "serverkeygen" && client.credential === "anonymous")
    throw new EstRefused("credentials-missing", "serverkeygen came without a credential");
  if (request.kind !== "simplereenroll") return;
  if (client.credential === "idevid")
    throw new EstRefused("idevid-on-reenroll", "simplereenroll came with a manufacturer's certificate");
  if (client.certificate === undefined)
    throw new EstRefused("credentials-missing", "simplereenroll came without the certificate to be renewed");
}

/** Channel binding (RFC 7030 3.5) and proof of possession (4.2.1). */
function checkRequest(
  request: EnrollRequest,
  client: Client,
  { binding }: CertificateProfile,
  peer: Peer,
  ports: Ports,
): void {
  const { csr } = request;
  // RFC 7030 3.7: what a registration authority hands on is bound to the association that it had with the device.
  if (client.credential !== "ra") checkBinding(csr, binding, peer);
  // RFC 7030 4.4.1: the signature says nothing there.
  if (request.kind === "serverkeygen") return;
  ports.run.operation({
    operation: "verify",
    algorithm: csr.publicKey.kind,
    role: "coordinator",
    purpose: "proof of possession",
    evidence: "counted",
  });
  let proven: boolean;
  try {
    proven = verifyProofOfPossession(csr);
  } catch (cause) {
    // A point is seen not to be on its curve when the key is used.
    throw new EstRefused(codeOf(cause) === "malformed-key" ? "csr-malformed" : "csr-signature", messageOf(cause), {
      cause,
    });
  }
  if (!proven) throw new EstRefused("csr-signature", "the request's signature does not verify with its own key");
}

/** How the key of serverkeygen will be sent, which has to be known before anybody is asked, and once it is admitted the key. */
async function keyFor(
  session: EstSession | undefined,
  request: EnrollRequest,
  { certificate: shown }: Client,
  { verdict, device: id }: Decision,
  name: string,
  profile: CertificateProfile,
  names: CertifiedNames,
  peer: Peer,
  ports: Ports,
): Promise<MadeKey | undefined> {
  const asked = protectionAsked(request.csr);
  const protection = asked && (await protectionFor(asked, { name, id, shown }, ports));
  if (verdict !== "allow") return undefined;
  // A user's password may be a whole line's; a certificate is one device's wherever it is.
  const source = [presentedCredential(request, peer), ...(shown === undefined ? [hostOf(peer)] : [])].join(" ");
  return makeKey(session, profile, names, protection, source, ports);
}

/** Asks the authority for the certificate of an admitted request. */
async function certified(
  session: EstSession | undefined,
  decision: Decision,
  label: string,
  request: EnrollRequest,
  made: MadeKey | undefined,
  profile: CertificateProfile,
  names: CertifiedNames,
  peer: Peer,
  ports: Ports,
): Promise<EstStep> {
  const csr = made?.request ?? request.csr;
  const issuance = await ports.issuer.issue({
    ...names,
    ...(decision.device === undefined ? {} : { device: decision.device }),
    profile: profile.name,
    publicKey: csr.subjectPublicKeyInfo,
    request: csr.raw,
    run: ports.run.header.id,
  });
  switch (issuance.kind) {
    case "issued":
      return granted(decision, issuance, label, request, made && (await delivered(made, ports)), peer, ports);
    case "pending": {
      // What the decision would change is not done yet: an approval is used up by the certificate, not by asking for it.
      const { retryAfter, reason } = issuance;
      const later = { ...decision, retryAfter, reason, writes: [] };
      const kept = session?.kind === "waiting" && (made === undefined || session.key !== undefined);
      return kept ? pending(later, ports) : waiting(later, label, request, made, peer, ports);
    }
    case "refused":
      throw new EstRefused("ca-refused", issuance.reason);
  }
}

function granted(
  decision: Decision,
  { certificate, notAfter, writes }: Issuance & { readonly kind: "issued" },
  label: string,
  request: EnrollRequest,
  key: DeliveredKey | undefined,
  peer: Peer,
  ports: Ports,
): EstStep {
  const device = decision.device === undefined ? {} : { device: decision.device };
  const run = ports.run.header.id;
  ports.run.contact(caPlayer);
  ports.run.operation({
    operation: "sign",
    algorithm: "certificate",
    role: "coordinator",
    purpose: "issue",
    evidence: "counted",
  });
  recordFrame(ports.run, request.kind, "response", peer, encodeCertificates([certificate], "line").length, {
    carries: [known.certificate.fact, ...(key === undefined ? [] : [known.serverKey.fact])],
    decoded: key === undefined ? {} : { key: key.form },
  });
  note(ports.run, "learn", known.certificate, "coordinator", certificate);
  return {
    next: {
      session: { kind: "granted", certificate: base64(certificate), run, ...(key && { key: keptKey(key) }) },
      expires: key === undefined ? notAfter : keptUntil(notAfter, ports.clock.now()),
    },
    writes: [...decision.writes, ...writes],
    outputs: [{ kind: "send", reply: replyWith(certificate, key) }, { kind: "done" }],
    run: { outcome: "granted", reason: decision.rule, label, ...device },
  };
}

function replyWith(certificate: Uint8Array, key: DeliveredKey | undefined): EstReply {
  if (key === undefined) return { kind: "certificates", certificates: [certificate] };
  return { kind: "generated", certificate, key };
}

function waiting(
  decision: Decision,
  label: string,
  request: EnrollRequest,
  made: MadeKey | undefined,
  peer: Peer,
  ports: Ports,
): EstStep {
  const { retryAfter, rule, reason, writes } = decision;
  recordFrame(ports.run, request.kind, "pending", peer, 0, { decoded: { retryAfter } });
  return {
    next: {
      session: { kind: "waiting", names: namesAsked(request), ...(made && { key: waitingKey(made) }) },
      expires: ports.clock.now() + waitingLifetime,
    },
    writes,
    outputs: [...pending(decision, ports).outputs, { kind: "wait", reason }],
    run: {
      outcome: "waiting",
      reason: rule,
      label,
      ...(decision.device === undefined ? {} : { device: decision.device }),
    },
  };
}

function pending({ retryAfter }: Decision, { run }: Ports): EstStep {
  const reply: EstReply = { kind: "pending", retryAfter, run: run.header.id };
  return { next: "keep", writes: [], outputs: [{ kind: "send", reply }] };
}

/**
 * A key that TLS alone has kept secret goes to one device. Others may have the credential too, and nothing else in the request tells
 * one from another (RFC 7030 4.4.1), so to them it is another request, which a key of its own answers.
 */
function mayHaveAgain({ key }: EstSession & { readonly kind: "granted" }, { common }: Client): boolean {
  return key?.form !== "pkcs8" || !common;
}

async function repeated(session: EstSession & { readonly kind: "granted" }, { issuer }: Ports): Promise<EstStep> {
  const certificate = fromBase64(session.certificate) ?? new Uint8Array(0);
  // What was revoked is not handed out again, and its key, which somebody else may have, gets no other certificate.
  const { kind } = await issuer.status(parseCertificate(certificate));
  if (kind === "revoked") throw new EstRefused("key-revoked", "the certificate of the request's key was revoked");
  const reply = { ...replyWith(certificate, session.key && keyAgain(session.key)), run: session.run };
  return { next: "keep", writes: [], outputs: [{ kind: "send", reply }, { kind: "done" }] };
}

function evidenceOf(
  request: EnrollRequest,
  client: Client,
  profile: CertificateProfile,
  { name, changed, hostName }: CertifiedNames,
  peer: Peer,
  ports: Ports,
): Evidence {
  return {
    protocol: "est",
    variant: variantOf(request.kind, client.credential),
    operation: request.kind,
    profile: profile.name,
    credential: client.credential,
    name: client.name ?? name,
    proven: client.credential !== "anonymous",
    ...(changed === true && client.name !== name ? { newName: name } : {}),
    ...(client.name === undefined || client.name === name ? {} : { certifiedName: name }),
    ...(hostName === true ? { hostName } : {}),
    ...(client.serial === undefined ? {} : { serial: client.serial }),
    ...(client.issuer === undefined ? {} : { issuer: client.issuer }),
    ...(client.user === undefined ? {} : { user: client.user }),
    ...(client.registrationAuthority === undefined ? {} : { registrationAuthority: client.registrationAuthority }),
    ...(client.certificate === undefined ? {} : { certificate: hex(sha256(client.certificate.raw)) }),
    ...(request.kind === "serverkeygen" ? {} : { key: hex(sha256(request.csr.subjectPublicKeyInfo)) }),
    // With the names: a person's yes is to what was shown, and to nothing else that the same key may ask for.
    subject: `${sessionName(request, peer)}|${namesAsked(request)}`,
    address: peer.address,
    run: ports.run.header.id,
  };
}

function describe(request: EnrollRequest): Decoded {
  const { csr } = request;
  return {
    subject: shortened(formatName(csr.subject)),
    ...(request.kind === "serverkeygen" ? {} : { publicKey: csr.publicKey.kind }),
    challengePassword: csr.challengePassword === undefined ? "absent" : "present",
    ...(request.label === undefined ? {} : { label: request.label }),
  };
}

/** What the decision was made on, for the ledger. */
function shown(evidence: Evidence): Decoded {
  const {
    credential,
    name,
    newName,
    proven,
    serial,
    issuer,
    user,
    registrationAuthority,
    operation,
    profile,
    address,
  } = evidence;
  return {
    operation,
    profile,
    credential,
    name,
    proven,
    address,
    ...(newName === undefined ? {} : { newName }),
    ...(serial === undefined ? {} : { serial }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(user === undefined ? {} : { user }),
    ...(registrationAuthority === undefined ? {} : { registrationAuthority }),
  };
}

/** A stranger's words are kept, but not at any length. */
function shortened(text: string): string {
  return text.length > longestLabel ? `${text.slice(0, longestLabel)}…` : text;
}

const longestLabel = 128;
