import assert from "node:assert/strict";
import { anchor, approval, estUser, listed, type Open, rejectsWith, rule, storeTest } from "./fixtures.test-suite.ts";

/** Anchors, rules, approvals and EST users. */
export function policyConformance(open: Open): void {
  storeTest(open, "ok/anchors: added, found, listed by name, removed", async (store) => {
    const [one, two] = [anchor("1", { name: "zeta" }), anchor("2", { name: "acme" })];
    await store.commit([store.policy.addAnchor(one), store.policy.addAnchor(two)]);
    assert.deepEqual(await store.policy.anchor("a", "1"), one);
    assert.deepEqual(await listed((page) => store.policy.anchors("a", page)), [two, one]);
    await store.commit([store.policy.removeAnchor("a", "1")]);
    assert.equal(await store.policy.anchor("a", "1"), undefined);
    assert.deepEqual(await listed((page) => store.policy.anchors("a", page)), [two]);
  });

  storeTest(open, "fail/anchors: the same id, the same name, none to remove", async (store) => {
    await store.commit([store.policy.addAnchor(anchor("1"))]);
    await rejectsWith("guard-lost", store.commit([store.policy.addAnchor(anchor("1", { name: "other" }))]));
    await rejectsWith("guard-lost", store.commit([store.policy.addAnchor(anchor("2", { name: "anchor-1" }))]));
    await rejectsWith("guard-lost", store.commit([store.policy.removeAnchor("a", "2")]));
  });

  storeTest(open, "fail/anchors: without a name", async (store) => {
    await rejectsWith("store-failed", store.commit([store.policy.addAnchor(anchor("1", { name: "" }))]));
  });

  storeTest(open, "ok/rules: appended at the end, listed in order, removed", async (store) => {
    const ids = ["z", "m", "a"];
    await store.commit(ids.map((id) => store.policy.appendRule(rule(id))));
    await store.commit([store.policy.removeRule("a", "m"), store.policy.appendRule(rule("b", { match: {} }))]);
    assert.deepEqual(await listed((page) => store.policy.rules("a", page)), [
      { ...rule("z"), position: 1 },
      { ...rule("a"), position: 3 },
      { ...rule("b", { match: {} }), position: 4 },
    ]);
  });

  storeTest(open, "fail/rules: the same id, none to remove", async (store) => {
    await store.commit([store.policy.appendRule(rule("1"))]);
    await rejectsWith("guard-lost", store.commit([store.policy.appendRule(rule("1"))]));
    await rejectsWith("guard-lost", store.commit([store.policy.removeRule("a", "2")]));
  });

  storeTest(open, "ok/approvals: found, listed while pending, decided once", async (store) => {
    const [late, early] = [approval("1", { created: 20 }), approval("2", { created: 10 })];
    await store.commit([store.approvals.insert(late), store.approvals.insert(early)]);
    assert.deepEqual(await store.approvals.find("a", "1"), late);
    assert.equal(await store.approvals.find("a", "3"), undefined);
    assert.deepEqual(await store.approvals.findBySubject("a", "est", "subject-2"), early);
    assert.equal(await store.approvals.findBySubject("a", "brski", "subject-2"), undefined);
    assert.deepEqual(await listed((page) => store.approvals.pending("a", page)), [early, late]);

    const decision = { state: "approved", decided: 30, decidedBy: "ada" } as const;
    await store.commit([store.approvals.decide("a", "2", decision)]);
    assert.deepEqual(await store.approvals.find("a", "2"), { ...early, ...decision });
    assert.deepEqual(await listed((page) => store.approvals.pending("a", page)), [late]);
  });

  storeTest(
    open,
    "ok/approvals: counted and found by run; one that was used makes room for the next",
    async (store) => {
      await store.commit([store.approvals.insert(approval("1", { run: "run-7" }))]);
      assert.equal(await store.approvals.countPending("a"), 1);
      assert.equal((await store.approvals.findByRun("a", "run-7"))?.id, "1");
      const decision = { state: "approved", decided: 30, decidedBy: "ada" } as const;
      await store.commit([store.approvals.decide("a", "1", decision), store.approvals.use("a", "1")]);
      assert.equal((await store.approvals.find("a", "1"))?.state, "used");
      assert.equal(await store.approvals.countPending("a"), 0);
      await store.commit([store.approvals.insert(approval("2", { subject: "subject-1" }))]);
    },
  );

  storeTest(open, "fail/approvals: used while pending, used twice", async (store) => {
    await store.commit([store.approvals.insert(approval("1"))]);
    await rejectsWith("guard-lost", store.commit([store.approvals.use("a", "1")]));
    const decision = { state: "approved", decided: 30, decidedBy: "ada" } as const;
    await store.commit([store.approvals.decide("a", "1", decision), store.approvals.use("a", "1")]);
    await rejectsWith("guard-lost", store.commit([store.approvals.use("a", "1")]));
  });

  storeTest(open, "fail/approvals: decided twice, unknown, asked twice", async (store) => {
    const decision = { state: "denied", decided: 30, decidedBy: "ada" } as const;
    await store.commit([store.approvals.insert(approval("1"))]);
    const sameSubject = { subject: "subject-1" };
    await rejectsWith("guard-lost", store.commit([store.approvals.insert(approval("2", sameSubject))]));
    await store.commit([store.approvals.decide("a", "1", { ...decision, state: "approved" })]);
    await rejectsWith("guard-lost", store.commit([store.approvals.decide("a", "1", decision)]));
    await rejectsWith("guard-lost", store.commit([store.approvals.decide("a", "2", decision)]));
    await rejectsWith("guard-lost", store.commit([store.approvals.insert(approval("2", sameSubject))]));
    assert.equal((await store.approvals.find("a", "1"))?.state, "approved");
  });

  storeTest(open, "ok/approvals: asked again after a denial, the latest is found", async (store) => {
    const again = approval("2", { subject: "subject-1", created: 20 });
    await store.commit([
      store.approvals.insert(approval("1")),
      store.approvals.decide("a", "1", { state: "denied", decided: 11, decidedBy: "ada" }),
      store.approvals.insert(again),
    ]);
    assert.deepEqual(await store.approvals.findBySubject("a", "est", "subject-1"), again);
  });

  storeTest(open, "ok/EST users: put, replaced, listed by name, removed", async (store) => {
    await store.commit([store.estUsers.put(estUser("zoe")), store.estUsers.put(estUser("ann"))]);
    const replaced = estUser("zoe", { passwordHash: "scrypt$2", devices: "SN-*", created: 20 });
    await store.commit([store.estUsers.put(replaced)]);
    assert.deepEqual(await store.estUsers.find("a", "zoe"), replaced);
    assert.deepEqual(await listed((page) => store.estUsers.list("a", page)), [estUser("ann"), replaced]);
    await store.commit([store.estUsers.remove("a", "zoe")]);
    assert.equal(await store.estUsers.find("a", "zoe"), undefined);
  });

  storeTest(open, "fail/EST users: none to remove", async (store) => {
    await rejectsWith("guard-lost", store.commit([store.estUsers.remove("a", "zoe")]));
  });
}
