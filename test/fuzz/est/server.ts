import assert from "node:assert/strict";
import { equal } from "../../../src/core/bytes.ts";
import type { Peer } from "../../../src/core/link.ts";
import { privateKeyFromDer, signerOf } from "../../../src/crypto/keys.ts";
import { encodeWireBase64 } from "../../../src/encoding/base64.ts";
import { tags } from "../../../src/encoding/tags.ts";
import { fingerprinting } from "../../../src/knowledge/fingerprint.ts";
import { RunRecorder } from "../../../src/knowledge/run.ts";
import { parseCertificate } from "../../../src/pki/certificate.ts";
import { encodePkiData } from "../../../src/pki/cmc.ts";
import { transactionControls } from "../../../src/pki/cmc-control.ts";
import { issuerAndSerialNumberOf } from "../../../src/pki/cms-identifier.ts";
import { buildSignedData } from "../../../src/pki/cms-signed-data-build.ts";
import { buildCertificationRequest, parseCertificationRequest } from "../../../src/pki/csr.ts";
import { encodeName } from "../../../src/pki/name.ts";
import { contentTypes } from "../../../src/pki/oids.ts";
import { encodeSubjectAltName } from "../../../src/pki/standard-extensions.ts";
import { type Operation, realm } from "../../../src/protocols/est/constants.ts";
import { protectionAttributes } from "../../../src/protocols/est/device-server-key.ts";
import { commonName, now, peer, request, serialNumber } from "../../../src/protocols/est/fixtures.test-support.ts";
import { decodeRequest, encodeReply, encodeRequest } from "../../../src/protocols/est/http.ts";
import { encodeDigest } from "../../../src/protocols/est/http-authorization.ts";
import { encodeFullCmc } from "../../../src/protocols/est/http-fullcmc.ts";
import { protectionAsked } from "../../../src/protocols/est/key-protection.ts";
import { challengePassword } from "../../../src/protocols/est/keys.ts";
import type { EstReply, EstRequest } from "../../../src/protocols/est/messages.ts";
import { estServer } from "../../../src/protocols/est/server.ts";
import type { EstSession } from "../../../src/protocols/est/session.ts";
import type { Step } from "../../../src/protocols/ports.ts";
import type { HttpRequest } from "../../../src/transport/http/message.ts";
import type { Target } from "../harness/target.ts";
import { keyOf, signed } from "../pki/samples.ts";
import { type Asked, checkCertificate } from "./entitled.ts";
import { bytesOfRequest, requestOf } from "./http.ts";
import {
  claimedSerial,
  installer,
  openWorld,
  registeredKey,
  strangeSerial,
  tenant,
  texts,
  type World,
} from "./world.ts";

/**
 * The server against requests that are damaged where they are decoded, and against ones that are damaged and then signed, so
 * that they get as far as authentication, names and admission. Every answer is a reply of the protocol, and nobody gets a
 * certificate whom the operator has not admitted. The store stays as it is: each request meets the same world.
 */
export async function serverTargets(): Promise<readonly Target[]> {
  const world = await openWorld();
  const signer = signerOf(keyOf("request"));
  const { claimed, strange, enrolled, manufacturer, issuing } = world;
  const binding = challengePassword(association([]));
  const csrOf = (name: string) =>
    request([serialNumber(name)], {
      signer,
      challengePassword: binding,
      extensions: [encodeSubjectAltName([{ kind: "dNSName", text: name }])],
    });
  const infoOf = (csr: Uint8Array) => parseCertificationRequest(csr).certificationRequestInfo;

  const csr = await csrOf(claimedSerial);
  const toLine = await request([commonName("line-7")], { signer });
  const toRenew = await request([commonName("enrolled-1")], { signer });
  const toWait = await request([commonName("waiting-1")], { signer });
  const post = (body: Uint8Array, credentials?: typeof installer) =>
    encodeRequest("simpleenroll", undefined, body, credentials);

  const withDigest = (http: HttpRequest): HttpRequest => {
    const challenge = { kind: "digest", realm, nonce: "n0nce", algorithm: "SHA-256", stale: false } as const;
    return {
      ...http,
      headers: [...http.headers, ["Authorization", encodeDigest(installer, challenge, http, 1, "cn0nce")]],
    };
  };

  const controls = transactionControls({ transactionId: Uint8Array.of(7), senderNonce: new Uint8Array(16).fill(5) });
  const deviceSigner = { signer: signerOf(keyOf("device")), sid: issuerAndSerialNumberOf(claimed) };
  /** SignedData by the claimed device around what may be PKIData. */
  const fullRequest = (content: Uint8Array) =>
    buildSignedData({
      eContentType: contentTypes.pkiData,
      content,
      signers: [deviceSigner],
      certificates: [claimed.raw],
    });

  const toEncrypt = await buildCertificationRequest({
    subject: encodeName([serialNumber(claimedSerial)]),
    signer,
    attributes: protectionAttributes({
      serverKey: { kind: "symmetric", identifier: registeredKey, key: new Uint8Array(32) },
    }),
  });
  const forKey = { operation: "serverkeygen" } as const;

  /** A request whose information is damaged and then signed. */
  const resigned = (csr: Uint8Array, chain: readonly Uint8Array[], more: Partial<Case> = {}): Case => ({
    sample: infoOf(csr),
    taken: "certificates",
    ask: (input) => ({ http: post(signed(input, signer)), chain }),
    ...more,
  });
  const cases: Readonly<Record<string, Case>> = {
    "body of a claimed device": {
      sample: encodeWireBase64(csr, "wrapped"),
      taken: "certificates",
      ask: (body) => ({ http: { ...post(csr), body }, chain: [claimed.raw] }),
    },
    "request of a claimed device, signed": resigned(csr, [claimed.raw]),
    "request of an unclaimed device, signed": resigned(await csrOf(strangeSerial), [strange.raw], {
      taken: "not-allowed",
    }),
    "certificate of a claimed device": {
      sample: claimed.raw,
      taken: "certificates",
      ask: (leaf) => ({ http: post(csr), chain: [leaf] }),
    },
    "certificate of a claimed device, signed by its manufacturer": {
      sample: claimed.tbsCertificate,
      taken: "certificates",
      ask: (input) => ({ http: post(csr), chain: [signed(input, manufacturer.signer)] }),
    },
    "issuer of a claimed device's certificate": {
      sample: manufacturer.certificate.raw,
      taken: "certificates",
      ask: (issuer) => ({ http: post(csr), chain: [claimed.raw, issuer] }),
    },
    "request with a password": {
      sample: bytesOfRequest(post(toLine, installer)),
      taken: "certificates",
      ask: (input) => ({ http: requestOf(input), chain: [] }),
    },
    "request with a Digest": {
      sample: bytesOfRequest(withDigest(post(toLine))),
      taken: "certificates",
      // The target of the request stays what the Digest is for.
      ask: (input) => ({ http: { ...requestOf(input), path: post(toLine).path }, chain: [] }),
    },
    "request with a password, signed": resigned(toLine, [], {
      ask: (input) => ({ http: post(signed(input, signer), installer), chain: [] }),
    }),
    "request to renew, signed": resigned(toRenew, [enrolled.raw], { operation: "simplereenroll" }),
    "certificate to renew, signed by its CA": {
      operation: "simplereenroll",
      sample: enrolled.tbsCertificate,
      taken: "certificates",
      ask: (input) => ({ http: post(toRenew), chain: [signed(input, issuing.signer)] }),
    },
    "request for a key, signed": resigned(csr, [claimed.raw], { ...forKey, taken: "generated" }),
    "request for an encrypted key, signed": resigned(toEncrypt, [claimed.raw], { ...forKey, taken: "generated" }),
    "Full PKI Request of a claimed device": {
      operation: "fullcmc",
      sample: await fullRequest(encodePkiData(controls, [csr])),
      taken: "certificates",
      ask: (message) => ({ http: encodeFullCmc(undefined, message), chain: [claimed.raw] }),
    },
    "PKIData of a claimed device, signed": {
      operation: "fullcmc",
      sample: encodePkiData(controls, [csr]),
      taken: "certificates",
      ask: async (pkiData) => ({
        http: encodeFullCmc(undefined, await fullRequest(pkiData)),
        chain: [],
        signedBy: [claimed.raw],
      }),
    },
    "request without credentials, signed": resigned(toWait, [], { taken: "pending" }),
  };
  // What has a session goes last: the person's yes is a record that the others should not meet.
  const waiting = await sessionOf(world, cases["request without credentials, signed"] as Case);
  const granted = await sessionOf(world, cases["request of a claimed device, signed"] as Case);
  await approve(world);
  const withSessions: Readonly<Record<string, Case>> = {
    "request that a person approved, signed": resigned(toWait, [], { session: waiting, approved: "waiting-1" }),
    "request that was granted, signed": resigned(csr, [claimed.raw], { session: granted }),
  };
  return Object.entries({ ...cases, ...withSessions }).map(([name, each]) => ({
    name: `server, ${name}`,
    sample: each.sample,
    weight: 4,
    ...(each.sample[0] === tags.sequence ? { form: "der" as const, texts } : {}),
    answer: (input) => isTaken(world, each, input),
  }));
}

interface Sent {
  readonly http: HttpRequest;
  readonly chain: readonly Uint8Array[];
  /** Who has signed the message, when TLS shows nobody. */
  readonly signedBy?: readonly Uint8Array[];
}

interface Case {
  readonly operation?: Operation;
  readonly sample: Uint8Array;
  /** What the sample is answered with: certificates, a request to wait, or a refusal. */
  readonly taken: "certificates" | "generated" | "pending" | "not-allowed";
  /** What the client sends when the sample is replaced by `input`. */
  readonly ask: (input: Uint8Array) => Sent | Promise<Sent>;
  /** What an earlier request has left; a request that is another one's does not find it. */
  readonly session?: { readonly name: string; readonly session: EstSession };
  /** The name that a person said yes to. */
  readonly approved?: string;
}

async function isTaken(world: World, each: Case, input: Uint8Array): Promise<boolean> {
  const { asked, reply } = await answered(world, each, input);
  // What cannot be written would be a failure of the service as well.
  encodeReply(each.operation ?? "simpleenroll", reply, { form: "auto", userAgent: undefined, run: freshRun });
  if (reply.kind === "certificates") checkCertificate(world, asked, reply.certificates);
  if (reply.kind === "generated") checkGenerated(world, asked, reply);
  return (reply.kind === "refused" ? reply.refusal : reply.kind) === each.taken;
}

/** The key is the certificate's, and comes in the form that was asked for or not at all. */
function checkGenerated(
  world: World,
  asked: Asked,
  { certificate, key }: EstReply & { readonly kind: "generated" },
): void {
  checkCertificate(world, asked, [certificate]);
  assert.ok(asked.message.kind === "serverkeygen", "a key that nobody asked for");
  assert.equal(key.form === "enveloped", protectionAsked(asked.message.csr) !== undefined);
  if (key.form === "enveloped") return;
  const { publicKey } = signerOf(privateKeyFromDer(key.bytes));
  assert.ok(equal(publicKey, parseCertificate(certificate).subjectPublicKeyInfo), "a certificate for another key");
}

async function answered(
  world: World,
  { operation = "simpleenroll", ask, session, approved }: Case,
  input: Uint8Array,
  begun = freshRun,
): Promise<{ readonly asked: Asked; readonly reply: EstReply; readonly step: Step<EstSession, EstReply> }> {
  const { http, chain, signedBy = chain } = await ask(input);
  const message: EstRequest = decodeRequest(operation, undefined, http);
  const client = association(chain);
  const found =
    session !== undefined && session.name === estServer.session(message, client) ? session.session : undefined;
  const run = new RunRecorder({
    // A session goes on with the run that it waits for; everything else begins another one.
    id: found === undefined ? begun : sessionRun,
    protocol: "est",
    variant: "est/unknown",
    link: "TLSv1.3",
    by: "coordinator",
    fingerprint: fingerprinting(new Uint8Array(32)),
    clock: world.ports.clock,
  });
  const step = await estServer.step(found, { kind: "message", message, peer: client }, { ...world.ports, run });
  const ledger = JSON.stringify(run.finish("refused", ""));
  assert.ok(ledger.length < mostLedgerCharacters, `a ledger of ${ledger.length} characters`);
  for (const output of step.outputs)
    if (output.kind === "send") return { asked: { message, chain: signedBy, approved }, reply: output.reply, step };
  throw new Error("the server answers nothing");
}

/** The session that the sample leaves behind, and with it in the store whatever else its answer promises. */
async function sessionOf(world: World, each: Case): Promise<NonNullable<Case["session"]>> {
  const { asked, step } = await answered(world, each, each.sample, sessionRun);
  const name = estServer.session(asked.message, association(asked.chain));
  if (name === undefined || step.next === undefined || step.next === "keep")
    throw new Error("the sample has no session");
  if (step.next.session.kind === "waiting") await world.store.commit(step.writes);
  return { name, session: step.next.session };
}

/** Says yes to the one request that waits. */
async function approve({ store }: World): Promise<void> {
  const { items } = await store.approvals.pending(tenant, { limit: 2 });
  const [only] = items;
  if (only === undefined || items.length !== 1) throw new Error(`${items.length} requests wait for a person`);
  await store.commit([
    store.approvals.decide(tenant, only.id, { state: "approved", decided: now, decidedBy: "operator" }),
  ]);
}

/** All requests come over one association, so that its channel binding stands in the samples. */
function association(chain: readonly Uint8Array[]): Peer {
  return { ...peer("TLSv1.3"), chain };
}

/** A run is kept for months: what a stranger sends in one request must not fill the store. */
const mostLedgerCharacters = 16_384;
const freshRun = "0000000000000000";
const sessionRun = "0000000000000001";
