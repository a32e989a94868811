import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../core/bytes.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import * as der from "../encoding/der-writer.ts";
import type { Certificate } from "./certificate.ts";
import type { PathErrorCode } from "./errors.ts";
import { encodeName } from "./name.ts";
import { attributeTypes, extensionTypes, keyPurposes } from "./oids.ts";
import { ca, day, endEntity, issue, now, type Party, party, refuses as refusesPath } from "./path.test-support.ts";
import { type PathInput, validatePath } from "./path.ts";
import type { Profile } from "./path-profiles.ts";
import { encodeBasicConstraints, encodeExtKeyUsage, encodeKeyUsage } from "./standard-extensions.ts";

const [root, middle, low, device, stranger] = ["Root", "Middle", "Low", "Device", "Stranger"].map(party) as [
  Party,
  Party,
  Party,
  Party,
  Party,
];
const rootCertificate = await ca(root, root);
const middleCertificate = await ca(root, middle);
const lowCertificate = await ca(middle, low);
const leaf = await endEntity(low, device);

const input: PathInput = {
  chain: [leaf, lowCertificate, middleCertificate],
  anchors: [rootCertificate],
  at: now,
  profile: "tls-client",
};

function refuses(code: PathErrorCode, changes: Partial<PathInput>): void {
  refusesPath(code, { ...input, ...changes });
}

test("ok/a path over two intermediates to a root", () => {
  const { path, anchor, signaturesVerified } = validatePath(input);
  assert.deepEqual(path, [leaf, lowCertificate, middleCertificate]);
  assert.equal(anchor, rootCertificate);
  assert.equal(signaturesVerified, 3);
});

test("ok/the order, doubles and strangers among the others do not matter", async () => {
  const foreign = await ca(stranger, stranger);
  const chain = [leaf, foreign, middleCertificate, rootCertificate, lowCertificate, lowCertificate, leaf];
  assert.equal(validatePath({ ...input, chain }).path.length, 3);
});

test("ok/an intermediate that is registered ends the path", () => {
  const { path, anchor, signaturesVerified } = validatePath({ ...input, anchors: [rootCertificate, lowCertificate] });
  assert.deepEqual(path, [leaf]);
  assert.equal(anchor, lowCertificate);
  assert.equal(signaturesVerified, 1);
});

test("ok/a CA with two keys under one name, told apart by key identifier or by signature", async () => {
  const second = { name: root.name, signer: signerOf(generateKey("P-256")) };
  const secondCertificate = await ca(second, second);
  const anchors = [secondCertificate, rootCertificate];
  assert.equal(validatePath({ ...input, anchors }).signaturesVerified, 3);
  const unmarked = await issue(root, device, {}, []);
  const { anchor, signaturesVerified } = validatePath({ ...input, chain: [unmarked], anchors });
  assert.equal(anchor, rootCertificate);
  assert.equal(signaturesVerified, 2);
});

test("ok/names are matched by RFC 5280 7.1", async () => {
  const spelled = { ...root, name: encodeName([{ type: attributeTypes.commonName, value: " ROOT " }]) };
  assert.equal(validatePath({ ...input, chain: [await endEntity(spelled, device)] }).anchor, rootCertificate);
});

test("ok/dates are inclusive and are not checked without a clock", async () => {
  const { notBefore, notAfter } = leaf;
  for (const at of [notBefore, notAfter, notAfter + 999]) assert.ok(validatePath({ ...input, at }));
  assert.ok(validatePath({ ...input, at: undefined }));
  const endless = await endEntity(root, device, { notAfter: 253_402_300_799_000 });
  const anchors = [await ca(root, root, { notAfter: 253_402_300_799_000 })];
  assert.ok(validatePath({ ...input, chain: [endless], anchors, at: Date.UTC(9999, 11, 31) }));
});

test("fail/dates of each certificate, the anchor's too", async () => {
  const expired = { notBefore: now - 3 * day, notAfter: now - day };
  const early = { notBefore: now + day / 2 };
  refuses("expired", { at: leaf.notAfter + 1000 });
  refuses("not-yet-valid", { at: leaf.notBefore - 1 });
  refuses("expired", { chain: [leaf, await ca(middle, low, expired), middleCertificate] });
  refuses("not-yet-valid", { chain: [leaf, await ca(middle, low, early), middleCertificate] });
  refuses("expired", { anchors: [await ca(root, root, expired)] });
});

test("fail/no path", async () => {
  refuses("no-path", { chain: [] });
  refuses("no-path", { anchors: [] });
  refuses("no-path", { chain: [leaf] });
  refuses("no-path", { chain: [leaf, lowCertificate] });
  refuses("no-path", { anchors: [await ca(stranger, stranger)] });
  // A self-signed certificate that nobody registered, and an anchor that vouches for itself only.
  refuses("no-path", { chain: [await endEntity(device, device)] });
  refuses("no-path", { chain: [leaf], anchors: [leaf] });
});

test("fail/signatures", async () => {
  const pretender = { ...root, signer: stranger.signer };
  refuses("bad-signature", { chain: [await endEntity(pretender, device)] });
  const forged = await ca({ ...middle, signer: stranger.signer }, low);
  refuses("bad-signature", { chain: [leaf, forged, middleCertificate] });
});

test("fail/signature algorithms and keys", async () => {
  const sha1 = der.sequence([der.objectIdentifier("1.2.840.113549.1.1.5"), der.nullValue()]);
  const signer = { ...root.signer, algorithm: sha1 };
  refuses("unsupported-algorithm", { chain: [await endEntity({ ...root, signer }, device)] });
  const modulus = der.unsignedInteger(new Uint8Array(128).fill(0xc1));
  const weak = der.sequence([
    der.sequence([der.objectIdentifier("1.2.840.113549.1.1.1"), der.nullValue()]),
    der.bitString(der.sequence([modulus, der.integer(65_537)])),
  ]);
  refuses("unsupported-key", {
    chain: [await endEntity(root, device)],
    anchors: [await ca(root, root, { publicKey: weak })],
  });
  for (const profile of ["tls-client", "tls-server", "idevid"] as const)
    refuses("unsupported-key", { chain: [await endEntity(root, device, { publicKey: weak })], profile });
  refuses("unsupported-key", { chain: [await ca(root, middle, { publicKey: weak })], profile: "ca" });
});

test("fail/issuers that are no CA", async () => {
  const notCa = encodeBasicConstraints({ cA: false });
  refuses("not-a-ca", { chain: [leaf, await ca(middle, low, { extensions: [notCa] }), middleCertificate] });
  refuses("not-a-ca", { chain: [leaf, await endEntity(middle, low), middleCertificate] });
  refuses("not-a-ca", { anchors: [await endEntity(root, root)] });
  const signsNothing = encodeKeyUsage(["cRLSign"]);
  refuses("key-usage", { chain: [leaf, await ca(middle, low, { extensions: [signsNothing] }), middleCertificate] });
  refuses("key-usage", { anchors: [await ca(root, root, { extensions: [signsNothing] })] });
});

test("ok/pathLenConstraint counts the CAs below, self-issued ones apart", async () => {
  const limited = (pathLenConstraint: number) => ({
    extensions: [encodeBasicConstraints({ cA: true, pathLenConstraint })],
  });
  assert.ok(validatePath({ ...input, anchors: [await ca(root, root, limited(2))] }));
  refuses("path-too-long", { anchors: [await ca(root, root, limited(1))] });
  const middleZero = await ca(root, middle, limited(0));
  refuses("path-too-long", { chain: [leaf, lowCertificate, middleZero] });
  const direct = await endEntity(middle, device);
  assert.ok(validatePath({ ...input, chain: [direct, middleZero] }));
  // A CA that changes its key issues to itself (RFC 5280 3.2).
  const rolled = { name: middle.name, signer: signerOf(generateKey("Ed25519")) };
  const rollOver = await ca(middle, rolled);
  assert.ok(validatePath({ ...input, chain: [await endEntity(rolled, device), rollOver, middleZero] }));
});

test("fail/critical extensions that are not processed", async () => {
  const unknown = { type: "1.3.6.1.4.1.32473.9", critical: true, value: der.sequence([]) };
  const changes = { extensions: [unknown] };
  refuses("critical-extension", { chain: [await endEntity(root, device, changes)] });
  refuses("critical-extension", { chain: [leaf, await ca(middle, low, changes), middleCertificate] });
  refuses("critical-extension", { anchors: [await ca(root, root, changes)] });
  const harmless = { extensions: [{ ...unknown, critical: false }] };
  assert.ok(validatePath({ ...input, chain: [await endEntity(root, device, harmless)] }));
});

test("ok/purposes by keyUsage and extKeyUsage", async () => {
  const { clientAuth, serverAuth, cmcRA, anyExtendedKeyUsage } = keyPurposes;
  const withPurposes = (...purposes: string[]) =>
    endEntity(root, device, { extensions: [encodeExtKeyUsage(purposes)] });
  const accepts = async (profile: Profile, certificate: Certificate) =>
    assert.ok(validatePath({ ...input, profile, chain: [certificate] }));
  await accepts("tls-client", await withPurposes(clientAuth));
  await accepts("tls-client", await withPurposes(anyExtendedKeyUsage));
  await accepts("tls-server", await withPurposes(serverAuth, cmcRA));
  await accepts("idevid", await withPurposes(cmcRA));
  await accepts("ca", middleCertificate);
  refuses("key-usage", { chain: [await withPurposes(serverAuth)] });
  refuses("key-usage", { profile: "tls-server", chain: [await withPurposes(clientAuth)] });
  const cannotSign = encodeKeyUsage(["keyAgreement"]);
  refuses("key-usage", { chain: [await endEntity(root, device, { extensions: [cannotSign] })] });
  refuses("key-usage", { profile: "idevid", chain: [await endEntity(root, device, { extensions: [cannotSign] })] });
  refuses("not-a-ca", { profile: "ca" });
  // Neither extension: everything is allowed.
  await accepts("tls-server", await issue(root, device, {}, []));
});

test("fail/an intermediate for another purpose", async () => {
  const forServers = encodeExtKeyUsage([keyPurposes.serverAuth]);
  const chain = [leaf, await ca(middle, low, { extensions: [forServers] }), middleCertificate];
  refuses("key-usage", { chain });
  assert.ok(validatePath({ ...input, chain, profile: "tls-server" }));
});

test("fail/malformed extensions", async () => {
  const malformed = [{ type: extensionTypes.keyUsage, critical: true, value: der.nullValue() }];
  refuses("malformed-extension", { chain: [await endEntity(root, device, { extensions: malformed })] });
  refuses("malformed-extension", {
    chain: [leaf, await ca(middle, low, { extensions: malformed }), middleCertificate],
  });
});

test("fail/a malformed subjectAltName, critical or not", async () => {
  for (const critical of [true, false]) {
    const malformed = [{ type: extensionTypes.subjectAltName, critical, value: utf8("device.example") }];
    refuses("malformed-extension", { chain: [await endEntity(root, device, { extensions: malformed })] });
    refuses("malformed-extension", { anchors: [await ca(root, root, { extensions: malformed })] });
  }
});

test("ok/the error is the one of the path that came furthest", async () => {
  const pretender = await ca({ ...middle, signer: stranger.signer }, low);
  refuses("no-path", { chain: [leaf, pretender, lowCertificate] });
  assert.throws(() => validatePath({ ...input, chain: [leaf, lowCertificate], anchors: [] }), {
    details: { issuer: "CN=Middle" },
  });
});
