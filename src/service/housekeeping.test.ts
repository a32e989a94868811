import assert from "node:assert/strict";
import { test } from "node:test";
import { type Clock, ManualClock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import type { Write } from "../core/write.ts";
import { each } from "../store/paging.ts";
import type { Approval, RunOutcome, StoredRun } from "../store/records.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { cleanUp, startHousekeeping } from "./housekeeping.ts";

const tenant = "default";
const day = 24 * 3600 * 1000;
const now = 1_000 * day;

/** Stands at `now`; nobody waits in it, and the pauses are counted. */
function impatientClock(): Clock & { readonly slept: number[] } {
  const slept: number[] = [];
  return { now: () => now, monotonic: () => now, sleep: async (milliseconds) => void slept.push(milliseconds), slept };
}

async function filled(...writes: readonly ((store: Store) => readonly Write[])[]): Promise<Store> {
  const store = await openSqliteStore(":memory:", { clock: new ManualClock(1) });
  await store.commit([store.tenants.ensure({ tenant, created: 1 }), ...writes.flatMap((each) => each(store))]);
  return store;
}

function run(id: string, outcome: RunOutcome, started: number): StoredRun {
  const ended = outcome === "waiting" ? {} : { ended: started + 1 };
  const run = new Uint8Array(1);
  return { tenant, id, protocol: "est", variant: "v", label: "lamp", started, outcome, reason: "r", run, ...ended };
}

function approval(id: string, state: Approval["state"], created: number): Approval {
  return { tenant, id, protocol: "est", subject: id, evidence: {}, state, run: id, created };
}

test("ok/cleaning up: of refusals the newest 10,000 stay, however many came in one interval", async () => {
  const surplus = 6_500;
  const store = await filled((store) =>
    Array.from({ length: 10_000 + surplus }, (_, index) => store.runs.save(run(`r${index}`, "refused", now + index))),
  );
  const clock = impatientClock();
  await cleanUp({ store, tenants: [tenant], clock, watch: { steady: () => true } });
  let left = 0;
  for await (const { started } of each((page) => store.runs.list(tenant, { outcome: "refused" }, page))) {
    left += 1;
    assert.ok(started >= now + surplus, "the oldest went first");
  }
  assert.equal(left, 10_000);
  assert.equal(clock.slept.length, 7, "requests have their turn after each thousand");
  await store.close();
});

test("ok/cleaning up: with a clock that is not to be believed nothing goes because of its age", async () => {
  const refused = Array.from({ length: 10_001 }, (_, index) => run(`r${index}`, "refused", now + index));
  const store = await filled((store) => [
    store.approvals.insert(approval("a1", "pending", 0)),
    store.approvals.insert(approval("a2", "denied", 0)),
    store.runs.save(run("w1", "waiting", 0)),
    store.runs.save(run("g1", "granted", 0)),
    ...refused.map(store.runs.save),
  ]);
  await cleanUp({ store, tenants: [tenant], clock: impatientClock(), watch: { steady: () => false } });
  assert.equal((await store.approvals.find(tenant, "a1"))?.state, "pending");
  assert.equal((await store.approvals.find(tenant, "a2"))?.state, "denied");
  assert.equal((await store.runs.find(tenant, "w1"))?.outcome, "waiting");
  assert.equal((await store.runs.find(tenant, "g1"))?.outcome, "granted");
  assert.equal(await store.runs.find(tenant, "r0"), undefined);
  await store.close();
});

test("ok/cleaning up: who waits a week without a decision waits no more", async () => {
  const [late, young] = [now - 7 * day - 1, now - 7 * day];
  const store = await filled((store) => [
    store.approvals.insert(approval("a1", "pending", late)),
    store.approvals.insert(approval("a2", "approved", late)),
    store.approvals.insert(approval("a3", "pending", young)),
    store.runs.save(run("r1", "waiting", late - day)),
    store.runs.save(run("r2", "waiting", late)),
  ]);
  await cleanUp({ store, tenants: [tenant], clock: impatientClock(), watch: { steady: () => true } });
  const states = await Promise.all(["a1", "a2", "a3"].map((id) => store.approvals.find(tenant, id)));
  assert.deepEqual(
    states.map((found) => found?.state),
    ["expired", "expired", "pending"],
  );
  const ended = await store.runs.find(tenant, "r1");
  assert.deepEqual([ended?.outcome, ended?.reason, ended?.ended], ["failed", "expired", now]);
  // Its session is younger than the association on which it began, and may still be granted.
  assert.equal((await store.runs.find(tenant, "r2"))?.outcome, "waiting");
  await store.close();
});

test("ok/cleaning up: runs and approvals that ended are kept for 400 days", async () => {
  const [old, young] = [now - 400 * day - 2, now - 400 * day];
  const store = await filled((store) => [
    ...(["used", "denied", "expired"] as const).flatMap((state) => [
      store.approvals.insert(approval(`old ${state}`, state, old)),
      store.approvals.insert(approval(`young ${state}`, state, young)),
    ]),
    store.runs.save(run("old", "granted", old)),
    store.runs.save(run("young", "granted", young)),
    store.sessions.create({ tenant, protocol: "est", key: "k", data: new Uint8Array(1), expires: now }, 1),
  ]);
  await cleanUp({ store, tenants: [tenant], clock: impatientClock(), watch: { steady: () => true } });
  for (const state of ["used", "denied", "expired"]) {
    assert.equal(await store.approvals.find(tenant, `old ${state}`), undefined);
    assert.equal((await store.approvals.find(tenant, `young ${state}`))?.state, state);
  }
  assert.equal(await store.runs.find(tenant, "old"), undefined);
  assert.notEqual(await store.runs.find(tenant, "young"), undefined);
  assert.equal(await store.sessions.load(tenant, "est", "k", now - 1), undefined);
  await store.close();
});

test("ok/cleaning up: what is too much for one pass is left to the next", async () => {
  const store = await filled();
  let rounds = 0;
  const endless: Store = {
    ...store,
    async cleanUp() {
      rounds += 1;
      return 1_000;
    },
  };
  await cleanUp({ store: endless, tenants: [tenant], clock: impatientClock(), watch: { steady: () => true } });
  // Sessions once for all tenants, and five changes for each.
  assert.equal(rounds, 6 * 60);
  await store.close();
});

test("fail/housekeeping: a pass that fails is told, the next one is tried, until it is stopped", async () => {
  const store = await filled();
  await store.close();
  const told: string[] = [];
  const thirdSleep = Promise.withResolvers<void>();
  let sleeps = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    async sleep(milliseconds, signal) {
      assert.equal(milliseconds, 10_000);
      sleeps += 1;
      if (sleeps < 3) return;
      thirdSleep.resolve();
      await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    },
  };
  const housekeeping = startHousekeeping({
    store,
    tenants: [tenant],
    clock,
    watch: { steady: () => true },
    auditHeads: { note: () => Promise.reject(new Error("housekeeping went on after a failure")) },
    renewCredentials: () => Promise.reject(new Error("housekeeping went on after a failure")),
    onError: (error) => void told.push(codeOf(error)),
  });
  await thirdSleep.promise;
  housekeeping.stop();
  await new Promise(setImmediate);
  assert.deepEqual(told, ["store-closed", "store-closed"]);
  assert.equal(sleeps, 3);
});
