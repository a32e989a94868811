import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, utf8 } from "../core/bytes.ts";
import { ManualClock } from "../core/clock.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import { sha256 } from "../crypto/mac.ts";
import { encodePem } from "../encoding/pem.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName } from "../pki/name.ts";
import { attributeTypes } from "../pki/oids.ts";
import type { IssuedCertificate } from "../store/records.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { type Revocable, revoke, unrevoke } from "./ca-revocation.ts";

const tenant = "default";
const [first, second, expired, elsewhere] = ["41", "42", "43", "44"].map((octet) => octet.repeat(16));

const key = generateKey("P-256");
const certificates = new Map<string, Uint8Array>();
for (const [authority, serial = ""] of [
  ...[first, second, expired, elsewhere].map((each) => ["issuing-1", each] as const),
  ["upstream", elsewhere] as const,
]) {
  const name = encodeName([{ type: attributeTypes.commonName, value: authority }]);
  const signer = signerOf(key);
  const certificate = await buildCertificate({
    serialNumber: Buffer.from(serial, "hex"),
    issuer: name,
    subject: name,
    publicKey: signer.publicKey,
    notBefore: 0,
    notAfter: 2_000,
    extensions: [],
    signer,
  });
  certificates.set(`${authority} ${serial}`, certificate);
}

function certificateOf(authority = "issuing-1", serial = ""): Uint8Array {
  return certificates.get(`${authority} ${serial}`) ?? new Uint8Array(0);
}

async function house() {
  const clock = new ManualClock(1_000);
  const store = await openSqliteStore(":memory:", { clock });
  const certificate = (serial = "", fields: Partial<IssuedCertificate> = {}) =>
    store.authorities.insertCertificate({
      tenant,
      authority: "issuing-1",
      serial,
      certificate: certificateOf(fields.authority, serial),
      subject: "CN=lamp",
      profile: "device",
      notBefore: 0,
      notAfter: 2_000,
      device: "d1",
      run: "r1",
      ...fields,
    });
  await store.commit([
    store.tenants.ensure({ tenant, created: 0 }),
    store.devices.insert({ tenant, id: "d1", name: "lamp", lifecycle: "operational", created: 0, updated: 0 }),
    store.devices.insert({ tenant, id: "d2", name: "idle", lifecycle: "operational", created: 0, updated: 0 }),
    store.devices.addIdentity({ tenant, kind: "name", value: "lamp", device: "d1", provenBy: "password" }),
    certificate(first),
    certificate(second),
    certificate(expired, { notAfter: 999 }),
    certificate(elsewhere, { device: "d3" }),
    certificate(elsewhere, { device: "d3", authority: "upstream" }),
  ]);
  const acting = { tenant, actor: "ada", store, clock };
  const revoked = async () => {
    const { items } = await store.authorities.certificates(tenant, { revoked: true }, { limit: 9 });
    return items.map(({ serial, revocation }) => [serial, revocation?.reason]);
  };
  const audit = async () => (await store.audit.list(tenant, "newest-first", { limit: 1 })).items[0];
  return { store, acting, revoked, audit };
}

const serial = (text = ""): Revocable => ({ kind: "serial", serial: text });
const pem = (text: string): Revocable => ({ kind: "pem", pem: text });
const device = (name: string): Revocable => ({ kind: "device", device: name });

test("ok/revoke: one certificate by its serial number, as people write it", async () => {
  const { acting, revoked, audit } = await house();
  const colons = first?.toUpperCase().replace(/..(?=.)/g, "$&:");
  assert.deepEqual((await revoke(acting, serial(colons), "keyCompromise")).length, 1);
  assert.deepEqual(await revoked(), [[first, "keyCompromise"]]);
  const line = await audit();
  assert.deepEqual(
    [line?.actor, line?.action, line?.subject, line?.detail],
    ["ada", "revoke", "CN=lamp", { serials: [first], device: "d1", reason: "keyCompromise" }],
  );
});

test("ok/revoke: one certificate by itself, the first of a file", async () => {
  const { acting, revoked } = await house();
  const block = (text = "") => encodePem("CERTIFICATE", certificateOf("issuing-1", text));
  await revoke(acting, pem(block(second) + block(first)), "superseded");
  assert.deepEqual(await revoked(), [[second, "superseded"]]);
});

test("ok/revoke: all current certificates of a device in one commit", async () => {
  const { acting, revoked } = await house();
  await revoke(acting, serial(second), "superseded");
  assert.deepEqual(
    (await revoke(acting, device("lamp"), "keyCompromise")).map((each) => each.serial),
    [first],
  );
  assert.deepEqual(await revoked(), [
    [first, "keyCompromise"],
    [second, "superseded"],
  ]);
});

test("ok/revoke: the key is remembered when it is the key that is not trusted any more, after a hold as well", async () => {
  const { acting, store } = await house();
  const isCompromised = async () =>
    (await store.authorities.compromised(tenant, hex(sha256(signerOf(key).publicKey)))) !== undefined;
  await revoke(acting, serial(second), "superseded");
  await revoke(acting, serial(first), "certificateHold");
  assert.equal(await isCompromised(), false);
  await revoke(acting, serial(first), "keyCompromise");
  assert.equal(await isCompromised(), true);
});

test("ok/hold: lifted, set again, and then made one for good", async () => {
  const { acting, revoked, audit } = await house();
  await revoke(acting, serial(first), "certificateHold");
  assert.equal((await unrevoke(acting, first ?? "")).serial, first);
  assert.deepEqual([await revoked(), (await audit())?.action], [[], "unrevoke"]);
  await revoke(acting, serial(first), "certificateHold");
  await revoke(acting, serial(first), "keyCompromise");
  assert.deepEqual(await revoked(), [[first, "keyCompromise"]]);
});

for (const [what, which, code, message] of [
  ["of no certificate", serial("45".repeat(16)), "not-found", /hatchery ca certificates/],
  ["that is no serial number", serial("lamp"), "invalid", /hexadecimal/],
  ["that two CAs have issued", serial(elsewhere), "conflict", /issuing-1 and upstream/],
  ["of a file without a certificate", pem("x"), "invalid", /holds no certificate/],
  ["of a certificate of others", pem(encodePem("CERTIFICATE", utf8("other"))), "not-found", /not issued here/],
  ["of an unknown device", device("none"), "not-found", /hatchery devices/],
  ["of a device without certificates", device("d2"), "conflict", /neither revoked nor expired/],
] as const)
  test(`fail/revoke: ${what}`, async () => {
    const { acting, revoked } = await house();
    await assert.rejects(revoke(acting, which, "superseded"), { name: "ServiceError", code, message });
    assert.deepEqual(await revoked(), []);
  });

test("fail/revoke: twice, and a hold on what is on hold", async () => {
  const { acting } = await house();
  await revoke(acting, serial(first), "keyCompromise");
  const message = /revoked already since 1970-01-01T00:00:01.000Z for keyCompromise/;
  await assert.rejects(revoke(acting, serial(first), "superseded"), { code: "conflict", message });
  await revoke(acting, serial(second), "certificateHold");
  await assert.rejects(revoke(acting, serial(second), "certificateHold"), { code: "conflict" });
});

test("fail/unrevoke: what is not revoked, and what is for good", async () => {
  const { acting, revoked } = await house();
  await assert.rejects(unrevoke(acting, first ?? ""), { code: "conflict", message: /is not revoked/ });
  await revoke(acting, serial(first), "keyCompromise");
  await assert.rejects(unrevoke(acting, first ?? ""), { code: "conflict", message: /only certificateHold/ });
  assert.deepEqual(await revoked(), [[first, "keyCompromise"]]);
});

test("fail/revoke: somebody else was faster", async () => {
  const { acting, store } = await house();
  const late = {
    ...acting,
    store: { ...store, commit: () => Promise.reject(Object.assign(new Error(), { code: "guard-lost" })) },
  };
  await assert.rejects(revoke(late, serial(first), "superseded"), { code: "conflict", message: /in the meantime/ });
});
