import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import { keyPurposes } from "../pki/oids.ts";
import type { Evidence } from "../protocols/ports.ts";
import type { Lifecycle, Rule } from "../store/records.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { admissionOf } from "./admission.ts";
import { idevid, unproven } from "./evidence.test-support.ts";
import { claimSerial } from "./inventory.ts";
import { describeMatch, matches } from "./rules.ts";

const tenant = "default";
const clock = new ManualClock(1_000);

const anonymous: Evidence = { ...unproven, credential: "anonymous", proven: false, name: "lamp" };
const password: Evidence = { ...unproven, credential: "password", name: "lamp" };

async function house(): Promise<{
  store: Store;
  decide: (evidence: Evidence) => ReturnType<ReturnType<typeof admissionOf>["decide"]>;
  admit: (evidence: Evidence) => Promise<string>;
}> {
  const store = await openSqliteStore(":memory:", { clock });
  await store.commit([store.tenants.ensure({ tenant, created: 1 })]);
  const { decide } = admissionOf(tenant, { store, clock, randomness: seededRandomness("admission") });
  return {
    store,
    decide,
    async admit(evidence) {
      const { verdict, writes, device } = await decide(evidence);
      assert.equal(verdict, "allow");
      await store.commit(writes);
      return device ?? assert.fail("an admitted device is in the inventory");
    },
  };
}

let rules = 0;
function rule(store: Store, verdict: Rule["verdict"], match: Rule["match"]) {
  rules += 1;
  return store.commit([store.policy.appendRule({ tenant, id: `rule-${rules}`, verdict, match, created: 1 })]);
}

test("fail/default: a proven device that nobody claimed, and one that proves nothing", async () => {
  const { decide } = await house();
  const unclaimed = await decide(idevid);
  assert.deepEqual([unclaimed.verdict, unclaimed.rule], ["deny", "default"]);
  assert.match(unclaimed.reason, /SN-1 of acme is not claimed; claim it or add a rule/);
  assert.deepEqual([(await decide(anonymous)).verdict, (await decide(anonymous)).rule], ["deny", "default"]);
});

test("ok/claimed: the device becomes operational, with the identities that were proven", async () => {
  const { store, decide, admit } = await house();
  const claimed = await claimSerial(store, tenant, "SN-1", "ada", clock, seededRandomness("claim"));
  assert.equal((await decide(idevid)).rule, "claimed");
  assert.equal(await admit(idevid), claimed.id);
  assert.equal((await store.devices.find(tenant, claimed.id))?.lifecycle, "operational");
  const { items } = await store.devices.identities(tenant, claimed.id, { limit: 9 });
  assert.deepEqual(
    items.map(({ kind, value, provenBy }) => [kind, value, provenBy]),
    [
      ["certificate", "c1", "idevid"],
      ["key", "k1", "idevid"],
      ["serial", "SN-1", "idevid"],
    ],
  );
});

test("fail/a device that proves nothing does not get what is claimed for a serial number", async () => {
  const { store, decide } = await house();
  await claimSerial(store, tenant, "SN-1", "ada", clock, seededRandomness("claim"));
  assert.equal((await decide({ ...anonymous, name: "SN-1" })).verdict, "deny");
});

test("ok/rules: the first that matches decides, before everything built in", async () => {
  const { store, decide } = await house();
  await claimSerial(store, tenant, "SN-1", "ada", clock, seededRandomness("claim"));
  await rule(store, "allow", { issuer: "acme", serial: "SN-9*" });
  assert.equal((await decide(idevid)).rule, "claimed");
  await rule(store, "deny", { issuer: "ac*" });
  await rule(store, "allow", { serial: "SN-1" });
  const denied = await decide(idevid);
  assert.equal(denied.verdict, "deny");
  assert.match(denied.reason, /^rule rule-\d+ says deny to any device of ac\*$/);
  assert.equal((await decide({ ...idevid, serial: "SN-99", name: "SN-99" })).verdict, "allow");
});

const conditions: readonly (readonly [Rule["match"], Evidence, boolean])[] = [
  [{}, anonymous, true],
  [{ protocol: "est" }, idevid, true],
  [{ protocol: "brski" }, idevid, false],
  [{ profile: "device" }, idevid, true],
  [{ profile: "gateways" }, idevid, false],
  [{ credential: "anonymous" }, idevid, false],
  [{ credential: "idevid", issuer: "acme", serial: "SN-*" }, idevid, true],
  [{ issuer: "acm" }, idevid, false],
  // What a device only says of itself is no serial number.
  [{ serial: "*" }, anonymous, false],
  [{ issuer: "*" }, password, false],
];

for (const [match, evidence, expected] of conditions) {
  test(`ok/match: ${evidence.credential} ${expected ? "is" : "is not"} ${describeMatch(match)} ${JSON.stringify(match)}`, () => {
    assert.equal(matches({ verdict: "deny", match }, evidence), expected);
  });
}

test("ok/wait: asks a person once, then does what the person said, once", async () => {
  const { store, decide, admit } = await house();
  await rule(store, "wait", { credential: "anonymous" });
  const first = await decide(anonymous);
  assert.deepEqual([first.verdict, first.retryAfter, first.writes.length], ["wait", 5, 1]);
  await store.commit(first.writes);
  assert.deepEqual((await decide(anonymous)).writes, []);
  const [approval] = (await store.approvals.pending(tenant, { limit: 9 })).items;
  assert.ok(approval);
  assert.deepEqual([approval.evidence["name"], approval.evidence["profile"]], ["lamp", "device"]);
  assert.equal("subject" in approval.evidence, false);
  await store.commit([
    store.approvals.decide(tenant, approval.id, { state: "approved", decided: 2, decidedBy: "ada" }),
  ]);
  const approved = await decide(anonymous);
  assert.deepEqual([approved.verdict, approved.decidedBy, approved.reason], ["allow", "ada", "approved by ada"]);
  await admit(anonymous);
  assert.equal((await decide({ ...anonymous, run: "run-2" })).verdict, "wait");
});

test("fail/privileged: whoever may enrol a name does not choose by a label what it is trusted for", async () => {
  const { store, decide } = await house();
  const put = (name: string, settings: Readonly<Record<string, unknown>>) =>
    store.commit([store.profiles.put({ tenant, name, protocol: "est", label: name, settings })]);
  await put("plain", { extKeyUsage: [keyPurposes.clientAuth, "1.3.6.1.5.5.7.3.17"] });
  await put("names", { registrationAuthority: "*" });
  await put("none", { extKeyUsage: [] });
  const { clientAuth, ...others } = keyPurposes;
  for (const [name, purpose] of Object.entries(others)) await put(name, { extKeyUsage: [clientAuth, purpose] });
  await claimSerial(store, tenant, "SN-1", "ada", clock, seededRandomness("claim"));
  const shown: readonly Evidence[] = [password, { ...password, credential: "psk" }, idevid];
  for (const evidence of shown) {
    assert.equal((await decide({ ...evidence, profile: "plain" })).verdict, "allow");
    for (const profile of ["names", "none", "nowhere", ...Object.keys(others)]) {
      const { verdict, reason } = await decide({ ...evidence, profile });
      assert.deepEqual([verdict, profile], ["deny", profile]);
      assert.match(reason, new RegExp(`no rule with --profile ${profile} admits`));
    }
  }
  // Of all profiles speaks a rule that names none, of these not.
  await rule(store, "allow", { credential: "password" });
  await rule(store, "allow", { credential: "ra" });
  for (const credential of ["password", "ra"] as const)
    assert.equal((await decide({ ...password, credential, profile: "serverAuth" })).verdict, "deny");
});

test("ok/privileged: by a rule that names the profile, by a person, and who renews", async () => {
  const { store, decide } = await house();
  const settings = { registrationAuthority: "fleet-*" };
  await store.commit([store.profiles.put({ tenant, name: "names", protocol: "est", label: "names", settings })]);
  const asked = { ...password, user: "admin", profile: "names" };
  assert.equal((await decide({ ...asked, credential: "ldevid" })).rule, "own certificate");
  await rule(store, "allow", { profile: "names", user: "admin" });
  assert.match((await decide(asked)).rule, /^rule /);
  assert.equal((await decide({ ...asked, user: "line" })).verdict, "deny");
  await rule(store, "wait", { credential: "password" });
  assert.equal((await decide({ ...asked, user: "line" })).verdict, "wait");
});

test("ok/match: a rule says in words which profile it speaks of", () => {
  const match = { credential: "password", protocol: "est", profile: "gateways" } as const;
  assert.equal(describeMatch(match), "password devices over est for the profile gateways");
});

test("fail/a profile of more rights: who may have another one is kept out of it by a rule", async () => {
  const { store, decide } = await house();
  await rule(store, "deny", { credential: "password", profile: "gateways" });
  assert.equal((await decide(password)).verdict, "allow");
  const denied = await decide({ ...password, profile: "gateways" });
  assert.match(denied.reason, /says deny to password devices for the profile gateways$/);
});

test("fail/a rule that allows and names no credential does not mean devices without any", () => {
  assert.equal(matches({ verdict: "allow", match: {} }, anonymous), false);
  assert.equal(matches({ verdict: "allow", match: { credential: "anonymous" } }, anonymous), true);
  assert.equal(matches({ verdict: "wait", match: {} }, anonymous), true);
});

test("fail/an approval says nothing about a later request of the same key, whether pending or given", async () => {
  const { store, decide } = await house();
  await rule(store, "wait", {});
  for (const state of ["pending", "approved"] as const) {
    const evidence = { ...anonymous, subject: `session-${state}`, key: `key-${state}` };
    await store.commit((await decide(evidence)).writes);
    const [approval] = (await store.approvals.pending(tenant, { limit: 9 })).items.filter(
      (each) => each.subject === evidence.subject,
    );
    assert.ok(approval);
    if (state === "approved")
      await store.commit([store.approvals.decide(tenant, approval.id, { state, decided: 2, decidedBy: "ada" })]);
    // Its session has ended, so the request comes as another run.
    const later = await decide({ ...evidence, run: `later-${state}` });
    assert.equal(later.verdict, "wait");
    await store.commit(later.writes);
    assert.equal((await store.approvals.find(tenant, approval.id))?.state, "expired");
    assert.equal((await store.approvals.findByRun(tenant, `later-${state}`))?.state, "pending");
  }
});

test("ok/who approves sees that the name is a device's that is here already", async () => {
  const { store, decide, admit } = await house();
  await admit(password);
  await rule(store, "wait", { credential: "anonymous" });
  await store.commit((await decide({ ...anonymous, name: "LAMP", key: "k2" })).writes);
  const [approval] = (await store.approvals.pending(tenant, { limit: 9 })).items;
  assert.equal(approval?.evidence["existing"], "lamp, operational");
});

test("fail/another manufacturer's device with the same serial number", async () => {
  const { store, decide, admit } = await house();
  await claimSerial(store, tenant, "SN-1", "ada", clock, seededRandomness("claim"));
  await admit(idevid);
  const other = await decide({ ...idevid, issuer: "evil", certificate: "c2", key: "k2" });
  assert.deepEqual([other.verdict, other.rule], ["deny", "one serial number, one manufacturer"]);
  assert.match(other.reason, /SN-1 is a device's of acme, and this certificate is by evil/);
});

for (const credential of ["password", "anonymous"] as const) {
  test(`fail/a device proven by its manufacturer is not reached by ${credential}`, async () => {
    const { store, decide, admit } = await house();
    await claimSerial(store, tenant, "SN-1", "ada", clock, seededRandomness("claim"));
    await admit(idevid);
    await rule(store, "wait", { credential: "anonymous" });
    const weaker = await decide({ ...unproven, credential, name: "SN-1", key: "k2" });
    assert.deepEqual([weaker.verdict, weaker.rule], ["deny", "no weaker credential"]);
  });
}

test("fail/denied: holds for the run that asked; the device may ask anew", async () => {
  const { store, decide } = await house();
  await rule(store, "wait", {});
  await store.commit((await decide(anonymous)).writes);
  const [approval] = (await store.approvals.pending(tenant, { limit: 9 })).items;
  await store.commit([
    store.approvals.decide(tenant, approval?.id ?? "", { state: "denied", decided: 2, decidedBy: "ada" }),
  ]);
  assert.deepEqual([(await decide(anonymous)).verdict, (await decide(anonymous)).reason], ["deny", "denied by ada"]);
  const anew = await decide({ ...anonymous, run: "run-2" });
  assert.deepEqual([anew.verdict, anew.writes.length], ["wait", 1]);
  await store.commit(anew.writes);
});

test("ok/wait: the more devices wait, the less often each asks", async () => {
  const { store, decide } = await house();
  await rule(store, "wait", {});
  for (let count = 0; count < 1200; count += 400) {
    const asking = Array.from({ length: 400 }, (_, index) => ({
      ...password,
      subject: `s${count + index}`,
      key: `k${count + index}`,
    }));
    const decisions = await Promise.all(asking.map(decide));
    await store.commit(decisions.flatMap(({ writes }) => writes));
  }
  assert.equal((await decide({ ...password, subject: "another" })).retryAfter, 12);
});

test("fail/wait: more strangers than may wait, who leave room for devices with a credential", async () => {
  const { store, decide } = await house();
  await rule(store, "wait", {});
  const strangers = Array.from({ length: 1_000 }, (_, index) => ({
    ...anonymous,
    subject: `s${index}`,
    key: `k${index}`,
  }));
  const decisions = await Promise.all(strangers.map(decide));
  await store.commit(decisions.flatMap(({ writes }) => writes));
  await assert.rejects(decide({ ...anonymous, subject: "another" }), { code: "overloaded" });
  for (const credential of ["idevid", "password"] as const)
    assert.equal(
      (await decide({ ...(credential === "idevid" ? idevid : password), subject: "another" })).verdict,
      "wait",
    );
  // One that waits already goes on waiting.
  assert.equal((await decide({ ...anonymous, subject: "s0", key: "k0" })).verdict, "wait");
});

for (const lifecycle of ["suspended", "retired", "transferred"] as const satisfies readonly Lifecycle[]) {
  test(`fail/a ${lifecycle} device gets nothing, whatever the rules say`, async () => {
    const { store, decide } = await house();
    await rule(store, "allow", {});
    const device = await claimSerial(store, tenant, "SN-1", "ada", clock, seededRandomness("claim"));
    await store.commit([store.devices.update(device, { lifecycle, updated: 2_000 })]);
    assert.deepEqual([(await decide(idevid)).verdict, (await decide(idevid)).rule], ["deny", "lifecycle"]);
  });
}

test("fail/a public key that is another device's", async () => {
  const { store, decide, admit } = await house();
  await rule(store, "allow", {});
  await admit(idevid);
  const cloned = await decide({ ...idevid, serial: "SN-2", name: "SN-2", certificate: "c2" });
  assert.deepEqual([cloned.verdict, cloned.rule], ["deny", "one key, one device"]);
});

test("ok/two runs of one new device at once: one is first, the other loses its guard", async () => {
  const { store, decide } = await house();
  await rule(store, "allow", {});
  const [a, b] = [await decide(idevid), await decide({ ...idevid, key: "k2", run: "run-2" })];
  await store.commit(a.writes);
  await assert.rejects(store.commit(b.writes), { code: "guard-lost" });
  await store.commit((await decide({ ...idevid, key: "k2", run: "run-2" })).writes);
  assert.equal((await store.devices.list(tenant, { limit: 9 })).items.length, 1);
});

for (const serial of ["", " ", "a b", "x".repeat(65), "SN-*", "ä"]) {
  test(`fail/claim: "${serial.slice(0, 8)}" is no serial number`, async () => {
    const { store } = await house();
    await assert.rejects(claimSerial(store, tenant, serial, "ada", clock, seededRandomness("claim")), {
      code: "invalid",
    });
  });
}
