import assert from "node:assert/strict";
import { hash } from "node:crypto";
import type { Write } from "../../core/write.ts";
import { emptyChain } from "../audit-chain.ts";
import type { Store } from "../store.ts";
import {
  anchor,
  approval,
  auditEntry,
  authority,
  bytes,
  certificate,
  crl,
  device,
  estUser,
  identity,
  type Open,
  profile,
  rule,
  run,
  sealedKey,
  session,
  storeTest,
} from "./fixtures.test-suite.ts";

/** Two tenants whose records have the same names: no read and no removal of one ever touches the other. */
export function isolationConformance(open: Open): void {
  storeTest(open, "ok/isolation: every read answers from its tenant alone", async (store) => {
    const empty = await readEverything(store, "a");
    await store.commit(everything(store, "b"));
    assert.deepEqual(await readEverything(store, "a"), empty);
    await store.commit(everything(store, "a"));
    for (const tenant of ["a", "b"]) {
      for (const [name, answer] of Object.entries(await readEverything(store, tenant)))
        assert.deepEqual(tenantsIn(answer), [tenant], name);
    }
  });

  storeTest(open, "ok/isolation: every read of the store is among those checked", async (store) => {
    const { commit: _, cleanUp: __, close: ___, ...groups } = store;
    const methods = Object.entries(groups).flatMap(([group, methods]) =>
      Object.keys(methods).map((method) => `${group}.${method}`),
    );
    const reads = Object.keys(await readEverything(store, "a"));
    assert.deepEqual(
      methods.filter((name) => !changes.has(name) && !ofTheService.has(name) && !reads.includes(name)),
      ["tenants.list"],
    );
  });

  storeTest(open, "ok/isolation: removing a tenant removes all that it has, and nothing else", async (store) => {
    const empty = await readEverything(store, "a");
    await store.commit([...everything(store, "a"), ...everything(store, "b")]);
    const ofB = await readEverything(store, "b");
    await store.commit([store.tenants.remove("a")]);
    assert.deepEqual(await readEverything(store, "a"), empty);
    assert.deepEqual(await readEverything(store, "b"), ofB);
    assert.deepEqual((await store.tenants.list({ limit: 9 })).items, [{ tenant: "b", created: 1 }]);
    await store.commit([store.tenants.remove("a")]);
  });
}

/** One record of every kind, with the same names in each tenant. */
export function everything(store: Store, tenant: string): readonly Write[] {
  const of = { tenant };
  return [
    store.devices.insert(device("d1", of)),
    store.devices.addIdentity(identity("d1", "SN-1", of)),
    store.policy.addAnchor(anchor("1", of)),
    store.policy.appendRule(rule("1", of)),
    store.approvals.insert(approval("1", of)),
    store.estUsers.put(estUser("zoe", of), [{ algorithm: "MD5", sealed: bytes("digest") }]),
    store.authorities.addKey(sealedKey("root-key", of)),
    store.authorities.insert(authority("root", of)),
    store.authorities.insertCertificate(certificate("01", of)),
    store.authorities.insertCertificate(certificate("02", { ...of, authority: "other", device: "d2" })),
    store.authorities.insertCertificate(certificate("03", { ...of, authority: "other", notBefore: 11, device: "d2" })),
    store.authorities.revoke(tenant, "other", "02", 11, "keyCompromise", "k1"),
    store.authorities.saveCrl(crl(1, of)),
    store.profiles.put(profile("lamps", of)),
    store.sessions.create(session("k", of), 10),
    store.runs.save(run("1", of)),
    store.runs.putDeviceLedger({ tenant, run: "1", ledger: bytes("ledger") }),
    store.audit.append(auditEntry("claim", of)),
  ];
}

/** The answer of every read that is asked for a tenant, by the name of the method. */
export async function readEverything(store: Store, tenant: string): Promise<Readonly<Record<string, unknown>>> {
  const page = { limit: 9 };
  const fingerprint = hash("sha256", certificate("01").certificate, "hex");
  const reads = {
    "devices.find": store.devices.find(tenant, "d1"),
    "devices.identity": store.devices.identity(tenant, "serial", "SN-1"),
    "devices.findByIdentity": store.devices.findByIdentity(tenant, "serial", "SN-1"),
    "devices.identified": store.devices
      .identified(tenant, [{ kind: "serial", value: "SN-1" }])
      .then(([found]) => found?.identity),
    "devices.list": store.devices.list(tenant, page),
    "devices.list with search": store.devices.list(tenant, page, "SN"),
    "devices.identities": store.devices.identities(tenant, "d1", page),
    "policy.anchor": store.policy.anchor(tenant, "1"),
    "policy.anchors": store.policy.anchors(tenant, page),
    "policy.rules": store.policy.rules(tenant, page),
    "approvals.find": store.approvals.find(tenant, "1"),
    "approvals.findBySubject": store.approvals.findBySubject(tenant, "est", "subject-1"),
    "approvals.findByRun": store.approvals.findByRun(tenant, "run-1"),
    "approvals.countPending": store.approvals.countPending(tenant).then((count) => Array(count).fill({ tenant })),
    "approvals.pending": store.approvals.pending(tenant, page),
    "estUsers.find": store.estUsers.find(tenant, "zoe"),
    "estUsers.list": store.estUsers.list(tenant, page),
    "estUsers.digestAlgorithms": store.estUsers
      .digestAlgorithms(tenant)
      .then(({ length }) => Array(length).fill({ tenant })),
    "authorities.key": store.authorities.key(tenant, "root-key"),
    "authorities.keysUnder": store.authorities.keysUnder(tenant, "root-"),
    "authorities.list": store.authorities.list(tenant, page),
    "authorities.certificate": store.authorities.certificate(tenant, "issuing", "01"),
    "authorities.certificateByFingerprint": store.authorities.certificateByFingerprint(tenant, fingerprint),
    "authorities.certificatesOf": store.authorities.certificatesOf(tenant, "d1", page),
    "authorities.certificatesBySerial": store.authorities.certificatesBySerial(tenant, "01"),
    "authorities.certificates": store.authorities.certificates(tenant, { revoked: false, device: "d1" }, page),
    "authorities.certificates with filters": store.authorities.certificates(
      tenant,
      { device: "d2", authority: "other", revoked: true, endsFrom: 0, endsBefore: 100, latestAt: 100 },
      page,
    ),
    "authorities.countHolders": store.authorities
      .countHolders(tenant, ["issuing"], 0)
      .then(({ held }) => Array(held).fill({ tenant })),
    "authorities.replacedAmong": store.authorities.replacedAmong(
      tenant,
      [certificate("02", { tenant, authority: "other", device: "d2" })],
      0,
    ),
    "authorities.compromised": store.authorities.compromised(tenant, "k1"),
    "authorities.revokedOf": store.authorities.revokedOf(tenant, "other", page),
    "authorities.revocationChanges": store.authorities
      .revocationChanges(tenant, "other")
      .then((changes) => Array(changes).fill({ tenant })),
    "authorities.latestCrl": store.authorities.latestCrl(tenant, "issuing"),
    "profiles.find": store.profiles.find(tenant, "lamps"),
    "profiles.findByLabel": store.profiles.findByLabel(tenant, "est", "label-lamps"),
    "profiles.list": store.profiles.list(tenant, page),
    "sessions.load": store.sessions.load(tenant, "est", "k", 10),
    "runs.find": store.runs.find(tenant, "1"),
    "runs.list": store.runs.list(tenant, {}, page),
    "runs.list with filters": store.runs.list(tenant, { device: "d1", outcome: "granted", protocol: "est" }, page),
    "runs.deviceLedger": store.runs.deviceLedger(tenant, "1"),
    "audit.list": store.audit.list(tenant, "newest-first", page),
    "audit.head": store.audit.head(tenant).then((head) => head && { tenant, ...head }),
    "audit.hashAt": store.audit.hashAt(tenant, 1).then((hash) => hash && { tenant, hash }),
    "audit.verify": store.audit.verify(tenant, emptyChain).then(({ head }) => Array(head.sequence).fill({ tenant })),
  };
  const answers = await Promise.all(Object.values(reads));
  return Object.fromEntries(Object.keys(reads).map((name, index) => [name, answers[index]]));
}

/** The tenants of all records in an answer. */
function tenantsIn(answer: unknown): readonly string[] {
  const records = Array.isArray(answer) ? answer : ((answer as { items?: readonly unknown[] }).items ?? [answer]);
  return records.map((record) => (record as { tenant: string }).tenant);
}

/** What belongs to no tenant: the vault seals for all of them. */
const ofTheService: ReadonlySet<string> = new Set([
  "vaultKeys.list",
  "vaultKeys.insert",
  "vaultKeys.replace",
  "vaultKeys.remove",
  "vaultKeys.requireKeyOf",
  "vaultKeys.count",
  "vaultKeys.anySealed",
  "vaultKeys.sealedWith",
]);

const changes = new Set([
  "tenants.ensure",
  "tenants.remove",
  "devices.insert",
  "devices.update",
  "devices.addIdentity",
  "policy.addAnchor",
  "policy.removeAnchor",
  "policy.appendRule",
  "policy.removeRule",
  "approvals.insert",
  "approvals.decide",
  "approvals.use",
  "approvals.withdraw",
  "approvals.expire",
  "approvals.removeEndedBefore",
  "estUsers.put",
  "estUsers.remove",
  "authorities.addKey",
  "authorities.resealKey",
  "authorities.removeKey",
  "authorities.insert",
  "authorities.insertCertificate",
  "authorities.setState",
  "authorities.revoke",
  "authorities.unrevoke",
  "authorities.requireGood",
  "authorities.saveCrl",
  "profiles.put",
  "profiles.remove",
  "sessions.create",
  "sessions.save",
  "sessions.remove",
  "sessions.removeExpired",
  "runs.save",
  "runs.putDeviceLedger",
  "runs.endWaiting",
  "runs.removeEndedBefore",
  "runs.trimRefused",
  "audit.append",
]);
