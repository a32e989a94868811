import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../core/bytes.ts";
import { tags } from "../../encoding/tags.ts";
import { buildCertificationRequest, parseCertificationRequest } from "../../pki/csr.ts";
import type { Extension } from "../../pki/extensions.ts";
import type { NameAttribute } from "../../pki/name.ts";
import { formatName, parseName } from "../../pki/name.ts";
import { attributeTypes } from "../../pki/oids.ts";
import { encodeSubjectAltName } from "../../pki/standard-extensions.ts";
import type { Client } from "./authenticate.ts";
import { certify, commonName, newAuthority, newKey, request, serialNumber } from "./fixtures.test-support.ts";
import { certifiedNames, namesToRenew } from "./subject.ts";

const device: Client = {
  credential: "idevid",
  name: "SN-1",
  mayName: (name) => name === "SN-1",
  serial: "SN-1",
  issuer: "acme",
  certificate: undefined,
  profile: undefined,
  user: undefined,
  common: false,
  registrationAuthority: undefined,
  signaturesVerified: 1,
  writes: [],
};
const nobody: Client = { ...device, credential: "anonymous", name: undefined, serial: undefined, mayName: () => true };
const profile = { name: "device", subjectAltName: ["dNSName"], subject: [], changeSubjectName: "refused" } as const;
const isOwnName = (name: string | Uint8Array) => name === "gw.example";
const organization: NameAttribute = { type: attributeTypes.organizationName, value: "system:masters" };
const host = (text: string) => [encodeSubjectAltName([{ kind: "dNSName", text }])];

async function names(client: Client, subject: readonly NameAttribute[], extensions: readonly Extension[] = []) {
  const csr = parseCertificationRequest(await request(subject, { extensions }));
  return certifiedNames({ kind: "simpleenroll", label: undefined, csr, bytes: 0 }, client, profile, isOwnName);
}

const accepted: readonly (readonly [string, Client, readonly NameAttribute[], string])[] = [
  ["an IDevID's serial number as common name", device, [commonName("SN-1")], "CN=SN-1"],
  ["and as both", device, [serialNumber("SN-1"), commonName("SN-1")], "CN=SN-1,serialNumber=SN-1"],
  ["an empty subject, named by the IDevID", device, [], "CN=SN-1"],
  [
    "the model's name of an IDevID, with the serial number that tells it apart",
    { ...device, mayName: () => true },
    [commonName("Model-X")],
    "CN=Model-X,serialNumber=SN-1",
  ],
  ["what else the subject says is dropped", device, [organization, commonName("SN-1")], "CN=SN-1"],
  ["a name that nobody proves, for a person to look at", nobody, [commonName("lamp")], "CN=lamp"],
];

for (const [name, client, subject, expected] of accepted) {
  test(`ok/names: ${name}`, async () => {
    const { subject: der } = await names(client, subject);
    assert.equal(formatName(parseName(der)), expected);
  });
}

test("ok/names: the device's own host name as alternative name is kept byte for byte", async () => {
  const { subjectAltName } = await names(device, [commonName("SN-1")], host("SN-1"));
  assert.equal(hex(subjectAltName?.value ?? Uint8Array.of()), hex(host("SN-1")[0]?.value ?? Uint8Array.of(0)));
});

test("ok/names: an alternative name that is asked for 256 times is certified once", async () => {
  const extension = encodeSubjectAltName(Array.from({ length: 256 }, () => ({ kind: "dNSName", text: "SN-1" })));
  const { subjectAltName } = await names(device, [commonName("SN-1")], [extension]);
  assert.equal(hex(subjectAltName?.value ?? Uint8Array.of()), hex(host("SN-1")[0]?.value ?? Uint8Array.of(0)));
});

test("fail/names: more addresses than a device has", async () => {
  const addresses = (count: number) =>
    encodeSubjectAltName(
      Array.from({ length: count }, (_, last) => ({ kind: "iPAddress", address: Uint8Array.of(192, 0, 2, last) })),
    );
  const asking = async (count: number) => {
    const csr = parseCertificationRequest(await request([commonName("SN-1")], { extensions: [addresses(count)] }));
    const message = { kind: "simpleenroll", label: undefined, csr, bytes: 0 } as const;
    return certifiedNames(message, device, { ...profile, subjectAltName: ["iPAddress"] }, isOwnName);
  };
  assert.deepEqual((await asking(16)).subjectAltName?.value, addresses(16).value);
  await assert.rejects(asking(17), { name: "EstRefused", code: "name-not-the-client" });
});

const refused: readonly (readonly [string, Client, readonly NameAttribute[], readonly Extension[], string])[] = [
  ["another device's common name", device, [commonName("SN-2")], [], "name-not-the-client"],
  ["another device's serial number", device, [serialNumber("SN-2"), commonName("SN-1")], [], "name-not-the-client"],
  ["two common names", device, [commonName("SN-1"), commonName("SN-2")], [], "name-not-the-client"],
  ["a Cyrillic letter", nobody, [commonName("l\u0430mp")], [], "name-not-the-client"],
  ["a space at the end", nobody, [commonName("lamp ")], [], "name-not-the-client"],
  ["a wildcard", nobody, [commonName("*.example")], [], "name-not-the-client"],
  [
    "a serial number that no serialNumber can hold",
    { ...device, name: "a@b", serial: "a@b", mayName: () => true },
    [commonName("Model-X")],
    [],
    "name-not-the-client",
  ],
  ["a host name with a space", nobody, [commonName("q3 x/y")], host("q3 x/y"), "name-not-the-client"],
  ["a control character", nobody, [commonName("lamp\u0007")], [], "name-not-the-client"],
  ["more than 64 characters", nobody, [commonName("x".repeat(65))], [], "name-not-the-client"],
  ["the server's own name", nobody, [commonName("gw.example")], [], "name-reserved"],
  ["no name at all", nobody, [], [], "name-missing"],
  ["only an organization", nobody, [organization], [], "name-missing"],
  ["another host's alternative name", device, [commonName("SN-1")], host("gateway.example"), "name-not-the-client"],
  [
    "an address",
    nobody,
    [commonName("lamp")],
    [encodeSubjectAltName([{ kind: "iPAddress", address: Uint8Array.of(10, 0, 0, 1) }])],
    "name-not-the-client",
  ],
];

for (const [name, client, subject, extensions, code] of refused) {
  test(`fail/names: ${name}`, async () => {
    await assert.rejects(names(client, subject, extensions), { name: "EstRefused", code });
  });
}

test("ok/names: what the profile says of all devices comes first, whatever a request says of it", async () => {
  const subject = [
    { type: "countryName", value: "CH" },
    { type: "organizationName", value: "Acme" },
    { type: "serialNumber" },
  ] as const;
  const csr = parseCertificationRequest(await request([organization, commonName("SN-1")]));
  const message = { kind: "simpleenroll", label: undefined, csr, bytes: 0 } as const;
  const { subject: der } = certifiedNames(message, device, { ...profile, subject }, isOwnName);
  assert.equal(formatName(parseName(der)), "CN=SN-1,O=Acme,C=CH");
});

test("ok/renewal keeps subject and alternative names byte for byte, also when the request leaves them out", async () => {
  const authority = await newAuthority("CA");
  const old = await certify([commonName("SN-1")], newKey().signer, authority, { extensions: host("SN-1") });
  const kept = namesToRenew([old.raw]);
  assert.deepEqual(kept.subject, old.subject.raw);
  for (const extensions of [kept.extensions, []]) {
    const csr = parseCertificationRequest(await request([commonName("SN-1")], { extensions }));
    const renewal = certifiedNames(
      { kind: "simplereenroll", label: undefined, csr, bytes: 0 },
      { ...device, certificate: old },
      profile,
      isOwnName,
    );
    assert.deepEqual(renewal.subject, old.subject.raw);
    assert.deepEqual(renewal.subjectAltName?.value, kept.extensions[0]?.value);
  }
});

test("ok/renewal: the same name as a PrintableString, as strongSwan writes it, keeps the certificate's bytes", async () => {
  const authority = await newAuthority("CA");
  const old = await certify([commonName("SN-1")], newKey().signer, authority);
  const subject = Uint8Array.from(old.subject.raw);
  subject[subject.lastIndexOf(tags.utf8String)] = tags.printableString;
  const csr = parseCertificationRequest(await buildCertificationRequest({ subject, signer: newKey().signer }));
  assert.notDeepEqual(csr.subject.raw, old.subject.raw);
  const renewal = certifiedNames(
    { kind: "simplereenroll", label: undefined, csr, bytes: 0 },
    { ...device, certificate: old },
    profile,
    isOwnName,
  );
  assert.deepEqual(renewal.subject, old.subject.raw);
});

for (const [name, subject, extensions] of [
  ["another subject", [commonName("SN-2")], []],
  ["another alternative name", [commonName("SN-1")], host("SN-2")],
] as const) {
  test(`fail/renewal: ${name}`, async () => {
    const authority = await newAuthority("CA");
    const old = await certify([commonName("SN-1")], newKey().signer, authority, { extensions: host("SN-1") });
    const csr = parseCertificationRequest(await request(subject, { extensions }));
    assert.throws(
      () =>
        certifiedNames(
          { kind: "simplereenroll", label: undefined, csr, bytes: 0 },
          { ...device, certificate: old },
          profile,
          isOwnName,
        ),
      { name: "EstRefused", code: "name-not-the-client" },
    );
  });
}

test("fail/renewal: a name that has become the server's own", async () => {
  const authority = await newAuthority("CA");
  for (const [name, extensions] of [
    ["gw.example", []],
    ["SN-1", host("gw.example")],
  ] as const) {
    const old = await certify([commonName(name)], newKey().signer, authority, { extensions });
    const csr = parseCertificationRequest(await request([commonName(name)]));
    const message = { kind: "simplereenroll", label: undefined, csr, bytes: 0 } as const;
    assert.throws(() => certifiedNames(message, { ...device, certificate: old }, profile, isOwnName), {
      name: "EstRefused",
      code: "name-reserved",
    });
  }
});
