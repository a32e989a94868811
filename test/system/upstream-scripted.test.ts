import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { equal, hex } from "../../src/core/bytes.ts";
import { ManualClock } from "../../src/core/clock.ts";
import { systemRandomness } from "../../src/core/randomness.ts";
import { generateKey, privateKeyToPem, signerOf } from "../../src/crypto/keys.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { encodeName, formatName } from "../../src/pki/name.ts";
import { attributeTypes, keyPurposes } from "../../src/pki/oids.ts";
import {
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
} from "../../src/pki/standard-extensions.ts";
import { openAuthority } from "../../src/service/authority.ts";
import { sealedKeyKeeper } from "../../src/service/key-keeper.ts";
import { openUpstream } from "../../src/service/upstream.ts";
import type { UpstreamStatus } from "../../src/service/upstream-status.ts";
import { unsealed } from "../../src/service/vault/fixtures.test-support.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import type { HttpResponse } from "../../src/transport/http/message.ts";
import { commonName, craftedRequest, newSigner } from "../est/crafted.ts";
import { ask, basic, certificateIn, enrolment } from "../est/raw-client.ts";
import { enrolDevice, manufactured, startService, type TestService } from "../est/service.ts";
import {
  type Asked,
  certsOnly,
  nameOf,
  type ScriptedCa,
  type ScriptedUpstream,
  scriptedCa,
  scriptedUpstream,
} from "./scripted-upstream.ts";

// An upstream of the test: what it is sent, and what becomes of answers that a proper one does not give.

let service: TestService;
let upstream: ScriptedUpstream;
let honest: ScriptedUpstream["answer"];

before(async () => {
  [service, upstream] = await Promise.all([startService(), scriptedUpstream()]);
  honest = upstream.answer;
  await service.call("PUT", "/est-users/line", { password: "line secret", devices: "*" });
});

after(async () => {
  await service.close();
  await upstream.close();
});

beforeEach(async () => {
  upstream.answer = honest;
  upstream.published = [upstream.ca.certificate];
  upstream.asked.length = 0;
  // Set anew, it is not left alone any more for what it answered before.
  await setUpstream({ kind: "password", user: "hatchery", password: "upstream secret" });
});

function setUpstream(credential: unknown): Promise<UpstreamStatus> {
  return service.call("PUT", "/ca/upstream", { url: upstream.url, anchor: upstream.ca.pem, credential });
}

/** A certificate of this service by the upstream's CA. */
async function registrationAuthority(...purposes: readonly string[]) {
  const key = generateKey("P-256");
  const der = await upstream.ca.issue(nameOf("hatchery"), signerOf(key).publicKey, [encodeExtKeyUsage(purposes)]);
  return { der, kind: "certificate", certificate: encodePem("CERTIFICATE", der), key: privateKeyToPem(key) } as const;
}

const { clientAuth, cmcRA } = keyPurposes;

async function requestOf(name: string, subject = commonName(name), signer = newSigner()): Promise<Uint8Array> {
  return enrolment(await craftedRequest({ subject, signer }), [basic("line", "line secret")]);
}

function recorded(name: string): number {
  return service.rows("certificates").filter(({ subject }) => `${subject}`.includes(`CN=${name}`)).length;
}

test("ok/the request goes up as the device wrote it, with this service's password", async () => {
  const request = await craftedRequest({ subject: commonName("script-1") });
  const answer = await ask(service, enrolment(request, [basic("line", "line secret")]));
  certificateIn(answer);
  const [asked, ...more] = upstream.asked as [Asked, ...Asked[]];
  assert.equal(more.length, 0);
  assert.equal(hex(asked.request.raw), hex(request));
  assert.equal(asked.authorization, `Basic ${Buffer.from("hatchery:upstream secret").toString("base64")}`);
  assert.equal(asked.client, undefined);
});

test("ok/a registration authority sends on what is bound to the device's own connection", async () => {
  const { der, ...credential } = await registrationAuthority(clientAuth, cmcRA);
  const status = await setUpstream(credential);
  assert.ok(status.credential.kind === "certificate" && status.credential.registrationAuthority);
  await service.call("POST", "/claims", { label: "RA-1" });
  await enrolDevice(service, "simpleenroll", "RA-1", {
    identity: await manufactured(service, "RA-1"),
    binding: "auto",
  });
  const [asked] = upstream.asked as [Asked];
  assert.ok(asked.client !== undefined && equal(asked.client, der));
  assert.equal(asked.authorization, undefined);
  assert.equal(typeof asked.request.challengePassword, "string");
});

test("fail/a certificate that is no registration authority's is not used for such a request", async () => {
  const { der: _, ...credential } = await registrationAuthority(clientAuth);
  const status = await setUpstream(credential);
  assert.ok(status.credential.kind === "certificate" && !status.credential.registrationAuthority);
  const refusal = { code: "server-refused", message: /with 403: The certificate authority has refused/ };
  await assert.rejects(
    enrolDevice(service, "simpleenroll", "RA-2", { credentials: { user: "line", password: "line secret" } }),
    refusal,
  );
  assert.equal(upstream.asked.length, 0);
});

const sensor = (name: string) => encodeName([{ type: attributeTypes.commonName, value: name }]);
const publicKeyOf = ({ request }: Asked) => request.subjectPublicKeyInfo;
const answering = (make: (asked: Asked) => Promise<Uint8Array>) => async (asked: Asked) =>
  certsOnly([await make(asked)]);
const otherCa = await scriptedCa("Other root");
const sameName = await scriptedCa("Scripted root");

/** What the upstream answers, and what the operator reads in the run. */
const lies: Readonly<Record<string, readonly [(asked: Asked) => Promise<HttpResponse>, RegExp]>> = {
  "another key": [
    answering(({ request }) => upstream.ca.issue(request.subject.raw, newSigner().publicKey)),
    /no certificate for the key/,
  ],
  "another name": [
    answering((asked) => upstream.ca.issue(sensor("somebody"), publicKeyOf(asked))),
    /its common name is not the admitted one/,
  ],
  "another host's name": [
    answering((asked) =>
      upstream.ca.issue(asked.request.subject.raw, publicKeyOf(asked), [
        encodeSubjectAltName([{ kind: "dNSName", text: "gateway.example" }]),
      ]),
    ),
    /an alternative name of kind dNSName that was not admitted/,
  ],
  "rights of a CA": [
    answering((asked) =>
      upstream.ca.issue(asked.request.subject.raw, publicKeyOf(asked), [encodeBasicConstraints({ cA: true })]),
    ),
    /it makes the device a CA/,
  ],
  "another CA's certificate": [
    answering((asked) => otherCa.issue(asked.request.subject.raw, publicKeyOf(asked))),
    /No certificate of the issuer CN=Other root/,
  ],
  "a certificate of a CA with the same name": [
    answering((asked) => sameName.issue(asked.request.subject.raw, publicKeyOf(asked))),
    /was not signed by the certificate that it names as its issuer/,
  ],
  "a no": [async () => ({ status: 400, headers: [], body: Buffer.from("No.") }), /refused simpleenroll with 400: No\./],
};

for (const [title, [answer, sentence]] of Object.entries(lies))
  test(`fail/the upstream answers with ${title}: refused, and not recorded`, async () => {
    upstream.answer = answer;
    const name = "lie-1";
    const refused = await ask(service, await requestOf(name));
    assert.deepEqual([refused.status, refused.field("hatchery-error")], [403, "ca-refused"]);
    assert.match(refused.text, /^The certificate authority has refused this request\. Run [0-9a-f]+\.\n$/);
    const run = refused.field("hatchery-run");
    assert.match(JSON.stringify(await service.call("GET", `/runs/${run}`)), sentence);
    assert.ok(service.rows("audit").some(({ detail }) => `${detail}`.includes(`"${run}"`)));
    assert.equal(recorded(name), 0);
  });

test("fail/the upstream gives a serial number twice: refused, and not recorded", async () => {
  upstream.answer = answering(({ request }) =>
    upstream.ca.issue(request.subject.raw, request.subjectPublicKeyInfo, [], 7),
  );
  certificateIn(await ask(service, await requestOf("serial-1")));
  const refused = await ask(service, await requestOf("serial-2"));
  assert.deepEqual([refused.status, refused.field("hatchery-error")], [403, "ca-refused"]);
  const run = JSON.stringify(await service.call("GET", `/runs/${refused.field("hatchery-run")}`));
  assert.match(run, /has given the serial number 07 to another certificate already/);
  assert.deepEqual([recorded("serial-1"), recorded("serial-2")], [1, 0]);
});

const typed = (type: string, body: Uint8Array): HttpResponse => ({
  status: 200,
  headers: [["Content-Type", type]],
  body,
});

/** What is no answer of an EST server: it may pass, so nobody is turned away for it. */
const failures: Readonly<Record<string, readonly [(asked: Asked) => Promise<HttpResponse>, RegExp]>> = {
  "a page": [async () => typed("text/html", Buffer.from("<p>hello")), /answered simpleenroll with text\/html/],
  "something else than certificates": [
    async () => typed("application/pkcs7-mime; smime-type=certs-only", Buffer.from("MAA=")),
    /not a certs-only message/,
  ],
  "too much": [
    async () => typed("application/pkcs7-mime; smime-type=certs-only", Buffer.alloc(500_000, "A")),
    /larger than 393216 bytes/,
  ],
  "202 without Retry-After": [async () => ({ status: 202, headers: [], body: Buffer.alloc(0) }), /without Retry-After/],
  "a redirect": [
    async () => ({ status: 302, headers: [["Location", "https://other.example/"]], body: Buffer.alloc(0) }),
    /a redirect \(302\), which is not followed/,
  ],
  "too many requests": [async () => ({ status: 429, headers: [], body: Buffer.alloc(0) }), /with 429/],
  "an error of its own": [async () => ({ status: 500, headers: [], body: Buffer.alloc(0) }), /with 500/],
};

for (const [title, [answer, sentence]] of Object.entries(failures))
  test(`fail/the upstream answers with ${title}: the device comes again`, async () => {
    upstream.answer = answer;
    const request = await requestOf("late-1");
    const later = await ask(service, request);
    assert.deepEqual([later.status, later.field("hatchery-error")], [503, "upstream-unusable"]);
    assert.match(later.field("retry-after") ?? "", /^[1-9]\d*$/);
    const { failure } = await service.call<UpstreamStatus>("GET", "/ca/upstream");
    assert.match(failure?.reason ?? "", sentence);
    assert.equal(recorded("late-1"), 0);
  });

const rightsOfACa = [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign", "cRLSign"])];

test("fail/a CA upstream is no manufacturer's, nor was one before", async () => {
  const anchor = { name: "upstream", pem: upstream.ca.pem };
  await assert.rejects(service.call("POST", "/anchors", anchor), /400 .*"invalid".* a CA upstream/);
  await service.call("DELETE", "/ca/upstream");
  await assert.rejects(service.call("POST", "/anchors", anchor), /400 .*"invalid".* a CA upstream/);
});

test("fail/the upstream begins to publish a CA that is a manufacturer's", async () => {
  const maker = await scriptedCa("Maker");
  await service.call("POST", "/anchors", { name: "maker", pem: maker.pem });
  const before = await service.call<UpstreamStatus>("GET", "/ca/upstream");
  const below = await upstream.ca.issue(maker.name, newSigner().publicKey, rightsOfACa);
  upstream.published = [upstream.ca.certificate, below];
  const refusal = /409 .*"conflict".*is trusted as the manufacturer maker/;
  await assert.rejects(service.call("POST", "/ca/upstream/test", {}), refusal);
  await assert.rejects(setUpstream({ kind: "password", user: "hatchery", password: "upstream secret" }), refusal);
  const { failure, ...after } = await service.call<UpstreamStatus>("GET", "/ca/upstream");
  assert.match(failure?.reason ?? "", /is trusted as the manufacturer maker/);
  assert.deepEqual(after, before);
});

test("ok/the upstream moves on to another CA, and what its former one issued is renewed", async () => {
  const [first, second] = await Promise.all(["First", "Second"].map(issuingBelow));
  assert.ok(first !== undefined && second !== undefined);
  const by =
    ({ issue }: Issuing) =>
    async ({ request }: Asked) =>
      certsOnly([await issue(request.subject.raw, request.subjectPublicKeyInfo)]);
  upstream.published = [upstream.ca.certificate, first.certificate];
  await service.call("POST", "/ca/upstream/test", {});
  upstream.answer = by(first);
  const key = generateKey("P-256");
  const subject = commonName("moving-1");
  const held = certificateIn(await ask(service, await requestOf("moving-1", subject, signerOf(key))));
  upstream.published = [upstream.ca.certificate, second.certificate];
  await service.call("POST", "/ca/upstream/test", {});
  upstream.answer = by(second);
  const renewal = enrolment(await craftedRequest({ subject }), [], "/.well-known/est/simplereenroll");
  const renewed = certificateIn(await ask(service, renewal, { identity: { chain: [held], key } }));
  assert.equal(formatName(parseCertificate(renewed).issuer), "CN=Second");
});

interface Issuing {
  readonly certificate: Uint8Array;
  readonly issue: ScriptedCa["issue"];
}

/** A CA that the upstream's root has certified. */
async function issuingBelow(name: string): Promise<Issuing> {
  const key = generateKey("P-256");
  const { issue } = await scriptedCa(name, key);
  return { certificate: await upstream.ca.issue(nameOf(name), signerOf(key).publicKey, rightsOfACa), issue };
}

test("fail/the key of the upstream's issuing CA makes no root, although that CA is known", async () => {
  const issuing = await issuingBelow("Issuing");
  const known = [upstream.ca.certificate, issuing.certificate];
  upstream.published = known;
  await service.call("POST", "/ca/upstream/test", {});
  const rogueKey = generateKey("P-256");
  const rogue = await scriptedCa("Issuing", rogueKey);
  const cross = await issuing.issue(rogue.name, signerOf(rogueKey).publicKey, rightsOfACa);
  upstream.published = [...known, cross, rogue.certificate];
  await assert.rejects(service.call("POST", "/ca/upstream/test", {}), /400 .*do not vouch for/);
});

test("fail/an issuing CA that comes with the certificate, but not with cacerts: devices could not use it", async () => {
  const below = await issuingBelow("Unpublished");
  upstream.answer = async ({ request }) =>
    certsOnly([await below.issue(request.subject.raw, request.subjectPublicKeyInfo), below.certificate]);
  const request = await requestOf("below-1");
  const refused = await ask(service, request);
  assert.deepEqual([refused.status, refused.field("hatchery-error")], [403, "ca-refused"]);
  const run = JSON.stringify(await service.call("GET", `/runs/${refused.field("hatchery-run")}`));
  assert.match(run, /No certificate of the issuer CN=Unpublished/);
  assert.equal(recorded("below-1"), 0);
  upstream.published = [upstream.ca.certificate, below.certificate];
  const key = generateKey("P-256");
  const subject = commonName("below-1");
  const held = certificateIn(await ask(service, await requestOf("below-1", subject, signerOf(key))));
  const renewal = enrolment(await craftedRequest({ subject }), [], "/.well-known/est/simplereenroll");
  certificateIn(await ask(service, renewal, { identity: { chain: [held], key } }));
});

test("ok/two services on one database: what one sets or removes, the other knows a second later", async () => {
  const clock = new ManualClock(Date.now());
  const store = await openSqliteStore(":memory:", { clock });
  await store.commit([store.tenants.ensure({ tenant: "default", created: clock.now() })]);
  const keys = sealedKeyKeeper({ store, vault: unsealed });
  const parts = { store, clock, randomness: systemRandomness, vault: unsealed, keys };
  const open = async () => openUpstream("default", { ...parts, authority: await openAuthority("default", parts) });
  const [one, other] = [await open(), await open()];
  const settings = {
    url: upstream.url,
    anchor: upstream.ca.pem,
    credential: { kind: "password", user: "hatchery", password: "upstream secret" },
  } as const;
  const seen = async () => {
    const before = await other.status();
    clock.advance(1000);
    return [before?.url, (await other.status())?.url, (await other.issuer.issuers()).length];
  };
  assert.equal(await other.status(), undefined);
  await one.set(settings, "ada", false);
  assert.deepEqual(await seen(), [undefined, upstream.url, 2]);
  const published = await Promise.all([one, other].map(({ issuer }) => issuer.authorities()));
  const [byOne, byOther] = published.map((authorities) => authorities.map(({ raw }) => hex(raw)));
  assert.deepEqual(byOther, byOne);
  await one.remove("ada");
  assert.deepEqual(await seen(), [upstream.url, undefined, 2]);
  await Promise.all([one.close(), other.close()]);
  await store.close();
});

test("ok/the upstream's patience is passed on, and it is asked again when the device asks again", async () => {
  upstream.answer = async () => ({ status: 202, headers: [["Retry-After", "77"]], body: Buffer.alloc(0) });
  const request = await requestOf("patient-1");
  for (let time = 1; time <= 2; time += 1) {
    const waiting = await ask(service, request);
    assert.deepEqual([waiting.status, waiting.field("retry-after")], [202, "77"]);
    assert.equal(upstream.asked.length, time);
  }
  upstream.answer = honest;
  certificateIn(await ask(service, request));
  assert.equal(recorded("patient-1"), 1);
});

test("fail/a certificate that is revoked while its renewal waits for the upstream is not renewed", async () => {
  const key = generateKey("P-256");
  const request = await craftedRequest({ subject: commonName("recalled-1"), signer: signerOf(key) });
  const held = certificateIn(await ask(service, enrolment(request, [basic("line", "line secret")])));
  upstream.answer = async (asked) => {
    const which = { kind: "pem", pem: encodePem("CERTIFICATE", held) };
    if (upstream.asked.length === 2) await service.call("POST", "/ca/revocations", { which, reason: "superseded" });
    return honest(asked);
  };
  const renewal = enrolment(request, [], "/.well-known/est/simplereenroll");
  const refused = await ask(service, renewal, { identity: { chain: [held], key } });
  assert.equal(refused.status, 401);
  const run = service.rows("runs").find(({ id }) => id === refused.field("hatchery-run"));
  assert.equal(run?.["reason"], "certificate-revoked");
  assert.deepEqual([upstream.asked.length, recorded("recalled-1")], [2, 1]);
});

test("ok/the same certificate for a request that is known there is recorded once", async () => {
  const issued = new Map<string, Uint8Array>();
  upstream.answer = answering(async (asked) => {
    const key = hex(publicKeyOf(asked));
    const certificate = issued.get(key) ?? (await upstream.ca.issue(asked.request.subject.raw, publicKeyOf(asked)));
    issued.set(key, certificate);
    return certificate;
  });
  await service.call("PUT", "/est-users/other", { password: "other secret", devices: "*" });
  const request = await craftedRequest({ subject: commonName("twice-1") });
  const [first, second] = [
    await ask(service, enrolment(request, [basic("line", "line secret")])),
    await ask(service, enrolment(request, [basic("other", "other secret")])),
  ];
  assert.equal(hex(certificateIn(first)), hex(certificateIn(second)));
  assert.equal(upstream.asked.length, 2);
  assert.equal(recorded("twice-1"), 1);
});

test("ok/an impatient device's repetitions share one request to the upstream", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  upstream.answer = async (asked) => {
    await promise;
    return honest(asked);
  };
  const request = await requestOf("impatient-1");
  const answers = Array.from({ length: 5 }, () => ask(service, request));
  // The listener passes these five on before a sixth request, which is refused without the upstream.
  while (upstream.asked.length === 0) await ask(service, enrolment("none"));
  resolve();
  const certificates = (await Promise.all(answers)).map((answer) => hex(certificateIn(answer)));
  assert.equal(new Set(certificates).size, 1);
  assert.equal(recorded("impatient-1"), 1);
});

test("ok/of a device's requests that disturb each other each goes up once, however often it is repeated", async () => {
  const count = 6;
  const all = Promise.withResolvers<void>();
  upstream.answer = async (asked) => {
    if (upstream.asked.length === count) all.resolve();
    await all.promise;
    return honest(asked);
  };
  const requests = await Promise.all(Array.from({ length: count }, () => requestOf("hasty-1")));
  const certificates = await Promise.all(
    requests.map(async (request) => {
      const answer = await ask(service, request);
      return hex(certificateIn(answer.status === 503 ? await ask(service, request) : answer));
    }),
  );
  assert.equal(new Set(certificates).size, count);
  assert.deepEqual([upstream.asked.length, recorded("hasty-1")], [count, count]);
});

test("ok/a hundred devices at once are onboarded over a few connections", async () => {
  await service.call("POST", "/rules", { verdict: "allow", match: { credential: "idevid" } });
  const devices = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const name = `crowd-${index}`;
      const { certificate, key } = await service.factory.makeDevice(name);
      const request = enrolment(await craftedRequest({ subject: commonName(name) }));
      return { request, identity: { chain: [certificate], key } };
    }),
  );
  const answers = await Promise.all(devices.map(({ request, identity }) => ask(service, request, { identity })));
  assert.equal(new Set(answers.map((answer) => hex(certificateIn(answer)))).size, 100);
  assert.equal(recorded("crowd-"), 100);
  assert.ok(upstream.mostAtOnce() <= 8, `${upstream.mostAtOnce()} at once`);
});
