import assert from "node:assert/strict";
import type { Write } from "../../core/write.ts";
import { emptyChain } from "../audit-chain.ts";
import {
  approval,
  auditEntry,
  device,
  identity,
  listed,
  type Open,
  rejectsWith,
  storeTest,
} from "./fixtures.test-suite.ts";

/** What `commit` promises: all or nothing for each caller, and nothing of one caller's failure for another. */
export function commitsConformance(open: Open): void {
  storeTest(open, "ok/commit: of nothing", async (store) => {
    await store.commit([]);
  });

  storeTest(open, "ok/commit: a later write sees the earlier ones", async (store) => {
    const d1 = device("d1");
    await store.commit([
      store.devices.insert(d1),
      store.devices.update(d1, { lifecycle: "claimed", updated: 11 }),
      store.devices.addIdentity(identity("d1", "SN-1")),
    ]);
    assert.equal((await store.devices.findByIdentity("a", "serial", "SN-1"))?.lifecycle, "claimed");
  });

  storeTest(open, "ok/commit: a write is plain data that another thread may hand in", async (store) => {
    const write = structuredClone(store.devices.insert(device("d1"))) as Write;
    await store.commit([write]);
    assert.deepEqual(await store.devices.find("a", "d1"), device("d1"));
  });

  storeTest(open, "fail/commit: one lost guard undoes the caller's other writes", async (store) => {
    await store.commit([store.devices.insert(device("d1"))]);
    const lost = store.commit([
      store.devices.insert(device("d2")),
      store.devices.insert(device("d1")),
      store.devices.insert(device("d3")),
    ]);
    await rejectsWith("guard-lost", lost);
    assert.deepEqual(
      (await listed((page) => store.devices.list("a", page))).map(({ id }) => id),
      ["d1"],
    );
  });

  for (const loser of [0, 31, 63]) {
    storeTest(open, `ok/commit: caller ${loser} of 64 loses and the others go on`, async (store) => {
      await store.commit([store.devices.insert(device("taken"))]);
      const commits = Array.from({ length: 64 }, (_, index) =>
        store.commit([
          store.devices.insert(device(`d${index}`)),
          ...(index === loser ? [store.devices.insert(device("taken"))] : []),
        ]),
      );
      const settled = await Promise.allSettled(commits);
      const lost = settled.flatMap(({ status }, index) => (status === "rejected" ? [index] : []));
      assert.deepEqual(lost, [loser]);
      await rejectsWith("guard-lost", commits[loser]!);
      const ids = (await listed((page) => store.devices.list("a", page))).map(({ id }) => id);
      assert.equal(ids.length, 64);
      assert.ok(!ids.includes(`d${loser}`));
    });
  }

  for (const order of [
    ["x", "y"],
    ["y", "x"],
  ]) {
    storeTest(open, `ok/commit: the first of two callers wins (${order.join(" before ")})`, async (store) => {
      const commits = order.map((name) => store.commit([store.devices.insert(device("same", { name }))]));
      const settled = await Promise.allSettled(commits);
      assert.deepEqual(
        settled.map(({ status }) => status),
        ["fulfilled", "rejected"],
      );
      assert.equal((await store.devices.find("a", "same"))?.name, order[0]);
    });
  }

  storeTest(open, "ok/commit: more callers in one turn than one transaction takes", async (store) => {
    const commits = Array.from({ length: 600 }, (_, index) =>
      store.commit([store.devices.insert(device(`d${index}`))]),
    );
    await Promise.all(commits);
    assert.equal((await listed((page) => store.devices.list("a", page))).length, 600);
  });

  storeTest(open, "ok/close: what was asked for before is committed, what comes after is refused", async (store) => {
    const before = store.commit([store.devices.insert(device("d1"))]);
    const closing = store.close();
    await rejectsWith("store-closed", store.commit([store.devices.insert(device("d2"))]));
    await Promise.all([before, closing]);
    await rejectsWith("store-closed", store.devices.find("a", "d1"));
    await store.close();
  });

  storeTest(
    open,
    "ok/text: what no text can hold becomes the replacement character, in questions too",
    async (store) => {
      const name = "a\0b\ud800c";
      await store.commit([
        store.devices.insert(device("d1", { name })),
        store.devices.addIdentity(identity("d1", name)),
        store.approvals.insert(approval("1", { subject: name, evidence: { name: "a\0b" } })),
        store.audit.append(auditEntry("claim", { subject: name, detail: { name: "a\0b" } })),
      ]);
      assert.equal((await store.devices.find("a", "d1"))?.name, "a\ufffdb\ufffdc");
      assert.equal((await store.devices.findByIdentity("a", "serial", name))?.id, "d1");
      assert.equal((await store.devices.list("a", { limit: 9 }, "a\0")).items.length, 1);
      // JSON has an escape for it, and gives back what was put in.
      assert.deepEqual((await store.approvals.find("a", "1"))?.evidence, { name: "a\0b" });
      assert.equal(await store.estUsers.find("a", "nobody\0"), undefined);
      assert.equal((await store.audit.verify("a", emptyChain)).broken, undefined);
    },
  );

  storeTest(open, "ok/text: compared and ordered by code point", async (store) => {
    const names = ["Z", "a", "z", "Ä", "é", "\uffee", "\u{1f512}"];
    await store.commit(names.toReversed().map((name) => store.devices.insert(device(name, { name }))));
    const inOrder = await listed((page) => store.devices.list("a", page));
    assert.deepEqual(
      inOrder.map(({ name }) => name),
      names,
    );
  });

  storeTest(open, "ok/integers: 53 bits", async (store) => {
    const created = Number.MAX_SAFE_INTEGER;
    await store.commit([store.devices.insert(device("d1", { created }))]);
    assert.equal((await store.devices.find("a", "d1"))?.created, created);
  });

  storeTest(open, "fail/commit: a value of another type", async (store) => {
    const created = "yesterday" as unknown as number;
    await rejectsWith("store-failed", store.commit([store.devices.insert(device("d1", { created }))]));
    await store.commit([store.devices.insert(device("d1"))]);
  });

  storeTest(open, "fail/page: sizes and cursors that the store did not give out", async (store) => {
    await store.commit([store.devices.insert(device("d1")), store.devices.insert(device("d2"))]);
    for (const limit of [0, -1, 1.5, Number.NaN, 501])
      await rejectsWith("page-invalid", store.devices.list("a", { limit }));
    const { next } = await store.devices.list("a", { limit: 1 });
    const cursors = ["", "!", "e30", "W10", "bnVsbA", `${next}x`.repeat(1000), "WzEsMl0", "WyJhIiwiYiIsImMiXQ"];
    for (const after of cursors) await rejectsWith("page-invalid", store.devices.list("a", { limit: 1, after }));
    await rejectsWith("page-invalid", store.audit.list("a", "newest-first", { limit: 1, after: next! }));
  });
}
