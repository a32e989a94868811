import assert from "node:assert/strict";
import { digestSecretName } from "../est-users.ts";
import type { Approval } from "../records.ts";
import type { Store } from "../store.ts";
import {
  anchor,
  approval,
  bytes,
  estUser,
  listed,
  type Open,
  rejectsWith,
  rule,
  storeTest,
} from "./fixtures.test-suite.ts";

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

  storeTest(open, "ok/approvals: the open one is found first, also when the clock was set back", async (store) => {
    const one = { subject: "subject-1", run: "run-1" };
    const denied = approval("1", { ...one, created: 90 });
    const reopened = approval("2", { ...one, created: 20 });
    await store.commit([
      store.approvals.insert(denied),
      store.approvals.decide("a", "1", { state: "denied", decided: 91, decidedBy: "ada" }),
      store.approvals.insert(reopened),
    ]);
    const both = () =>
      Promise.all([store.approvals.findBySubject("a", "est", "subject-1"), store.approvals.findByRun("a", "run-1")]);
    assert.deepEqual(await both(), [reopened, reopened]);
    const decision = { state: "approved", decided: 21, decidedBy: "ada" } as const;
    await store.commit([store.approvals.decide("a", "2", decision)]);
    assert.deepEqual(await both(), Array(2).fill({ ...reopened, ...decision }));
    await store.commit([store.approvals.use("a", "2")]);
    assert.deepEqual(
      (await both()).map((found) => found?.id),
      ["1", "1"],
    );
  });

  storeTest(
    open,
    "ok/approvals: withdrawn while pending or approved; then there is room for another",
    async (store) => {
      const decision = { state: "approved", decided: 30, decidedBy: "ada" } as const;
      await store.commit([
        store.approvals.insert(approval("1")),
        store.approvals.insert(approval("2")),
        store.approvals.decide("a", "2", decision),
      ]);
      await store.commit(["1", "2"].map((id) => store.approvals.withdraw("a", id)));
      assert.deepEqual(await store.approvals.find("a", "1"), approval("1", { state: "expired" }));
      assert.deepEqual(await store.approvals.find("a", "2"), { ...approval("2"), ...decision, state: "expired" });
      assert.equal(await store.approvals.countPending("a"), 0);
      await store.commit([store.approvals.insert(approval("3", { subject: "subject-1" }))]);
    },
  );

  storeTest(
    open,
    "fail/approvals: withdrawn twice, after a denial, unknown; used or decided after that",
    async (store) => {
      await store.commit([
        store.approvals.insert(approval("1")),
        store.approvals.insert(approval("2")),
        store.approvals.decide("a", "2", { state: "denied", decided: 30, decidedBy: "ada" }),
        store.approvals.withdraw("a", "1"),
      ]);
      for (const id of ["1", "2", "3"])
        await rejectsWith("guard-lost", store.commit([store.approvals.withdraw("a", id)]));
      const decision = { state: "approved", decided: 30, decidedBy: "ada" } as const;
      await rejectsWith("guard-lost", store.commit([store.approvals.decide("a", "1", decision)]));
      await rejectsWith("guard-lost", store.commit([store.approvals.use("a", "1")]));
    },
  );

  storeTest(open, "ok/approvals: open ones expire with age, the others stay what they are", async (store) => {
    await store.commit([
      ...(["pending", "approved", "denied", "used"] as const).map((state) => store.approvals.insert(of(state, 19))),
      ...(["pending", "approved"] as const).map((state) => store.approvals.insert(of(state, 20))),
      store.approvals.insert(of("pending", 19, { tenant: "b" })),
    ]);
    assert.equal(await store.cleanUp(store.approvals.expire("a", 20)), 2);
    const states = await statesOf(store, "a", [
      "pending-19",
      "approved-19",
      "denied-19",
      "used-19",
      "pending-20",
      "approved-20",
    ]);
    assert.deepEqual(states, ["expired", "expired", "denied", "used", "pending", "approved"]);
    assert.deepEqual(await statesOf(store, "b", ["pending-19"]), ["pending"]);
    assert.equal(await store.cleanUp(store.approvals.expire("a", 20)), 0);
  });

  storeTest(
    open,
    "ok/approvals: ended ones are deleted when they were made and decided before a time",
    async (store) => {
      await store.commit([
        ...(["pending", "approved", "denied", "used", "expired"] as const).map((state) =>
          store.approvals.insert(of(state, 19)),
        ),
        ...(["denied", "expired"] as const).map((state) => store.approvals.insert(of(state, 20))),
        store.approvals.insert(of("used", 18, { decided: 20, decidedBy: "ada" })),
        store.approvals.insert(of("denied", 18, { decided: 19, decidedBy: "ada" })),
        store.approvals.insert(of("denied", 19, { tenant: "b" })),
      ]);
      assert.equal(await store.cleanUp(store.approvals.removeEndedBefore("a", 20)), 4);
      const kept = ["pending-19", "approved-19", "denied-20", "expired-20", "used-18"];
      assert.deepEqual(await statesOf(store, "a", kept), ["pending", "approved", "denied", "expired", "used"]);
      const gone = ["denied-19", "used-19", "expired-19", "denied-18"];
      assert.deepEqual(await statesOf(store, "a", gone), Array(4).fill(undefined));
      assert.deepEqual(await statesOf(store, "b", ["denied-19"]), ["denied"]);
    },
  );

  storeTest(open, "ok/EST users: put, replaced, listed by name, removed", async (store) => {
    await store.commit([store.estUsers.put(estUser("zoe")), store.estUsers.put(estUser("ann"))]);
    const replaced = estUser("zoe", { passwordHash: "scrypt$2", devices: "SN-*", created: 20 });
    await store.commit([store.estUsers.put(replaced)]);
    assert.deepEqual(await store.estUsers.find("a", "zoe"), replaced);
    assert.deepEqual(await listed((page) => store.estUsers.list("a", page)), [estUser("ann"), replaced]);
    await store.commit([store.estUsers.remove("a", "zoe")]);
    assert.equal(await store.estUsers.find("a", "zoe"), undefined);
  });

  storeTest(open, "ok/EST users: digest secrets come and go with what they belong to", async (store) => {
    const secrets = [
      { algorithm: "SHA-256", sealed: bytes("sha") },
      { algorithm: "MD5", sealed: bytes("md5") },
    ] as const;
    const sealed = async (name: string) =>
      (await store.authorities.key("a", digestSecretName("SHA-256", name)))?.sealed;
    await store.commit([store.estUsers.put(estUser("zoe"), secrets), store.estUsers.put(estUser("ann"), [secrets[1]])]);
    assert.deepEqual([await sealed("zoe"), await sealed("ann")], [bytes("sha"), undefined]);
    assert.deepEqual(await store.estUsers.digestAlgorithms("a"), ["SHA-256", "MD5"]);
    assert.deepEqual(await store.estUsers.digestAlgorithms("b"), []);
    await store.commit([store.estUsers.put(estUser("ann"))]);
    await store.commit([store.estUsers.put(estUser("zoe"), [secrets[0]])]);
    assert.deepEqual(await store.estUsers.digestAlgorithms("a"), ["SHA-256"]);
    await store.commit([store.estUsers.remove("a", "zoe")]);
    assert.deepEqual([await sealed("zoe"), await store.estUsers.digestAlgorithms("a")], [undefined, []]);
  });

  storeTest(open, "fail/EST users: none to remove", async (store) => {
    await rejectsWith("guard-lost", store.commit([store.estUsers.remove("a", "zoe")]));
  });
}

/** An approval that is named after its state and age. */
function of(state: Approval["state"], created: number, fields: Partial<Approval> = {}): Approval {
  return approval(`${state}-${created}`, { state, created, ...fields });
}

function statesOf(store: Store, tenant: string, ids: readonly string[]): Promise<readonly unknown[]> {
  return Promise.all(ids.map(async (id) => (await store.approvals.find(tenant, id))?.state));
}
