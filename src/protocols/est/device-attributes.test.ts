import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../core/bytes.ts";
import { signatureAlgorithms } from "../../crypto/algorithms.ts";
import { generateKey, signerOf } from "../../crypto/keys.ts";
import * as der from "../../encoding/der-writer.ts";
import type { RequestRequirements } from "../../pki/csr-attributes-requirements.ts";
import { encodeName, formatName, parseName } from "../../pki/name.ts";
import { attributeTypes, curves, extensionTypes, keyTypes } from "../../pki/oids.ts";
import { encodeSubjectAltName } from "../../pki/standard-extensions.ts";
import type { DeviceKey, KeyKind } from "../ports.ts";
import { keyKindFor, requestContent, requireWantedKey, signerFor } from "./device-attributes.ts";
import type { EstDeviceSettings } from "./device-env.ts";
import { certify, commonName, newAuthority, newKey, serialNumber } from "./fixtures.test-support.ts";

const nothing: RequestRequirements = {
  challengePassword: false,
  keys: [],
  signatureAlgorithms: [],
  subject: [],
  extensions: [],
};
const settings: EstDeviceSettings = {
  server: { host: "est.example", port: 443, trust: { kind: "explicit", anchors: [] } },
  subject: encodeName([commonName("lamp.example")]),
  binding: "auto",
  patience: 0,
};
const failed = (code: string, message?: RegExp) => ({
  name: "EstFailed",
  code,
  ...(message === undefined ? {} : { message }),
});

const ec = (curve?: string) => ({ algorithm: keyTypes.ecPublicKey, ...(curve === undefined ? {} : { curve }) });
const rsa = (bits?: number) => ({ algorithm: keyTypes.rsaEncryption, ...(bits === undefined ? {} : { bits }) });
const { ecdsaWithSha256, ecdsaWithSha384, sha256WithRsa, sha384WithRsa } = signatureAlgorithms;

const chosen: readonly (readonly [string, Partial<RequestRequirements>, KeyKind | undefined, KeyKind])[] = [
  ["nothing asked for", {}, undefined, "P-256"],
  ["nothing asked for, Ed25519 chosen", {}, "Ed25519", "Ed25519"],
  ["any curve", { keys: [ec()] }, undefined, "P-256"],
  ["any curve, P-384 chosen", { keys: [ec()] }, "P-384", "P-384"],
  ["P-384", { keys: [ec(curves["P-384"])] }, undefined, "P-384"],
  ["Ed25519", { keys: [{ algorithm: keyTypes.ed25519 }] }, undefined, "Ed25519"],
  ["RSA of any size", { keys: [rsa()] }, undefined, "RSA-2048"],
  ["RSA of any size, 3072 bits chosen", { keys: [rsa()] }, "RSA-3072", "RSA-3072"],
  ["RSA of 4096 bits", { keys: [rsa(4096)] }, undefined, "RSA-4096"],
  ["one of two", { keys: [{ algorithm: keyTypes.ed448 }, rsa(3072)] }, undefined, "RSA-3072"],
  ["one of two, the other chosen", { keys: [ec(curves["P-384"]), rsa(3072)] }, "RSA-3072", "RSA-3072"],
  ["a signature alone", { signatureAlgorithms: [sha384WithRsa] }, undefined, "RSA-2048"],
  ["a signature that goes with the default", { signatureAlgorithms: [ecdsaWithSha384] }, undefined, "P-256"],
];
for (const [name, asked, kind, expected] of chosen)
  test(`ok/kind of key: ${name}`, () => assert.equal(keyKindFor({ ...nothing, ...asked }, kind), expected));

test("fail/kind of key: the chosen one is not asked for, and none that is asked for is made", () => {
  const p384 = { ...nothing, keys: [ec(curves["P-384"])] };
  assert.throws(() => keyKindFor(p384, "P-256"), failed("key-kind-conflict", /a key on the curve P-384, not .* P-256/));
  const large = { ...nothing, keys: [rsa(8192), ec(curves["P-521"])] };
  assert.throws(
    () => keyKindFor(large, undefined),
    failed("key-kind-unsupported", /an RSA key of 8192 bits or a key on the curve P-521/),
  );
  const unknown = { ...nothing, keys: [ec("1.3.36.3.3.2.8.1.1.7")] };
  assert.throws(() => keyKindFor(unknown, undefined), failed("key-kind-unsupported", /1\.3\.36\.3\.3\.2\.8\.1\.1\.7/));
  const signed = { ...nothing, signatureAlgorithms: [sha256WithRsa] };
  assert.throws(() => keyKindFor(signed, "Ed25519"), failed("key-kind-conflict", /signs by sha256WithRSAEncryption/));
});

test("fail/a kept key of another kind than is asked for; ok/one of the same", () => {
  requireWantedKey({ ...nothing, keys: [ec()] }, newKey());
  assert.throws(
    () => requireWantedKey({ ...nothing, keys: [rsa()] }, newKey()),
    failed("key-kind-conflict", /kept key/),
  );
});

test("ok/signature: its own when that is asked for or nothing is, else another of its type", () => {
  const privateKey = generateKey("P-256");
  const key: DeviceKey = {
    kind: "P-256",
    signer: signerOf(privateKey),
    signerBy: (algorithm) => signerOf(privateKey, algorithm),
  };
  assert.equal(signerFor(nothing, key), key.signer);
  assert.equal(signerFor({ ...nothing, signatureAlgorithms: [ecdsaWithSha384, ecdsaWithSha256] }, key), key.signer);
  const other = signerFor({ ...nothing, signatureAlgorithms: [sha256WithRsa, ecdsaWithSha384] }, key);
  assert.equal(hex(other.algorithm), hex(ecdsaWithSha384.identifier));
  assert.equal(hex(other.publicKey), hex(key.signer.publicKey));
});

test("fail/signature: a key that is kept by something that knows one alone", () => {
  assert.throws(
    () => signerFor({ ...nothing, signatureAlgorithms: [ecdsaWithSha384] }, newKey()),
    failed("signature-unsupported", /ecdsa-with-SHA384, which this device's P-256 key/),
  );
});

test("ok/subject: given values first, the own ones filled in, what is not spoken of stays", () => {
  const own = { ...settings, subject: encodeName([serialNumber("SN-1"), commonName("lamp.example")]) };
  const subject = [
    [{ type: attributeTypes.organizationName, value: der.utf8String("Acme") }],
    [
      { type: attributeTypes.commonName },
      { type: attributeTypes.organizationalUnitName, value: der.utf8String("lab") },
    ],
  ];
  const content = requestContent({ ...nothing, subject }, own);
  assert.match(
    formatName(parseName(content.subject)),
    /^serialNumber=SN-1,(?:CN=lamp.example\+OU=lab|OU=lab\+CN=lamp.example),O=Acme$/,
  );
  assert.equal(hex(requestContent(nothing, own).subject), hex(own.subject));
});

test("ok/subject: a serial number comes from the manufacturer's certificate", async () => {
  const key = newKey();
  const idevid = await certify([serialNumber("SN-9")], key.signer, await newAuthority("maker"));
  const identity = { credential: "idevid", chain: [idevid.raw], key } as const;
  const subject = [[{ type: attributeTypes.serialNumber }]];
  const content = requestContent({ ...nothing, subject }, { ...settings, identity });
  assert.equal(formatName(parseName(content.subject)), "CN=lamp.example,serialNumber=SN-9");
});

for (const [name, type] of [
  ["serialNumber", attributeTypes.serialNumber],
  ["organizationName", attributeTypes.organizationName],
  ["1.2.3.4", "1.2.3.4"],
] as const)
  test(`fail/subject: ${name} is left to a device that has none`, () => {
    assert.throws(
      () => requestContent({ ...nothing, subject: [[{ type }]] }, settings),
      failed("request-not-fillable", new RegExp(`say ${name} in the subject`)),
    );
  });

test("fail/subject: a serial number that cannot be one", async () => {
  const key = newKey();
  const idevid = await certify([commonName("Gerät 9")], key.signer, await newAuthority("maker"));
  const identity = { credential: "idevid", chain: [idevid.raw], key } as const;
  const subject = [[{ type: attributeTypes.serialNumber }]];
  assert.throws(
    () => requestContent({ ...nothing, subject }, { ...settings, identity }),
    failed("request-not-fillable", /serialNumber in the subject: /),
  );
});

test("fail/subject: a value that is no string of its type", () => {
  const subject = [[{ type: attributeTypes.commonName, value: Uint8Array.of(0x0c, 1, 0xff) }]];
  assert.throws(() => requestContent({ ...nothing, subject }, settings), failed("csrattrs-malformed"));
});

test("fail/subjectAltName: a device whose name is no host name and that knows no address", () => {
  const extensions = [{ type: extensionTypes.subjectAltName, critical: false }];
  const nameless = { ...settings, subject: encodeName([commonName("lamp 1")]) };
  assert.throws(
    () => requestContent({ ...nothing, extensions }, nameless),
    failed("request-not-fillable", /subjectAltName/),
  );
  const address = Uint8Array.of(10, 0, 0, 1);
  const { extensions: filled } = requestContent({ ...nothing, extensions }, { ...nameless, addresses: [address] });
  assert.equal(hex(filled[0]?.value as Uint8Array), hex(encodeSubjectAltName([{ kind: "iPAddress", address }]).value));
});

test("fail/binding: asked for, and left out by the settings", () => {
  const linked = { ...nothing, challengePassword: true };
  requestContent(linked, settings);
  assert.throws(
    () => requestContent(linked, { ...settings, binding: "never" }),
    failed("binding-wanted", /--binding auto/),
  );
});
