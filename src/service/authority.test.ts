import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../core/bytes.ts";
import { ManualClock } from "../core/clock.ts";
import { type Randomness, seededRandomness } from "../core/randomness.ts";
import { generateKey, privateKeyToDer, signerOf } from "../crypto/keys.ts";
import { sha256 } from "../crypto/mac.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { extensionOf } from "../pki/extensions.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName, equalNames } from "../pki/name.ts";
import { attributeTypes, extensionTypes } from "../pki/oids.ts";
import { validatePath } from "../pki/path.ts";
import { basicConstraintsOf, extKeyUsageOf, keyUsageOf } from "../pki/standard-extensions.ts";
import type { CertificateRequest, Issuance } from "../protocols/ports.ts";
import { migrate } from "../store/migrate.ts";
import { migrations } from "../store/migrations.ts";
import { openSqliteStore, sqliteEngine } from "../store/sqlite.ts";
import { openSqliteConnection } from "../store/sqlite-connection.ts";
import { storeOver } from "../store/store.ts";
import { openAuthority } from "./authority.ts";
import { certifyCa, newSerialNumber } from "./authority-create.ts";
import { setProfile } from "./ca-profiles.ts";
import { beginRollover } from "./ca-rollover.ts";
import { sealedKeyKeeper } from "./key-keeper.ts";
import { unsealed } from "./vault/fixtures.test-support.ts";

const tenant = "default";
const start = Date.UTC(2026, 0, 1);
const day = 24 * 3600 * 1000;

async function house(randomness: Randomness = seededRandomness("authority")) {
  const clock = new ManualClock(start);
  const store = await openSqliteStore(":memory:", { clock });
  await store.commit([store.tenants.ensure({ tenant, created: start })]);
  const parts = { store, clock, randomness, keys: sealedKeyKeeper({ store, vault: unsealed }) };
  return { ...parts, parts, authority: await openAuthority(tenant, parts) };
}

function requestOf(profile = "device"): CertificateRequest {
  const subject = encodeName([{ type: attributeTypes.commonName, value: "lamp" }]);
  return { profile, subject, publicKey: signerOf(generateKey("P-256")).publicKey, run: "r1" };
}

function issued(issuance: Issuance): Issuance & { readonly kind: "issued" } {
  assert.equal(issuance.kind, "issued");
  return issuance as Issuance & { readonly kind: "issued" };
}

test("ok/open: made once, and found again", async () => {
  const { authority, parts, store } = await house();
  const first = await authority.hierarchy();
  const again = await (await openAuthority(tenant, parts)).hierarchy();
  assert.deepEqual(
    again.all.map(({ record }) => record),
    first.all.map(({ record }) => record),
  );
  assert.deepEqual((await store.audit.list(tenant, "oldest-first", { limit: 9 })).items.length, 1);
});

test("ok/open: the CA of a database of the first schema issues, knows its devices and rolls over", async () => {
  const clock = new ManualClock(start);
  const engine = sqliteEngine(openSqliteConnection(":memory:"));
  await migrate(engine, migrations.slice(0, 1), clock);
  const [rootKey, issuingKey] = [generateKey("P-384"), generateKey("P-256")];
  const [rootSigner, issuingSigner] = [signerOf(rootKey), signerOf(issuingKey)];
  const randomness = seededRandomness("first schema");
  const name = (value: string) => encodeName([{ type: attributeTypes.commonName, value }]);
  const span = { notBefore: start, notAfter: start + 3650 * day };
  const ca = (what: string, { publicKey }: { readonly publicKey: Uint8Array }, pathLenConstraint: number) =>
    certifyCa(
      { subject: name(what), publicKey, pathLenConstraint, ...span },
      { name: name("root"), signer: rootSigner },
      randomness,
    );
  const issuing = await ca("issuing", issuingSigner, 0);
  const device = await buildCertificate({
    ...span,
    serialNumber: newSerialNumber(randomness),
    issuer: name("issuing"),
    subject: name("lamp"),
    publicKey: signerOf(generateKey("P-256")).publicKey,
    extensions: [],
    signer: issuingSigner,
  });
  const insert = (table: string, ...parameters: readonly (string | number | Uint8Array)[]) => ({
    sql: `INSERT INTO ${table} VALUES (${parameters.map(() => "?").join()})`,
    parameters,
  });
  await engine.commit([
    insert("tenants", tenant, start),
    insert("sealed_keys", tenant, "root", privateKeyToDer(rootKey)),
    insert("sealed_keys", tenant, "issuing", privateKeyToDer(issuingKey)),
    insert("authorities", tenant, "root", await ca("root", rootSigner, 1), "root", start),
    insert("authorities", tenant, "issuing", issuing, "issuing", start),
    insert(
      "certificates",
      tenant,
      "issuing",
      "4001",
      hex(sha256(device)),
      device,
      "CN=lamp",
      "device",
      0,
      1,
      "d1",
      "r1",
    ),
  ]);
  await migrate(engine, migrations, clock);
  const store = storeOver(engine);
  const parts = { store, clock, randomness, keys: sealedKeyKeeper({ store, vault: unsealed }) };
  const authority = await openAuthority(tenant, parts);
  assert.equal((await authority.status(parseCertificate(device))).kind, "good");
  const { certificate, writes } = issued(await authority.issue(requestOf()));
  await store.commit(writes);
  const [issuer] = await authority.issuers();
  assert.deepEqual(issuer?.raw, issuing);
  const [root, ...others] = await authority.authorities();
  assert.ok(root);
  validatePath({
    chain: [parseCertificate(certificate), ...others],
    anchors: [root],
    at: start,
    profile: "tls-client",
  });
  await beginRollover({ ...parts, tenant, actor: "ada", authority });
  assert.deepEqual(
    (await authority.hierarchy()).all.map(({ record }) => record.name),
    ["issuing-1", "issuing-2", "new-with-old-2", "old-with-new-2", "root-1", "root-2"],
  );
});

test("ok/issue: by its profile, below the root, known as good and then as revoked", async () => {
  const { authority, store } = await house();
  const { certificate: der, writes } = issued(await authority.issue(requestOf()));
  const certificate = parseCertificate(der);
  assert.deepEqual(await authority.status(certificate), { kind: "unknown" });
  await store.commit(writes);
  assert.equal((await authority.status(certificate)).kind, "good");
  const [root, ...others] = await authority.authorities();
  assert.ok(root);
  validatePath({ chain: [certificate, ...others], anchors: [root], at: start, profile: "tls-client" });
  assert.equal(basicConstraintsOf(certificate.extensions)?.cA, false);
  assert.deepEqual(keyUsageOf(certificate.extensions), new Set(["digitalSignature"]));
  const [record] = (await store.authorities.certificates(tenant, {}, { limit: 9 })).items;
  assert.equal(record?.authority, "issuing-1");
  await store.commit([store.authorities.revoke(tenant, "issuing-1", record.serial, start, "superseded")]);
  assert.deepEqual(await authority.status(certificate), { kind: "revoked", reason: "superseded", at: start });
});

test("ok/issue: no certificate outlives the CA, unless its profile says that it has no end", async () => {
  const { authority, store, clock } = await house();
  const acting = { tenant, actor: "ada", store, clock };
  await setProfile(acting, "long", { lifetime: 36_525 * day });
  await setProfile(acting, "endless", { lifetime: "endless", extKeyUsage: [], backdate: 0 });
  const { issuing } = await authority.hierarchy();
  const long = parseCertificate(issued(await authority.issue(requestOf("long"))).certificate);
  assert.equal(long.notAfter, issuing.certificate.notAfter);
  const endless = parseCertificate(issued(await authority.issue(requestOf("endless"))).certificate);
  assert.deepEqual([endless.notBefore, endless.notAfter], [start, Date.UTC(9999, 11, 31, 23, 59, 59)]);
  assert.equal(extKeyUsageOf(endless.extensions), undefined);
  assert.equal(extensionOf(endless.extensions, extensionTypes.subjectAltName), undefined);
});

test("fail/issue: under a profile that is gone", async () => {
  const { authority } = await house();
  await assert.rejects(authority.issue(requestOf("gone")), { code: "not-found", message: /hatchery ca profile list/ });
});

test("fail/serial numbers: one that was issued before loses its guard, and another draw is another number", async () => {
  const random = seededRandomness("authority");
  let repeated: Uint8Array | undefined;
  const { authority, store } = await house({ bytes: (length) => repeated ?? random.bytes(length) });
  repeated = random.bytes(16);
  const [first, second] = [issued(await authority.issue(requestOf())), issued(await authority.issue(requestOf()))];
  const serials = [first, second].map(({ certificate }) => parseCertificate(certificate).serialNumber);
  assert.deepEqual(serials[0], serials[1]);
  await store.commit(first.writes);
  await assert.rejects(store.commit(second.writes), { code: "guard-lost" });
  repeated = undefined;
  await store.commit(issued(await authority.issue(requestOf())).writes);
});

test("ok/hierarchy: what another process changes is seen a second later", async () => {
  const { authority, parts, clock, store } = await house();
  const other = await openAuthority(tenant, parts);
  await beginRollover({ ...parts, tenant, actor: "ada", authority: other });
  assert.equal((await other.hierarchy()).all.length, 6);
  assert.equal((await authority.hierarchy()).all.length, 2);
  clock.advance(1000);
  assert.equal((await authority.hierarchy()).all.length, 6);
  const { items } = await store.audit.list(tenant, "newest-first", { limit: 1 });
  assert.equal(items[0]?.action, "ca-rollover-begin");
});

test("ok/hierarchy: a tenant that another process has made anew has other CAs with the same names", async () => {
  const { authority, parts, clock, store } = await house();
  await authority.issue(requestOf());
  await store.commit([store.tenants.remove(tenant), store.tenants.ensure({ tenant, created: start })]);
  const other = await openAuthority(tenant, parts);
  clock.advance(1000);
  const { certificate } = issued(await authority.issue(requestOf()));
  const { root, issuing } = await other.hierarchy();
  const chain = [parseCertificate(certificate), issuing.certificate];
  const path = validatePath({ chain, anchors: [root.certificate], at: clock.now(), profile: "tls-client" });
  assert.equal(path.path.length, 2);
});

test("fail/signer: a CA whose key is another one by now", async () => {
  const { authority, parts, store } = await house();
  const { issuing } = await authority.hierarchy();
  await store.commit([store.tenants.remove(tenant), store.tenants.ensure({ tenant, created: start })]);
  const other = await openAuthority(tenant, parts);
  await assert.rejects(other.signer(issuing), { code: "overloaded", message: /^issuing-1 was replaced a moment ago/ });
});

test("fail/roll-over: two begin at the same time", async () => {
  const { authority, parts } = await house();
  const other = await openAuthority(tenant, parts);
  const begun = [authority, other].map((each) => beginRollover({ ...parts, tenant, actor: "ada", authority: each }));
  const outcomes = await Promise.allSettled(begun);
  assert.deepEqual(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  const lost = outcomes.find((outcome) => outcome.status === "rejected");
  assert.equal(lost?.reason.code, "conflict");
  assert.equal((await authority.hierarchy()).all.length, 6);
});

test("fail/end: a CA that has ended issues nothing, and a root that has ended is not rolled over", async () => {
  const { authority, parts, clock } = await house();
  clock.advance(11 * 365 * day);
  await assert.rejects(authority.issue(requestOf()), {
    code: "overloaded",
    message: /^issuing-1 has ended; move on with: hatchery ca rollover begin, or set the clock of this machine/,
  });
  // The service still starts, so that its operator can do something about it.
  const { subject, publicKey } = requestOf();
  const own = parseCertificate(await authority.issueOwn("server", subject, publicKey, []));
  assert.equal(Math.round((own.notAfter - clock.now()) / day), 90);
  clock.advance(20 * 365 * day);
  const begun = beginRollover({ ...parts, tenant, actor: "ada", authority });
  await assert.rejects(begun, { code: "conflict", message: /root-1 has ended/ });
});

test("ok/roll-over: the four roots vouch for one another, and all keep their name", async () => {
  const { authority, parts, clock } = await house();
  const before = await authority.hierarchy();
  clock.advance(100 * day);
  await beginRollover({ ...parts, tenant, actor: "ada", authority });
  const { all, published, chain } = await authority.hierarchy();
  const named = (name: string) => {
    const found = all.find(({ record }) => record.name === name);
    assert.ok(found, name);
    return found.certificate;
  };
  const [old, next] = [named("root-1"), named("root-2")];
  assert.deepEqual(old.raw, before.root.certificate.raw);
  for (const name of ["root-2", "old-with-new-2", "new-with-old-2"])
    assert.ok(equalNames(named(name).subject, old.subject));
  // RFC 4210 4.4.1.
  const span = (name: string) => [named(name).notBefore, named(name).notAfter];
  assert.deepEqual(span("old-with-new-2"), span("root-1"));
  assert.deepEqual(span("new-with-old-2"), [next.notBefore, old.notAfter]);
  for (const [anchor, certificates] of [
    [old, [named("root-2"), named("issuing-2"), named("issuing-1")]],
    [next, [named("root-1"), named("issuing-1"), named("issuing-2")]],
  ] as const) {
    for (const certificate of certificates) {
      const rest = published.filter((each) => each !== certificate && each !== anchor);
      validatePath({ chain: [certificate, ...rest], anchors: [anchor], at: clock.now(), profile: "ca" });
    }
  }
  assert.deepEqual(chain, [named("issuing-1"), named("old-with-new-2")]);
  const outsider = { chain: [next], anchors: [old], at: clock.now(), profile: "ca" } as const;
  assert.throws(() => validatePath(outsider), { name: "PathError" });
});

test("fail/roll-over: a root whose key is elsewhere", async () => {
  const { authority, parts, store } = await house();
  const { all } = await authority.hierarchy();
  const root = all.find(({ record }) => record.role === "root")?.record;
  assert.ok(root);
  const { key: _, ...foreign } = { ...root, name: "root-foreign", origin: "imported" } as const;
  await store.commit([
    store.authorities.setState(tenant, "root-1", "active", "ended"),
    store.authorities.insert(foreign),
  ]);
  authority.refresh();
  const begun = beginRollover({ ...parts, tenant, actor: "ada", authority });
  await assert.rejects(begun, { code: "not-found", message: /root-foreign is not kept here/ });
  authority.refresh();
  assert.equal((await authority.hierarchy()).all.length, 3);
});
