import assert from "node:assert/strict";
import type { RunFilter } from "../runs.ts";
import type { Store } from "../store.ts";
import { bytes, listed, type Open, rejectsWith, run, storeTest } from "./fixtures.test-suite.ts";

/** Runs and what devices kept of them. */
export function ledgerConformance(open: Open): void {
  storeTest(open, "ok/runs: saved, found, listed without events", async (store) => {
    const { device: _, ...unknown } = run("2", { started: 20, outcome: "refused" });
    await store.commit([store.runs.save(run("1")), store.runs.save(unknown)]);
    assert.deepEqual(await store.runs.find("a", "1"), run("1"));
    assert.deepEqual(await store.runs.find("a", "2"), unknown);
    assert.equal(await store.runs.find("a", "3"), undefined);
    const { run: __, ...summary } = unknown;
    assert.deepEqual((await store.runs.list("a", {}, { limit: 1 })).items, [summary]);
  });

  storeTest(open, "ok/runs: a waiting run is updated until it ends", async (store) => {
    const { ended: _, ...waiting } = run("1", { outcome: "waiting", reason: "approval" });
    await store.commit([store.runs.save(waiting)]);
    assert.deepEqual(await store.runs.find("a", "1"), waiting);
    await store.commit([store.runs.save({ ...waiting, label: "Lamp" })]);
    assert.equal((await store.runs.find("a", "1"))?.label, "Lamp");
    await store.commit([store.runs.save(run("1"))]);
    assert.deepEqual(await store.runs.find("a", "1"), run("1"));
  });

  storeTest(open, "fail/runs: a run that has ended changes no more", async (store) => {
    await store.commit([store.runs.save(run("1"))]);
    await rejectsWith("guard-lost", store.commit([store.runs.save(run("1", { outcome: "refused" }))]));
    assert.deepEqual(await store.runs.find("a", "1"), run("1"));
  });

  storeTest(open, "ok/runs: listed newest first with filters", async (store) => {
    await store.commit([
      store.runs.save(run("1", { started: 10 })),
      store.runs.save(run("2", { started: 30, device: "d2" })),
      store.runs.save(run("3", { started: 20, outcome: "refused", protocol: "fdo" })),
      store.runs.save(run("4", { started: 20, outcome: "refused", device: "d2" })),
    ]);
    const ids = async (filter: RunFilter) =>
      (await listed((page) => store.runs.list("a", filter, page))).map(({ id }) => id);
    assert.deepEqual(await ids({}), ["2", "4", "3", "1"]);
    assert.deepEqual(await ids({ device: "d2" }), ["2", "4"]);
    assert.deepEqual(await ids({ outcome: "refused" }), ["4", "3"]);
    assert.deepEqual(await ids({ protocol: "est" }), ["2", "4", "1"]);
    assert.deepEqual(await ids({ device: "d2", outcome: "refused", protocol: "est" }), ["4"]);
    assert.deepEqual(await ids({ device: "d2", outcome: "failed" }), []);
  });

  storeTest(open, "ok/runs: removed when they ended before a time", async (store) => {
    const { ended: _, ...waiting } = run("3", { outcome: "waiting" });
    await store.commit([
      store.runs.save(run("1", { ended: 19 })),
      store.runs.save(run("2", { ended: 20 })),
      store.runs.save(waiting),
      store.runs.save(run("1", { ended: 19, tenant: "b" })),
    ]);
    await store.commit([store.runs.removeEndedBefore("a", 20)]);
    assert.deepEqual(await runIds(store, "a"), ["3", "2"]);
    assert.deepEqual(await runIds(store, "b"), ["1"]);
  });

  storeTest(open, "ok/runs: those that wait too long are ended and can change no more", async (store) => {
    const { ended: _, ...waiting } = run("1", { outcome: "waiting", reason: "approval", started: 19 });
    await store.commit([
      store.runs.save(waiting),
      store.runs.save({ ...waiting, id: "2", started: 20 }),
      store.runs.save(run("3", { started: 19 })),
      store.runs.save({ ...waiting, tenant: "b" }),
    ]);
    assert.equal(await store.cleanUp(store.runs.endWaiting("a", 20, 99, "expired")), 1);
    assert.deepEqual(await store.runs.find("a", "1"), { ...waiting, outcome: "failed", ended: 99, reason: "expired" });
    assert.equal((await store.runs.find("a", "2"))?.outcome, "waiting");
    assert.equal((await store.runs.find("a", "3"))?.outcome, "granted");
    assert.equal((await store.runs.find("b", "1"))?.outcome, "waiting");
    await rejectsWith("guard-lost", store.commit([store.runs.save(waiting)]));
    assert.equal(await store.cleanUp(store.runs.endWaiting("a", 20, 99, "expired")), 0);
  });

  storeTest(open, "ok/runs: a thousand are cleaned up at once, and the count says when to go on", async (store) => {
    const { ended: _, ...waiting } = run("w", { outcome: "waiting" });
    const many = Array.from({ length: 1_001 }, (_, index) => [
      store.runs.save(run(`r${index}`, { outcome: "refused" })),
      store.runs.save(run(`g${index}`, { started: 1, ended: 2 })),
      store.runs.save({ ...waiting, id: `w${index}` }),
    ]);
    await store.commit(many.flat());
    for (const change of [
      store.runs.trimRefused("a", 0),
      store.runs.removeEndedBefore("a", 10),
      store.runs.endWaiting("a", 20, 99, "expired"),
    ]) {
      const counts = [await store.cleanUp(change), await store.cleanUp(change), await store.cleanUp(change)];
      assert.deepEqual(counts, [1_000, 1, 0]);
    }
  });

  storeTest(open, "ok/runs: the newest refused ones are kept", async (store) => {
    const refused = [1, 2, 3, 4].map((started) => run(`r${started}`, { started, outcome: "refused" }));
    const others = [run("granted", { started: 0 }), run("r1", { started: 0, outcome: "refused", tenant: "b" })];
    await store.commit([...refused, ...others].map(store.runs.save));
    await store.commit([store.runs.trimRefused("a", 2)]);
    assert.deepEqual(await runIds(store, "a"), ["r4", "r3", "granted"]);
    assert.deepEqual(await runIds(store, "b"), ["r1"]);
    await store.commit([store.runs.trimRefused("a", 0)]);
    assert.deepEqual(await runIds(store, "a"), ["granted"]);
  });

  storeTest(open, "ok/device ledgers: kept, replaced, removed with their run", async (store) => {
    await store.commit([store.runs.save(run("r1", { outcome: "refused" }))]);
    const ledger = { tenant: "a", run: "r1", ledger: bytes("one") };
    await store.commit([store.runs.putDeviceLedger(ledger)]);
    await store.commit([store.runs.putDeviceLedger({ ...ledger, ledger: bytes("two") })]);
    assert.deepEqual(await store.runs.deviceLedger("a", "r1"), { ...ledger, ledger: bytes("two") });
    await store.commit([store.runs.trimRefused("a", 0)]);
    assert.equal(await store.runs.deviceLedger("a", "r1"), undefined);
  });

  storeTest(open, "fail/device ledgers: of no run", async (store) => {
    const ledger = { tenant: "a", run: "r1", ledger: bytes("one") };
    await rejectsWith("guard-lost", store.commit([store.runs.putDeviceLedger(ledger)]));
  });
}

async function runIds(store: Store, tenant: string): Promise<readonly string[]> {
  return (await listed((page) => store.runs.list(tenant, {}, page))).map(({ id }) => id);
}
