import assert from "node:assert/strict";
import { test } from "node:test";
import { equal } from "../../core/bytes.ts";
import { ManualClock } from "../../core/clock.ts";
import { seededRandomness } from "../../core/randomness.ts";
import type { Write } from "../../core/write.ts";
import { fingerprinting } from "../../knowledge/fingerprint.ts";
import { RunRecorder } from "../../knowledge/run.ts";
import type { Certificate } from "../../pki/certificate.ts";
import { parseCertificationRequest } from "../../pki/csr.ts";
import type { CertificateProfile, CertificateStatus, Decision, Issuance, Ports, Step } from "../ports.ts";
import {
  certify,
  commonName,
  day,
  deviceKeys,
  newAuthority,
  newKey,
  now,
  peer,
  request,
} from "./fixtures.test-support.ts";
import type { EstReply, EstRequest } from "./messages.ts";
import { estServer } from "./server.ts";
import type { EstSession } from "./session.ts";

// The server over ports that answer what each test says; what it would change is looked at and never made.

interface House {
  readonly issuance?: Issuance;
  readonly status?: CertificateStatus;
  readonly compromised?: Uint8Array;
  readonly decision?: Partial<Decision>;
  readonly profile?: CertificateProfile;
  readonly at?: number;
}

const used = {} as Write;
const issuedWrite = {} as Write;
const root = await newAuthority("root");
const deviceKey = newKey().signer;
const held = await certify([commonName("lamp")], deviceKey, root, { notBefore: now - day, notAfter: now + day });

const device: CertificateProfile = {
  name: "device",
  keys: ["P-256"],
  leastRsaBits: 2048,
  subjectAltName: [],
  keyUsage: ["digitalSignature"],
  extKeyUsage: [],
  subject: [],
  requestExtensions: [],
  csrattrs: "both",
  renewal: { after: 0, grace: 0, sameKey: true },
  binding: "accepted",
  registrationAuthority: "",
  serverKey: "none",
  changeSubjectName: "refused",
  fullcmc: "refused",
};

async function message(kind: "simpleenroll" | "simplereenroll", label?: string): Promise<EstRequest> {
  const csr = parseCertificationRequest(await request([commonName("lamp")]));
  return { kind, label, csr, bytes: 0 };
}

async function step(
  message: EstRequest,
  house: House,
  session?: EstSession,
  chain: readonly Certificate[] = [held],
): Promise<Step<EstSession, EstReply>> {
  const clock = new ManualClock(house.at ?? now);
  const run = new RunRecorder({
    id: "run",
    protocol: "est",
    variant: "est/unknown",
    link: "none",
    by: "coordinator",
    fingerprint: fingerprinting(new Uint8Array(32)),
    clock,
  });
  const decision: Decision = {
    verdict: "allow",
    rule: "r",
    reason: "x",
    retryAfter: 0,
    writes: [used],
    ...house.decision,
  };
  const ports: Ports = {
    clock,
    run,
    randomness: seededRandomness("server"),
    admission: { decide: async () => decision },
    issuer: {
      issue: async () =>
        house.issuance ?? { kind: "issued", certificate: held.raw, notAfter: held.notAfter, writes: [issuedWrite] },
      authorities: async () => [root.certificate],
      issuers: async () => [root.certificate],
      status: async () => house.status ?? { kind: "good", profile: "device", writes: [] },
      isCompromised: async (publicKey) => house.compromised !== undefined && equal(publicKey, house.compromised),
      registrationAuthority: async () => "",
      profile: async (_, label) => (label === undefined ? (house.profile ?? device) : undefined),
    },
    isOwnName: () => false,
    trust: { manufacturers: async () => [] },
    credentials: {
      verifyPassword: async () => undefined,
      verifyDigest: async () => undefined,
      pskUser: async () => undefined,
    },
    deviceKeys: deviceKeys(),
    cmcResponder: async () => ({ signer: root.signer, certificate: root.certificate, issuer: root.certificate }),
  };
  return estServer.step(session, { kind: "message", message, peer: peer("TLSv1.3", chain) }, ports);
}

function replyOf({ outputs }: Step<EstSession, EstReply>): EstReply | undefined {
  return outputs.flatMap((output) => (output.kind === "send" ? [output.reply] : []))[0];
}

const refusal = (answer: Step<EstSession, EstReply>) => {
  const reply = replyOf(answer);
  return reply?.kind === "refused" ? reply.refusal : reply?.kind;
};

test("ok/issuer: what it issues is committed with the decision", async () => {
  const answer = await step(await message("simpleenroll"), {});
  assert.equal(replyOf(answer)?.kind, "certificates");
  assert.deepEqual(answer.writes, [used, issuedWrite]);
});

test("ok/issuer: while it waits for another authority the device waits, and the decision is not used up", async () => {
  const pending: House = { issuance: { kind: "pending", retryAfter: 30, reason: "upstream" } };
  const asked = await message("simpleenroll");
  const first = await step(asked, pending);
  assert.deepEqual(replyOf(first), { kind: "pending", retryAfter: 30, run: "run" });
  assert.deepEqual([first.writes, first.run?.outcome], [[], "waiting"]);
  assert.ok(typeof first.next === "object");
  const again = await step(asked, pending, first.next.session);
  assert.deepEqual(replyOf(again), { kind: "pending", retryAfter: 30, run: "run" });
  assert.deepEqual([again.writes, again.next], [[], "keep"]);
  const last = await step(asked, {}, first.next.session);
  assert.deepEqual(last.writes, [used, issuedWrite]);
});

test("fail/issuer: another authority refuses", async () => {
  const answer = await step(await message("simpleenroll"), { issuance: { kind: "refused", reason: "no" } });
  assert.equal(refusal(answer), "ca-refused");
  assert.deepEqual([answer.writes, answer.next, answer.run?.outcome], [[], undefined, "refused"]);
});

test("fail/label: one that names no profile, in cacerts as well", async () => {
  assert.equal(refusal(await step(await message("simpleenroll", "lamps"), {})), "label-unknown");
  assert.equal(refusal(await step({ kind: "cacerts", label: "lamps" }, {})), "label-unknown");
});

for (const kind of ["simpleenroll", "simplereenroll"] as const) {
  test(`fail/revoked: a certificate that was revoked, in ${kind}`, async () => {
    const status = { kind: "revoked", reason: "keyCompromise", at: now } as const;
    const answer = await step(await message(kind), { status });
    assert.equal(refusal(answer), "certificate-revoked");
    assert.deepEqual(answer.writes, []);
  });
}

test("ok/revoked: what a certificate grants is committed while it is good, or not at all", async () => {
  const stillGood = { ...used };
  const answer = await step(await message("simplereenroll"), {
    status: { kind: "good", profile: "device", writes: [stillGood] },
  });
  assert.ok(answer.writes.includes(stillGood));
});

test("fail/revoked: a certificate that was issued to the same request and then revoked is not handed out again", async () => {
  const asked = await message("simpleenroll");
  const granted = { kind: "granted", certificate: Buffer.from(held.raw).toString("base64"), run: "run" } as const;
  assert.equal(replyOf(await step(asked, {}, granted, []))?.kind, "certificates");
  const status = { kind: "revoked", reason: "certificateHold", at: now } as const;
  assert.equal(refusal(await step(asked, { status }, granted, [])), "key-revoked");
});

for (const kind of ["simpleenroll", "simplereenroll"] as const)
  test(`fail/revoked: a key that was revoked as compromised, under whatever credential, in ${kind}`, async () => {
    const asked = await message(kind);
    assert.ok("csr" in asked);
    const compromised = asked.csr.subjectPublicKeyInfo;
    const granted = { kind: "granted", certificate: Buffer.from(held.raw).toString("base64"), run: "run" } as const;
    for (const session of [undefined, granted])
      assert.equal(refusal(await step(asked, { compromised }, session)), "key-revoked");
    assert.equal(refusal(await step(asked, { compromised: held.subjectPublicKeyInfo })), "certificate-revoked");
  });

const late = { at: held.notAfter + day };
const lenient = { ...device, renewal: { ...device.renewal, grace: 2 * day } };

test("ok/grace: an expired certificate renews as long as its profile allows it", async () => {
  const answer = await step(await message("simplereenroll"), { ...late, profile: lenient });
  assert.equal(replyOf(answer)?.kind, "certificates");
});

test("fail/grace: an expired certificate does not renew by default, nor after its grace, and it enrols nothing", async () => {
  const renewal = await message("simplereenroll");
  assert.equal(refusal(await step(renewal, late)), "certificate-expired");
  const over = { at: held.notAfter + 2 * day + 1_000, profile: lenient };
  assert.equal(refusal(await step(renewal, over)), "certificate-expired");
  assert.equal(
    refusal(await step(await message("simpleenroll"), { ...late, profile: lenient })),
    "certificate-expired",
  );
});
