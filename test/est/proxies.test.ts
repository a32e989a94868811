import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { base64 } from "../../src/core/bytes.ts";
import type { Run } from "../../src/knowledge/run.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { challengePassword } from "../../src/protocols/est/keys.ts";
import { peerOf } from "../../src/transport/http/peer.ts";
import { commonName, craftedRequest, newSigner, passwordAttribute, serialNumber } from "./crafted.ts";
import {
  ask,
  basic,
  certificateIn,
  dial,
  enrolment,
  exchange,
  message,
  type RawAnswer,
  type RawIdentity,
} from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";

/** Devices that come through load balancers, over real sockets to a real service that believes 127.0.0.1. */

let service: TestService;
const password = "correct horse battery";

before(async () => {
  service = await startService({ proxies: ["127.0.0.1"], clientCert: { port: 0, proxies: ["127.0.0.1"] } });
  await service.call("PUT", "/est-users/installer", { password, devices: "line-*" });
  await service.call("POST", "/rules", { verdict: "allow", match: { issuer: "acme" } });
});

after(() => service.close());

async function device(serial: string): Promise<RawIdentity> {
  const { certificate, key } = await service.factory.makeDevice(serial);
  return { chain: [certificate], key };
}

/** What a load balancer says that passes the connection of a device at `host` through. */
const from = (host: string) => `PROXY TCP4 ${host} 127.0.0.1 41233 8443\r\n`;

/** The run of an answer, as the service stored it. */
async function runOf(answer: RawAnswer): Promise<Run> {
  const id = answer.field("hatchery-run");
  assert.ok(id, "the answer names its run");
  return (await service.call<{ readonly run: Run }>("GET", `/runs/${id}`)).run;
}

const addressIn = (run: Run) =>
  run.events.flatMap((event) => (event.kind === "decision" ? [event.evidence["address"]] : []))[0];

test("ok/a device behind a load balancer enrols, its binding and its own address with it", async () => {
  const identity = await device("SN-1");
  const socket = await dial(service, { identity, preface: from("192.0.2.7") });
  const attributes = [passwordAttribute(challengePassword(peerOf(socket, "client")))];
  const answer = await exchange(socket, enrolment(await craftedRequest({ subject: serialNumber("SN-1"), attributes })));
  socket.destroy();
  certificateIn(answer);
  assert.equal(addressIn(await runOf(answer)), "192.0.2.7:41233");
});

test("ok/who guesses passwords is shut out, and nobody else behind the same load balancer", async () => {
  const request = await craftedRequest({ subject: commonName("line-1") });
  const wrong = enrolment(request, [basic("installer", "wrong horse battery")]);
  const right = enrolment(request, [basic("installer", password)]);
  const guesser = await dial(service, { preface: from("192.0.2.66") });
  for (let guess = 0; guess < 10; guess += 1) assert.equal((await exchange(guesser, wrong)).status, 401);
  assert.equal((await exchange(guesser, right)).status, 401, "this address has to wait");
  guesser.destroy();
  certificateIn(await ask(service, right, { preface: from("192.0.2.67") }));
});

test("fail/a load balancer that sends no header", async () => {
  await assert.rejects(dial(service), { code: "ECONNRESET" });
});

test("fail/a device that says itself what a proxy may say", async () => {
  const { chain } = await device("SN-2");
  const before = service.contents();
  const fields = [`Client-Cert: :${base64(chain[0] ?? assert.fail())}:`];
  const request = enrolment(await craftedRequest({ subject: serialNumber("SN-2") }), fields);
  const answer = await ask(service, request, { preface: from("192.0.2.7") });
  assert.equal(answer.status, 400);
  assert.match(answer.text, /listed proxies/);
  assert.deepEqual(service.contents(), before);
});

/** What a proxy that ended TLS asks for the device with this chain. */
async function askTerminated(request: Uint8Array, localAddress = "127.0.0.1"): Promise<RawAnswer> {
  const socket = connect({ host: "127.0.0.1", port: service.door("client-cert"), localAddress });
  socket.on("error", () => {});
  await once(socket, "connect");
  try {
    return await exchange(socket, request);
  } finally {
    socket.destroy();
  }
}

const shown = ({ chain }: RawIdentity) => [
  `Client-Cert: :${base64(chain[0] ?? assert.fail())}:`,
  'Forwarded: for="192.0.2.9:40001";proto=https',
];
const reenroll = "/.well-known/est/simplereenroll";

test("ok/TLS ended at a proxy: a manufacturer's certificate enrols, the certificate renews, and the ledger tells where TLS ended", async () => {
  const identity = await device("SN-3");
  const signer = newSigner();
  const request = await craftedRequest({ subject: serialNumber("SN-3"), signer });
  const answer = await askTerminated(enrolment(request, shown(identity)));
  const certificate = certificateIn(answer);
  const run = await runOf(answer);
  assert.match(run.link, /^TLS that ended at the proxy 127\.0\.0\.1:\d+$/);
  assert.equal(addressIn(run), "192.0.2.9:40001");
  const again = await askTerminated(enrolment(request, shown(identity)));
  assert.deepEqual(certificateIn(again), certificate, "the same question gets the same answer");

  const renewal = await craftedRequest({ subject: serialNumber("SN-3") });
  const { subject } = parseCertificate(certificate);
  const renewed = await craftedRequest({ subject: subject.raw });
  assert.equal((await askTerminated(enrolment(renewal, shown(identity), reenroll))).status, 403);
  certificateIn(await askTerminated(enrolment(renewed, shown({ ...identity, chain: [certificate] }), reenroll)));
});

test("ok/TLS ended at a proxy: cacerts, and a user with a password", async () => {
  const answer = await askTerminated(message("GET /.well-known/est/cacerts"));
  assert.equal(answer.status, 200);
  const request = await craftedRequest({ subject: commonName("line-2") });
  certificateIn(await askTerminated(enrolment(request, [basic("installer", password)])));
});

test("fail/TLS ended at a proxy: a channel binding, which cannot be checked there", async () => {
  const identity = await device("SN-4");
  const attributes = [passwordAttribute(base64(new Uint8Array(32)))];
  const request = await craftedRequest({ subject: serialNumber("SN-4"), attributes });
  const answer = await askTerminated(enrolment(request, shown(identity)));
  assert.equal(answer.status, 401);
  assert.match(answer.text, /^Your TLS connection ended at a proxy/);
  assert.equal(answer.field("hatchery-error"), "binding-at-proxy");
  assert.equal((await runOf(answer)).reason, "binding-at-proxy");
});

test("fail/TLS ended at a proxy: a profile that demands the binding", async () => {
  const identity = await device("SN-5");
  await service.call("PUT", "/ca/profiles/linked", { binding: "required" });
  const request = await craftedRequest({ subject: serialNumber("SN-5") });
  const path = "/.well-known/est/linked/simpleenroll";
  const answer = await askTerminated(enrolment(request, shown(identity), path));
  assert.equal(answer.status, 401);
  assert.equal((await runOf(answer)).reason, "binding-missing");
});

for (const [name, fields, reason] of [
  ["no certificate", [], "credentials-missing"],
  ["something that is no certificate", ["Client-Cert: :MAA=:"], "certificate-malformed"],
] as const) {
  test(`fail/TLS ended at a proxy: ${name}`, async () => {
    const request = await craftedRequest({ subject: serialNumber("SN-6") });
    const answer = await askTerminated(enrolment(request, fields));
    assert.equal(answer.status, 401);
    assert.equal((await runOf(answer)).reason, reason);
  });
}

test("fail/somebody else at the port for proxies", async () => {
  const request = await craftedRequest({ subject: serialNumber("SN-7") });
  await assert.rejects(
    askTerminated(enrolment(request, shown(await device("SN-7"))), "127.0.0.2"),
    /without a whole answer/,
  );
});
