import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKey, type PrivateKey, signerOf } from "../crypto/keys.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import { buildCertificationRequest, parseCertificationRequest } from "../pki/csr.ts";
import type { Extension } from "../pki/extensions.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName, type NameAttribute } from "../pki/name.ts";
import { attributeTypes, keyPurposes } from "../pki/oids.ts";
import {
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
} from "../pki/standard-extensions.ts";
import { type Admitted, complaintAbout, complaintAboutPath } from "./upstream-certificate.ts";

const now = Date.UTC(2026, 0, 15);
const day = 24 * 3600 * 1000;
const { commonName, serialNumber, organizationName, organizationalUnitName } = attributeTypes;

const deviceKey = generateKey("P-256");
const caKey = generateKey("P-256");
const caName = encodeName([{ type: commonName, value: "Upstream" }]);
const ca = await certificate({
  issuer: caName,
  subject: caName,
  key: caKey,
  extensions: [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign"])],
});

async function certificate(content: {
  readonly issuer?: Uint8Array;
  readonly issuerKey?: PrivateKey;
  readonly subject?: Uint8Array;
  readonly key?: PrivateKey;
  readonly notAfter?: number;
  readonly extensions?: readonly Extension[];
}): Promise<Certificate> {
  const der = await buildCertificate({
    serialNumber: Uint8Array.of(1),
    issuer: content.issuer ?? caName,
    subject: content.subject ?? device,
    publicKey: signerOf(content.key ?? deviceKey).publicKey,
    notBefore: now - day,
    notAfter: content.notAfter ?? now + day,
    extensions: content.extensions ?? [],
    signer: signerOf(content.issuerKey ?? caKey),
  });
  return parseCertificate(der);
}

async function admitted(asked: readonly NameAttribute[], subject = device): Promise<Admitted> {
  const request = await buildCertificationRequest({ subject: encodeName(asked), signer: signerOf(deviceKey) });
  return { subject, request: parseCertificationRequest(request) };
}

const name = { type: commonName, value: "sensor-1" };
const device = encodeName([name]);
const plain = await admitted([name]);
const host = (text: string) => encodeSubjectAltName([{ kind: "dNSName", text }]);

for (const [title, made] of [
  ["the admitted name and nothing else", {}],
  [
    "an organisation that the upstream added",
    { subject: encodeName([{ type: organizationName, value: "Example" }, name]) },
  ],
  ["the common name as host name", { extensions: [host("sensor-1")] }],
] as const)
  test(`ok/${title}`, async () => {
    assert.equal(complaintAbout(await certificate(made), plain, now), undefined);
  });

test("ok/alternative names that were admitted", async () => {
  const subjectAltName = host("sensor-1.example");
  assert.equal(
    complaintAbout(await certificate({ extensions: [subjectAltName] }), { ...plain, subjectAltName }, now),
    undefined,
  );
});

for (const [title, complaint, made] of [
  ["another key", "it is for another key", { key: caKey }],
  [
    "another name",
    "its common name is not the admitted one",
    { subject: encodeName([{ ...name, value: "sensor-2" }]) },
  ],
  ["no name", "its common name is not the admitted one", { subject: encodeName([]) }],
  [
    "a second common name",
    "its common name is not the admitted one",
    { subject: encodeName([name, { ...name, value: "sensor-2" }]) },
  ],
  [
    "a serial number that was not admitted",
    "its subject holds the attribute 2.5.4.5, which was not admitted",
    { subject: encodeName([name, { type: serialNumber, value: "77" }]) },
  ],
  [
    "another's host name",
    "it holds an alternative name of kind dNSName that was not admitted",
    { extensions: [host("gateway.example")] },
  ],
  ["rights of a CA", "it makes the device a CA", { extensions: [encodeBasicConstraints({ cA: true })] }],
  ["the key usage of a CA", "it makes the device a CA", { extensions: [encodeKeyUsage(["keyCertSign"])] }],
  [
    "rights of an RA",
    "it makes the device a registration authority",
    { extensions: [encodeExtKeyUsage([keyPurposes.clientAuth, keyPurposes.cmcRA])] },
  ],
  ["dates that are over", "it is not valid now", { notAfter: now - 1000 }],
] as const)
  test(`fail/${title}`, async () => {
    assert.equal(complaintAbout(await certificate(made), plain, now), complaint);
  });

test("fail/an organisational unit that the device had asked for itself", async () => {
  const unit = { type: organizationalUnitName, value: "administrators" };
  const subject = encodeName([unit, name]);
  assert.equal(
    complaintAbout(await certificate({ subject }), await admitted([unit, name]), now),
    "its subject holds the attribute 2.5.4.11, which was not admitted",
  );
  assert.equal(complaintAbout(await certificate({ subject }), await admitted([unit, name], subject), now), undefined);
});

test("fail/an alternative name that is malformed", async () => {
  const broken = { ...host("sensor-1"), value: Uint8Array.of(0x30, 0x01, 0x82) };
  assert.match(complaintAbout(await certificate({ extensions: [broken] }), plain, now) ?? "", /2\.5\.29\.17/);
});

test("ok/a path over a CA that the upstream publishes below its root", async () => {
  const belowKey = generateKey("P-256");
  const belowName = encodeName([{ type: commonName, value: "Below" }]);
  const below = await certificate({
    subject: belowName,
    key: belowKey,
    extensions: [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign"])],
  });
  const leaf = await certificate({ issuer: belowName, issuerKey: belowKey });
  assert.equal(complaintAboutPath(leaf, [ca, below], now), undefined);
  assert.match(complaintAboutPath(leaf, [ca], now) ?? "", /No certificate of the issuer CN=Below/);
});

test("fail/a path to another CA of the same name", async () => {
  const leaf = await certificate({ issuerKey: generateKey("P-256") });
  assert.match(complaintAboutPath(leaf, [ca], now) ?? "", /was not signed/);
});

test("fail/a certificate that is no client's", async () => {
  const leaf = await certificate({ extensions: [encodeExtKeyUsage([keyPurposes.serverAuth])] });
  assert.match(complaintAboutPath(leaf, [ca], now) ?? "", /extKeyUsage/);
});
