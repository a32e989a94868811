import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { base64 } from "../../src/core/bytes.ts";
import { generateKey, signerOf } from "../../src/crypto/keys.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { formatName } from "../../src/pki/name.ts";
import { keyPurposes } from "../../src/pki/oids.ts";
import { encodeExtKeyUsage, encodeKeyUsage, extKeyUsageOf } from "../../src/pki/standard-extensions.ts";
import {
  authorityExtensions,
  commonName,
  craftedRequest,
  passwordAttribute,
  selfSigned,
  serialNumber,
} from "./crafted.ts";
import { byCertificate, fullAnswerIn, fullcmc, fullRequest } from "./full-requests.ts";
import {
  ask,
  basic,
  certificateIn,
  dial,
  enrolment,
  exchange,
  type RawAnswer,
  type RawIdentity,
} from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";

/** A client with a certificate of this CA and id-kp-cmcRA asks for others (RFC 7030 3.7), over real sockets. */

let service: TestService;
/** A registration authority for `fleet-*`. */
let relay: RawIdentity;

const password = "correct horse battery";
const purposes = [keyPurposes.clientAuth, keyPurposes.cmcRA];
const ofRegistrars = "/.well-known/est/registrars/simpleenroll";
const renewal = "/.well-known/est/simplereenroll";
const hour = 3_600_000;
const anotherConnections = base64(new Uint8Array(32).fill(7));

before(async () => {
  service = await startService();
  await service.call("PUT", "/est-users/operator", { password, devices: "*" });
  await service.call("PUT", "/ca/profiles/registrars", { extKeyUsage: purposes, registrationAuthority: "fleet-*" });
  await service.call("PUT", "/ca/profiles/purpose", { extKeyUsage: purposes });
  for (const profile of ["registrars", "purpose", "brief"])
    await service.call("POST", "/rules", { verdict: "allow", match: { profile, user: "operator" } });
  relay = await enrolledAs("relay-1", ofRegistrars);
});

after(() => service.close());

async function enrolledAs(name: string, path: string): Promise<RawIdentity> {
  const key = generateKey("P-256");
  const csr = await craftedRequest({ subject: commonName(name), signer: signerOf(key) });
  const answer = await ask(service, enrolment(csr, [basic("operator", password)], path));
  return { chain: [certificateIn(answer)], key };
}

/** Asks as `identity` for a certificate of this name, perhaps with a binding. */
async function asks(
  identity: RawIdentity,
  name: string,
  { path, binding, fields = [] }: { path?: string; binding?: string; fields?: readonly string[] } = {},
): Promise<RawAnswer> {
  const attributes = binding === undefined ? [] : [passwordAttribute(binding)];
  return ask(service, enrolment(await craftedRequest({ subject: commonName(name), attributes }), fields, path), {
    identity,
  });
}

function refusal(answer: RawAnswer, status = 403): string | undefined {
  assert.equal(answer.status, status, answer.text);
  return answer.field("hatchery-error");
}

interface Details {
  readonly summary: { readonly reason: string; readonly label: string; readonly variant: string };
  readonly run: unknown;
}

const runOf = (answer: RawAnswer) => service.call<Details>("GET", `/runs/${answer.field("hatchery-run")}`);

test("ok/its certificate says what it is", () => {
  const { extensions } = parseCertificate(relay.chain[0] as Uint8Array);
  assert.deepEqual(extKeyUsageOf(extensions), purposes);
});

test("fail/a user makes a registration authority of a name that is its own, a manufacturer's device of itself", async () => {
  await service.call("PUT", "/est-users/fleet-0", { password, devices: "fleet-0" });
  const stored = service.rows("certificates").length;
  for (const label of ["registrars", "purpose"]) {
    const csr = await craftedRequest({ subject: commonName("fleet-0") });
    const path = `/.well-known/est/${label}/simpleenroll`;
    const answer = await ask(service, enrolment(csr, [basic("fleet-0", password)], path));
    assert.equal(refusal(answer), "not-allowed");
    assert.match(
      JSON.stringify((await runOf(answer)).run),
      /are for registration authorities, and no rule with --prof/,
    );
  }
  await service.call("POST", "/claims", { label: "RA-0" });
  const made = await service.factory.makeDevice("RA-0");
  const answer = await asks({ chain: [made.certificate], key: made.key }, "RA-0", { path: ofRegistrars });
  assert.equal(refusal(answer), "not-allowed");
  assert.equal(service.rows("certificates").length, stored);
});

test("fail/no rule speaks of registration authorities, or only one that speaks of all", async () => {
  assert.equal(refusal(await asks(relay, "fleet-1")), "not-allowed");
  const { id } = await service.call<{ readonly id: string }>("POST", "/rules", { verdict: "allow", match: {} });
  assert.equal(refusal(await asks(relay, "fleet-1")), "not-allowed");
  await service.call("DELETE", `/rules/${id}`);
});

test("ok/a rule allows it: for a device whose binding is of another connection, or that has none", async () => {
  await service.call("POST", "/rules", { verdict: "allow", match: { credential: "ra", profile: "device" } });
  for (const [name, binding] of [
    ["fleet-1", anotherConnections],
    ["fleet-2", "the device's own words"],
    ["fleet-3", undefined],
  ] as const) {
    const answer = await asks(relay, name, binding === undefined ? {} : { binding });
    assert.equal(formatName(parseCertificate(certificateIn(answer)).subject), `CN=${name}`);
  }
});

test("ok/ledger and audit name the device and the registration authority", async () => {
  const answer = await asks(relay, "fleet-4", { binding: anotherConnections });
  certificateIn(answer);
  const { summary, run } = await runOf(answer);
  assert.deepEqual([summary.label, summary.variant], ["fleet-4", "est/registration-authority"]);
  const text = JSON.stringify(run);
  assert.match(text, /"credential":"ra"/);
  assert.match(text, /"registrationAuthority":"relay-1"/);
  const device = await service.call<{ readonly identities: readonly { readonly provenBy: string }[] }>(
    "GET",
    "/devices/fleet-4",
  );
  assert.ok(device.identities.every(({ provenBy }) => provenBy === "ra"));
});

test("ok/several devices over one connection, each with the binding of its own", async () => {
  const socket = await dial(service, { identity: relay });
  for (const name of ["fleet-5", "fleet-6"]) {
    const attributes = [passwordAttribute(anotherConnections)];
    certificateIn(await exchange(socket, enrolment(await craftedRequest({ subject: commonName(name), attributes }))));
  }
  socket.destroy();
});

test("ok/a profile that demands the binding leaves it to the registration authority", async () => {
  await service.call("PUT", "/ca/profiles/linked", { binding: "required" });
  await service.call("POST", "/rules", { verdict: "allow", match: { credential: "ra", profile: "linked" } });
  certificateIn(await asks(relay, "fleet-7", { path: "/.well-known/est/linked/simpleenroll" }));
});

test("ok/a device that it enrolled renews by itself, and is no registration authority", async () => {
  const key = generateKey("P-256");
  const csr = await craftedRequest({ subject: commonName("fleet-8"), signer: signerOf(key) });
  const device = { chain: [certificateIn(await ask(service, enrolment(csr), { identity: relay }))], key };
  certificateIn(await asks(device, "fleet-8", { path: renewal }));
  assert.equal(refusal(await asks(device, "fleet-9")), "name-not-the-client");
});

test("fail/a name that its profile does not give it", async () => {
  assert.equal(refusal(await asks(relay, "other-1")), "name-not-the-client");
});

test("fail/a name that the user whose password it adds may not enrol", async () => {
  await service.call("PUT", "/est-users/depot", { password, devices: "fleet-1*" });
  const fields = [basic("depot", password)];
  certificateIn(await asks(relay, "fleet-10", { fields }));
  assert.equal(refusal(await asks(relay, "fleet-20", { fields })), "name-not-the-client");
});

test("fail/renewing for another device: a certificate is renewed under itself (RFC 7030 4.2.2)", async () => {
  const path = "/.well-known/est/registrars/simplereenroll";
  assert.equal(refusal(await asks(relay, "fleet-1", { path })), "name-not-the-client");
  assert.equal(refusal(await asks(relay, "fleet-1", { path: renewal })), "profile-not-the-client");
});

test("ok/it renews its own certificate, linked to its own connection, fail/to another", async () => {
  const path = "/.well-known/est/registrars/simplereenroll";
  certificateIn(await asks(relay, "relay-1", { path }));
  for (const operation of [path, ofRegistrars]) {
    const answer = await asks(relay, "relay-1", { path: operation, binding: anotherConnections });
    assert.equal(answer.status, 401);
    assert.equal((await runOf(answer)).summary.reason, "binding-wrong");
  }
});

test("fail/making other registration authorities", async () => {
  await service.call("POST", "/rules", { verdict: "allow", match: { credential: "ra" } });
  assert.equal(refusal(await asks(relay, "fleet-11", { path: ofRegistrars })), "profile-not-the-client");
});

test("fail/a manufacturer's certificate with id-kp-cmcRA makes no registration authority", async () => {
  const maker = await selfSigned(commonName("RA Maker CA"), authorityExtensions(0));
  await service.call("POST", "/anchors", {
    name: "ra-maker",
    pem: encodePem("CERTIFICATE", maker.chain[0] as Uint8Array),
  });
  await service.call("POST", "/claims", { label: "RA-1" });
  const extensions = [encodeKeyUsage(["digitalSignature"]), encodeExtKeyUsage(purposes)];
  const made = await maker.issue(serialNumber("RA-1"), { extensions });
  assert.equal(refusal(await asks(made, "fleet-12")), "name-not-the-client");
  const answer = await asks(made, "RA-1", { binding: anotherConnections });
  assert.equal(answer.status, 401);
  assert.equal((await runOf(answer)).summary.reason, "binding-wrong");
});

test("fail/the purpose without a profile that gives names, and a profile that gives none any more", async () => {
  const idle = await enrolledAs("relay-2", "/.well-known/est/purpose/simpleenroll");
  // An ordinary device then, which a request without its own label is not for.
  assert.equal(refusal(await asks(idle, "fleet-13")), "profile-not-the-client");
  await service.call("PUT", "/ca/profiles/registrars", { registrationAuthority: "" });
  const deadline = Date.now() + 10_000;
  while ((await asks(relay, "fleet-14")).status === 200 && Date.now() < deadline);
  assert.equal(refusal(await asks(relay, "fleet-15")), "profile-not-the-client");
  await service.call("PUT", "/ca/profiles/registrars", { registrationAuthority: "fleet-*" });
});

test("fail/names for a profile without the purposes of a registration authority", async () => {
  await assert.rejects(
    service.call("PUT", "/ca/profiles/device", { registrationAuthority: "*" }),
    /invalid.*clientAuth and cmcRA/,
  );
});

test("fail/a device with its manufacturer's certificate is not reached by a registration authority", async () => {
  await service.call("POST", "/claims", { label: "fleet-16" });
  const made = await service.factory.makeDevice("fleet-16");
  certificateIn(await asks({ chain: [made.certificate], key: made.key }, "fleet-16"));
  assert.equal(refusal(await asks(relay, "fleet-16")), "not-allowed");
});

describe("in a Full PKI Request", () => {
  const signed = async (name: string, attributes: readonly Uint8Array[] = []) =>
    fullRequest(await craftedRequest({ subject: commonName(name), attributes }), byCertificate(relay));

  before(() => service.call("PUT", "/ca/profiles/device", { fullcmc: "allowed", renewal: { grace: 24 * hour } }));

  test("ok/it is the TLS client, and hands on what is linked to another connection", async () => {
    certificateIn(
      await ask(service, fullcmc(await signed("fleet-30", [passwordAttribute(anotherConnections)])), {
        identity: relay,
      }),
    );
  });

  test("fail/sent again without its certificate in TLS, by whomever: with a foreign binding, some words, none", async () => {
    await service.call("PUT", "/est-users/someone", { password, devices: "fleet-*" });
    for (const [attributes, code] of [
      [[passwordAttribute(anotherConnections)], "binding-wrong"],
      [[passwordAttribute("the device's own words")], "binding-malformed"],
      [[], "binding-missing"],
    ] as const) {
      const seen = await signed("fleet-31", attributes);
      certificateIn(await ask(service, fullcmc(seen), { identity: relay }));
      for (const credentials of [[], [basic("someone", password)]]) {
        const answer = await ask(service, fullcmc(seen, credentials));
        assert.equal(answer.status, 401);
        assert.equal(fullAnswerIn(answer).statuses[0]?.failInfo, "popFailed");
        assert.equal((await runOf(answer)).summary.reason, code);
      }
    }
  });

  test("fail/without its certificate in TLS, linked to the very connection", async () => {
    const stored = service.rows("certificates").length;
    const socket = await dial(service);
    const binding = socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
    const answer = await exchange(socket, fullcmc(await signed("fleet-32", [passwordAttribute(base64(binding))])));
    socket.destroy();
    assert.equal(answer.status, 401);
    assert.equal(fullAnswerIn(answer).statuses[0]?.failInfo, "badIdentity");
    assert.equal((await runOf(answer)).summary.reason, "cmc-signer");
    assert.equal(service.rows("certificates").length, stored);
  });
});

test("fail/its certificate has expired: a grace is for renewing under the profile that issued it", async (context) => {
  const brief = { extKeyUsage: purposes, lifetime: 60_000, fullcmc: "allowed", renewal: { grace: 24 * hour } };
  await service.call("PUT", "/ca/profiles/brief", { ...brief, registrationAuthority: "fleet-*" });
  await service.call("PUT", "/ca/profiles/device", { fullcmc: "allowed", renewal: { grace: 24 * hour } });
  const old = await enrolledAs("relay-3", "/.well-known/est/brief/simpleenroll");
  certificateIn(await asks(old, "fleet-33"));
  const { now } = Date;
  context.mock.method(Date, "now", () => now() + hour);
  const full = async (name: string, path: string) =>
    fullcmc(await fullRequest(await craftedRequest({ subject: commonName(name) }), byCertificate(old)), [], path);
  for (const [name, path] of [
    ["fleet-34", "/.well-known/est/fullcmc"],
    ["relay-3", "/.well-known/est/fullcmc"],
    ["fleet-34", "/.well-known/est/brief/fullcmc"],
  ] as const) {
    const answer = await ask(service, await full(name, path), { identity: old });
    assert.equal(answer.status, 401);
    assert.equal((await runOf(answer)).summary.reason, "certificate-expired");
  }
  assert.equal(refusal(await asks(old, "fleet-34"), 401), undefined);
  assert.equal(refusal(await asks(old, "relay-3", { path: renewal }), 401), undefined);
  const path = "/.well-known/est/brief/fullcmc";
  certificateIn(await ask(service, await full("relay-3", path), { identity: old }));
});

test("fail/a revoked registration authority", async () => {
  await service.call("POST", "/ca/revocations", {
    which: { kind: "device", device: "relay-1" },
    reason: "keyCompromise",
  });
  const answer = await asks(relay, "fleet-17");
  assert.equal(answer.status, 401);
  assert.equal((await runOf(answer)).summary.reason, "certificate-revoked");
});
