import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import * as der from "../../src/encoding/der-writer.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { encodeChangeSubjectName } from "../../src/pki/change-subject-name.ts";
import { extensionOf } from "../../src/pki/extensions.ts";
import type { GeneralName } from "../../src/pki/general-name.ts";
import { encodeName, formatName } from "../../src/pki/name.ts";
import { attributeTypes, extensionTypes, requestAttributes } from "../../src/pki/oids.ts";
import { encodeSubjectAltName } from "../../src/pki/standard-extensions.ts";
import { commonName, craftedRequest } from "./crafted.ts";
import { byCertificate, fullcmc, fullRequest } from "./full-requests.ts";
import { ask, basic, certificateIn, enrolment, type RawAnswer, type RawIdentity } from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";
import { makeStrangers, type Strangers } from "./strangers.ts";

/** Renewals under another name (RFC 6402 2.8), which a profile has to allow. */

let service: TestService;
let known: Strangers;
let identity: RawIdentity;
let old: ReturnType<typeof parseCertificate>;

before(async () => {
  service = await startService();
  known = await makeStrangers(service);
  identity = known.enrolled;
  old = parseCertificate(identity.chain[0] as Uint8Array);
  await service.call("PUT", "/est-users/installer", { password: "correct horse", devices: "line-*" });
  await service.call("PUT", "/ca/profiles/device", { fullcmc: "allowed" });
});

after(() => service.close());

const login = basic("installer", "correct horse");
const allow = (changeSubjectName: "allowed" | "refused") =>
  service.call("PUT", "/ca/profiles/device", { changeSubjectName });

function changeTo(subject: Uint8Array | undefined, alternative: readonly GeneralName[] = []): Uint8Array {
  const value = encodeChangeSubjectName(subject, alternative);
  return der.sequence([der.objectIdentifier(requestAttributes.changeSubjectName), der.setOf([value])]);
}

/** A renewal of the device's certificate that asks for a change. */
async function renewal(attribute: Uint8Array): Promise<Uint8Array> {
  return craftedRequest({ subject: old.subject.raw, attributes: [attribute] });
}

async function reenroll(attribute: Uint8Array): Promise<RawAnswer> {
  return ask(service, enrolment(await renewal(attribute), [], "/.well-known/est/simplereenroll"), { identity });
}

function refusedFor(answer: RawAnswer, status: number, code: string): void {
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [status, code], answer.text);
}

test("fail/simplereenroll, unless the profile allows it", async () => {
  refusedFor(await reenroll(changeTo(commonName("lamp-7"))), 403, "name-change-refused");
});

test("fail/fullcmc, unless the profile allows it", async () => {
  const message = await fullRequest(await renewal(changeTo(commonName("lamp-7"))), byCertificate(identity));
  refusedFor(await ask(service, fullcmc(message), { identity }), 403, "name-change-refused");
});

test("ok/simplereenroll: subject and alternative name are the new ones, and the device stays the same", async () => {
  await allow("allowed");
  const names = [{ kind: "dNSName", text: "lamp-7" }] as const;
  const renewed = parseCertificate(certificateIn(await reenroll(changeTo(commonName("lamp-7"), names))));
  assert.equal(formatName(renewed.subject), "CN=lamp-7");
  const alternative = extensionOf(renewed.extensions, extensionTypes.subjectAltName);
  assert.equal(hex(alternative?.value ?? new Uint8Array()), hex(encodeSubjectAltName(names).value));
  const { certificates } = await service.call<{ readonly certificates: readonly { readonly subject: string }[] }>(
    "GET",
    "/devices/GOOD-1",
  );
  assert.ok(certificates.some(({ subject }) => subject === "CN=lamp-7"));
});

test("ok/fullcmc: without an alternative name the old one goes (RFC 6402 2.8)", async () => {
  await allow("allowed");
  const message = await fullRequest(await renewal(changeTo(commonName("lamp-7"))), byCertificate(identity));
  const renewed = parseCertificate(certificateIn(await ask(service, fullcmc(message), { identity })));
  assert.equal(formatName(renewed.subject), "CN=lamp-7");
  assert.equal(extensionOf(renewed.extensions, extensionTypes.subjectAltName), undefined);
});

test("ok/what is no name of a device is dropped from the new subject as from any", async () => {
  await allow("allowed");
  const subject = encodeName([
    { type: attributeTypes.organizationName, value: "system:masters" },
    { type: attributeTypes.commonName, value: "lamp-7" },
  ]);
  const renewed = parseCertificate(certificateIn(await reenroll(changeTo(subject))));
  assert.equal(formatName(renewed.subject), "CN=lamp-7");
});

const serial = (value: string) =>
  encodeName([
    { type: attributeTypes.serialNumber, value },
    { type: attributeTypes.commonName, value: "lamp-8" },
  ]);

const wrong: Readonly<Record<string, readonly [status: number, code: string, attribute: () => Uint8Array]>> = {
  "no subject": [400, "name-missing", () => changeTo(undefined, [{ kind: "dNSName", text: "lamp-8" }])],
  "an empty subject": [400, "name-missing", () => changeTo(encodeName([]))],
  "a wildcard": [403, "name-not-the-client", () => changeTo(commonName("*"))],
  "another serial number": [403, "name-not-the-client", () => changeTo(serial("MADE-1"))],
  "an alternative name that is not the new name": [
    403,
    "name-not-the-client",
    () => changeTo(commonName("lamp-8"), [{ kind: "dNSName", text: "lamp-9" }]),
  ],
  "an alternative name of a kind that is not certified": [
    403,
    "name-not-the-client",
    () => changeTo(commonName("lamp-8"), [{ kind: "iPAddress", address: Uint8Array.of(192, 0, 2, 1) }]),
  ],
  "the serial number of another device as name": [403, "not-allowed", () => changeTo(commonName("MADE-1"))],
  "the name of another device": [403, "not-allowed", () => changeTo(commonName("LINE-1"))],
  "an attribute that names nothing": [
    400,
    "csr-malformed",
    () => der.sequence([der.objectIdentifier(requestAttributes.changeSubjectName), der.setOf([der.sequence([])])]),
  ],
};

for (const [name, [status, code, attribute]] of Object.entries(wrong)) {
  test(`fail/change to ${name}`, async () => {
    await allow("allowed");
    // A device that is here under the name line-1.
    const other = enrolment(await craftedRequest({ subject: commonName("line-1") }), [login]);
    assert.equal((await ask(service, other)).status, 200);
    refusedFor(await reenroll(attribute()), status, code);
  });
}

test("fail/a name that a device took is not reached by a user who may enrol such names", async () => {
  await allow("allowed");
  certificateIn(await reenroll(changeTo(commonName("line-77"))));
  const stored = service.rows("certificates").length;
  const request = enrolment(await craftedRequest({ subject: commonName("line-77") }), [login]);
  refusedFor(await ask(service, request), 403, "not-allowed");
  assert.equal(service.rows("certificates").length, stored);
});

test("ok/simpleenroll looks at no such attribute", async () => {
  await allow("refused");
  const request = await craftedRequest({ subject: commonName("GOOD-1"), attributes: [changeTo(commonName("lamp-7"))] });
  const answer = await ask(service, enrolment(request), { identity: known.device });
  assert.match(formatName(parseCertificate(certificateIn(answer)).subject), /CN=GOOD-1$/);
});
