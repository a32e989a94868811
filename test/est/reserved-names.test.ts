import assert from "node:assert/strict";
import { hostname } from "node:os";
import { after, before, test } from "node:test";
import { generateKey, signerOf } from "../../src/crypto/keys.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { encodeChangeSubjectName } from "../../src/pki/change-subject-name.ts";
import type { GeneralName } from "../../src/pki/general-name.ts";
import { encodeName } from "../../src/pki/name.ts";
import { attributeTypes, keyPurposes, requestAttributes } from "../../src/pki/oids.ts";
import { encodeSubjectAltName } from "../../src/pki/standard-extensions.ts";
import {
  attribute,
  authorityExtensions,
  type CraftedIssuer,
  commonName,
  craftedRequest,
  extensionAttribute,
  selfSigned,
} from "./crafted.ts";
import { fullcmc, selfSignedRequest } from "./full-requests.ts";
import { ask, basic, certificateIn, enrolment, type RawAnswer, type RawIdentity } from "./raw-client.ts";
import { keyRequest } from "./server-key.ts";
import { startService, type TestService } from "./service.ts";

/** Nobody gets a certificate in the server's own name: who holds one could be taken for the server (RFC 9525). */

let service: TestService;
let maker: CraftedIssuer;

before(async () => {
  service = await startService({ names: ["EST.factory.example"], publicationUrl: "http://pki.factory.example:8088" });
  maker = await selfSigned(commonName("Maker CA"), authorityExtensions());
  const pem = encodePem("CERTIFICATE", maker.chain[0] as Uint8Array);
  await service.call("POST", "/anchors", { name: "maker", pem });
  await service.call("POST", "/rules", { verdict: "allow", match: { issuer: "maker" } });
  await service.call("POST", "/rules", { verdict: "allow", match: { profile: "registrars", user: "installer" } });
  await service.call("PUT", "/est-users/installer", { password, devices: "*" });
  await service.call("PUT", "/ca/profiles/device", {
    subjectAltName: ["dNSName", "iPAddress"],
    changeSubjectName: "allowed",
    serverKey: "P-256",
    fullcmc: "allowed",
  });
  const extKeyUsage = [keyPurposes.clientAuth, keyPurposes.cmcRA];
  await service.call("PUT", "/ca/profiles/registrars", { extKeyUsage, registrationAuthority: "*" });
});

after(() => service.close());

const password = "correct horse battery";
const login = basic("installer", password);

/** The answer is the refusal, and nothing was enrolled. */
async function refused(asking: () => Promise<RawAnswer>): Promise<void> {
  const held = () =>
    (["devices", "identities", "certificates", "sessions"] as const).map((table) => service.rows(table));
  const before = held();
  const answer = await asking();
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [403, "name-reserved"], answer.text);
  assert.match(answer.text, /^The request asks for a name of this server itself; devices need one of their own\./);
  assert.deepEqual(held(), before);
}

/** A device that is enrolled by the user. */
async function enrolled(name: string, path?: string): Promise<RawIdentity> {
  const key = generateKey("P-256");
  const request = await craftedRequest({ subject: commonName(name), signer: signerOf(key) });
  return { chain: [certificateIn(await ask(service, enrolment(request, [login], path)))], key };
}

for (const name of [
  "localhost",
  "LocalHost.",
  "127.0.0.1",
  "::1",
  "est.factory.example",
  "PKI.factory.example",
  hostname(),
]) {
  test(`fail/a user who may enrol every name, for ${name === hostname() ? "the machine's name" : name}`, async () => {
    await refused(async () => ask(service, enrolment(await craftedRequest({ subject: commonName(name) }), [login])));
  });
}

test("fail/an address of the server beside a device's name", async () => {
  const names: readonly GeneralName[] = [{ kind: "iPAddress", address: Uint8Array.of(127, 0, 0, 1) }];
  const attributes = [extensionAttribute(encodeSubjectAltName(names))];
  const subject = commonName("line-1");
  await refused(async () => ask(service, enrolment(await craftedRequest({ subject, attributes }), [login])));
});

test("fail/the common name of a manufacturer's certificate", async () => {
  const named = encodeName([
    { type: attributeTypes.serialNumber, value: "SN-1" },
    { type: attributeTypes.commonName, value: "localhost" },
  ]);
  const identity = await maker.issue(named);
  await refused(async () =>
    ask(service, enrolment(await craftedRequest({ subject: commonName("localhost") })), { identity }),
  );
  const own = enrolment(await craftedRequest({ subject: commonName("SN-1") }));
  assert.equal((await ask(service, own, { identity })).status, 200);
});

test("fail/a renewal that asks for it", async () => {
  const identity = await enrolled("line-2");
  const value = encodeChangeSubjectName(commonName("localhost"), [{ kind: "dNSName", text: "localhost" }]);
  const attributes = [attribute(requestAttributes.changeSubjectName, value)];
  const request = await craftedRequest({ subject: commonName("line-2"), attributes });
  await refused(() => ask(service, enrolment(request, [], "/.well-known/est/simplereenroll"), { identity }));
});

test("fail/a registration authority for all names", async () => {
  const identity = await enrolled("relay-1", "/.well-known/est/registrars/simpleenroll");
  await refused(async () =>
    ask(service, enrolment(await craftedRequest({ subject: commonName("localhost") })), { identity }),
  );
});

test("fail/a key that the server would make", async () => {
  const request = await craftedRequest({ subject: commonName("localhost") });
  await refused(() => ask(service, keyRequest(request, undefined, [login])));
});

test("fail/a Full PKI Request", async () => {
  const message = await selfSignedRequest({ subject: commonName("localhost") });
  const answer = await ask(service, fullcmc(message, [login]));
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [403, "name-reserved"], answer.text);
});
