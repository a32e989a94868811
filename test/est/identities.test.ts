import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { encodeName, formatName } from "../../src/pki/name.ts";
import { attributeTypes } from "../../src/pki/oids.ts";
import {
  authorityExtensions,
  type CraftedIssuer,
  commonName,
  craftedRequest,
  newSigner,
  selfSigned,
} from "./crafted.ts";
import { ask, basic, certificateIn, enrolment, type RawAnswer, type RawIdentity } from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";

/** One name, one device: whatever shows it, and in whatever letters. */

let service: TestService;
let maker: CraftedIssuer;

before(async () => {
  service = await startService();
  maker = await selfSigned(commonName("Maker CA"), authorityExtensions(1));
  const pem = encodePem("CERTIFICATE", maker.chain[0] as Uint8Array);
  await service.call("POST", "/anchors", { name: "maker", pem });
  await service.call("POST", "/rules", { verdict: "allow", match: { credential: "idevid" } });
  await service.call("PUT", "/est-users/line", { password: "correct horse", devices: "*" });
});

after(() => service.close());

const line = basic("line", "correct horse");

async function idevid(serial: string, name: string): Promise<RawIdentity> {
  const subject = [
    { type: attributeTypes.serialNumber, value: serial },
    { type: attributeTypes.commonName, value: name },
  ];
  return maker.issue(encodeName(subject));
}

async function enrol(name: string, by: RawIdentity | string, signer = newSigner()): Promise<RawAnswer> {
  const request = await craftedRequest({ subject: commonName(name), signer });
  return typeof by === "string"
    ? ask(service, enrolment(request, [by]))
    : ask(service, enrolment(request), { identity: by });
}

const nameIn = (answer: RawAnswer) => formatName(parseCertificate(certificateIn(answer)).subject);

async function denied(answer: RawAnswer, reason: RegExp): Promise<void> {
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [403, "not-allowed"], answer.text);
  const found = await service.call<object>("GET", `/runs/${answer.field("hatchery-run")}`);
  assert.match(JSON.stringify(found), reason);
}

test("fail/a serial number that a manufacturer's certificate has proven, in other letters", async () => {
  assert.match(nameIn(await enrol("SER-7", await idevid("SER-7", "SER-7"))), /SER-7/);
  await denied(await enrol("ser-7", line), /no weaker credential|has shown its manufacturer/);
});

test("fail/the common name of a manufacturer's certificate, which is a user's device already", async () => {
  assert.match(nameIn(await enrol("gateway-1", line)), /gateway-1/);
  await denied(await enrol("Gateway-1", await idevid("M-1", "Gateway-1")), /is another device's already/);
});

test("fail/a user's device under the common name that a manufacturer's certificate got", async () => {
  assert.match(nameIn(await enrol("gateway-2", await idevid("M-2", "gateway-2"))), /gateway-2/);
  await denied(await enrol("GATEWAY-2", line), /manufacturer's certificate has/);
});

test("ok/the same request on four connections at once gets one certificate", async () => {
  for (let device = 0; device < 5; device += 1) {
    const identity = await idevid(`R-${device}`, `R-${device}`);
    const signer = newSigner();
    const answers = await Promise.all([1, 2, 3, 4].map(() => enrol(`R-${device}`, identity, signer)));
    for (const answer of answers) assert.equal(answer.status, 200, answer.text);
  }
});
