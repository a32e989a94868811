import assert from "node:assert/strict";
import { emptyChain, lineHash } from "../audit-chain.ts";
import { auditEntry, listed, type Open, run, storeTest } from "./fixtures.test-suite.ts";

/** The audit and its hash chain. */
export function auditConformance(open: Open): void {
  storeTest(open, "ok/audit: numbered and chained per tenant, listed from both ends", async (store) => {
    await store.commit([
      store.audit.append(auditEntry("claim")),
      store.audit.append(auditEntry("approve", { tenant: "b" })),
      store.audit.append(auditEntry("grant", { detail: {} })),
    ]);
    await store.commit([store.audit.append(auditEntry("retire"))]);
    const entries = chained([auditEntry("claim"), auditEntry("grant", { detail: {} }), auditEntry("retire")]);
    assert.deepEqual(await listed((page) => store.audit.list("a", "oldest-first", page)), entries);
    assert.deepEqual(await listed((page) => store.audit.list("a", "newest-first", page)), entries.toReversed());
    const ofB = await listed((page) => store.audit.list("b", "oldest-first", page));
    assert.deepEqual(ofB, chained([auditEntry("approve", { tenant: "b" })]));
  });

  storeTest(open, "ok/audit: a change that was lost leaves no entry and no gap", async (store) => {
    await store.commit([store.runs.save(run("1"))]);
    const commits = [
      store.commit([store.audit.append(auditEntry("one"))]),
      store.commit([store.audit.append(auditEntry("lost")), store.runs.save(run("1"))]),
      store.commit([store.audit.append(auditEntry("two"))]),
    ];
    await Promise.allSettled(commits);
    const entries = await listed((page) => store.audit.list("a", "oldest-first", page));
    assert.deepEqual(entries, chained([auditEntry("one"), auditEntry("two")]));
  });

  storeTest(open, "ok/audit: texts of any kind are hashed as they are stored", async (store) => {
    const strange = [
      auditEntry("", { subject: "", actor: "" }),
      auditEntry("1:a", { subject: "Lämpchen 💡 \u202e", actor: "'; drop table audit; --" }),
      auditEntry("line\nfeed", {
        detail: { __proto__x: 1, "10": [1.5, null, { deep: "ü\u0000" }], text: '"quoted"\\' },
      }),
      auditEntry("large", { at: Number.MAX_SAFE_INTEGER }),
    ];
    await store.commit(strange.map(store.audit.append));
    assert.deepEqual(await listed((page) => store.audit.list("a", "oldest-first", page)), chained(strange));
    const section = await store.audit.verify("a", emptyChain);
    assert.deepEqual(section, { head: await store.audit.head("a"), done: true });
  });

  storeTest(open, "ok/audit: head and single hashes", async (store) => {
    assert.equal(await store.audit.head("a"), undefined);
    assert.equal(await store.audit.hashAt("a", 1), undefined);
    const entries = ["one", "two", "three"].map((action) => auditEntry(action));
    await store.commit(entries.map(store.audit.append));
    const [, second, third] = chained(entries);
    assert.deepEqual(await store.audit.head("a"), { sequence: 3, hash: third?.hash });
    assert.equal(await store.audit.hashAt("a", 2), second?.hash);
    assert.equal(await store.audit.hashAt("b", 2), undefined);
  });

  storeTest(open, "ok/audit: a thousand lines are verified in sections", async (store) => {
    const many = Array.from({ length: 1_001 }, (_, index) => store.audit.append(auditEntry(`action ${index}`)));
    await store.commit(many);
    const first = await store.audit.verify("a", emptyChain);
    const second = await store.audit.verify("a", first.head);
    const third = await store.audit.verify("a", second.head);
    assert.deepEqual([first.head.sequence, first.done, first.broken], [500, false, undefined]);
    assert.deepEqual([second.head.sequence, second.done, second.broken], [1_000, false, undefined]);
    assert.deepEqual([third.head.sequence, third.done, third.broken], [1_001, true, undefined]);
  });

  storeTest(open, "fail/audit: a line that does not follow from the head that was noted", async (store) => {
    await store.commit(["one", "two"].map((action) => store.audit.append(auditEntry(action))));
    const noted = { sequence: 1, hash: "0".repeat(64) };
    const section = await store.audit.verify("a", noted);
    assert.deepEqual(section, { head: noted, done: true, broken: { sequence: 2, kind: "changed" } });
  });
}

function chained(entries: readonly ReturnType<typeof auditEntry>[]) {
  let hash = emptyChain.hash;
  return entries.map((entry, index) => {
    const sequence = index + 1;
    hash = lineHash(hash, { ...entry, sequence, detail: JSON.stringify(entry.detail) });
    return { ...entry, sequence, hash };
  });
}
