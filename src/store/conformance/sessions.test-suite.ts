import assert from "node:assert/strict";
import type { StoredSession } from "../records.ts";
import { bytes, type Open, rejectsWith, session, storeTest } from "./fixtures.test-suite.ts";

const next = { data: bytes("next"), expires: 200 };

/** Protocol sessions and their compare-and-set. */
export function sessionsConformance(open: Open): void {
  storeTest(open, "ok/sessions: created, saved, removed", async (store) => {
    const first = session("k");
    await store.commit([store.sessions.create(first, 10)]);
    assert.deepEqual(await store.sessions.load("a", "est", "k", 10), first);
    await store.commit([store.sessions.save(first, next)]);
    const second: StoredSession = { ...first, ...next, version: 2 };
    assert.deepEqual(await store.sessions.load("a", "est", "k", 10), second);
    await store.commit([store.sessions.remove(second)]);
    assert.equal(await store.sessions.load("a", "est", "k", 10), undefined);
  });

  storeTest(open, "ok/sessions: each protocol has its own keys", async (store) => {
    await store.commit([store.sessions.create(session("k"), 10)]);
    await store.commit([store.sessions.create(session("k", { protocol: "fdo", data: bytes("fdo") }), 10)]);
    assert.deepEqual(await store.sessions.load("a", "est", "k", 10), session("k"));
    assert.equal(await store.sessions.load("a", "brski", "k", 10), undefined);
  });

  storeTest(open, "ok/sessions: an expired one does not exist and is replaced", async (store) => {
    const first = session("k");
    await store.commit([store.sessions.create(first, 10)]);
    await store.commit([store.sessions.save(first, { ...next, expires: 100 })]);
    assert.notEqual(await store.sessions.load("a", "est", "k", 99), undefined);
    assert.equal(await store.sessions.load("a", "est", "k", 100), undefined);
    const later = session("k", { data: bytes("later"), expires: 300 });
    await store.commit([store.sessions.create(later, 100)]);
    assert.deepEqual(await store.sessions.load("a", "est", "k", 100), later);
  });

  storeTest(open, "fail/sessions: created while one exists", async (store) => {
    await store.commit([store.sessions.create(session("k"), 10)]);
    await rejectsWith("guard-lost", store.commit([store.sessions.create(session("k", { data: bytes("x") }), 99)]));
    assert.deepEqual(await store.sessions.load("a", "est", "k", 10), session("k"));
  });

  storeTest(open, "fail/sessions: saved or removed after somebody else", async (store) => {
    const first = session("k");
    await store.commit([store.sessions.create(first, 10)]);
    await store.commit([store.sessions.save(first, next)]);
    await rejectsWith("guard-lost", store.commit([store.sessions.save(first, next)]));
    await rejectsWith("guard-lost", store.commit([store.sessions.remove(first)]));
    assert.equal((await store.sessions.load("a", "est", "k", 10))?.version, 2);
    await rejectsWith("guard-lost", store.commit([store.sessions.save(session("none"), next)]));
  });

  storeTest(open, "fail/sessions: saved over one that was removed and made anew", async (store) => {
    const first = session("k");
    const anew = session("k", { data: bytes("anew") });
    await store.commit([store.sessions.create(first, 10)]);
    await store.commit([store.sessions.remove(first), store.sessions.create(anew, 10)]);
    await rejectsWith("guard-lost", store.commit([store.sessions.save(first, next)]));
    await rejectsWith("guard-lost", store.commit([store.sessions.remove(first)]));
    assert.deepEqual(await store.sessions.load("a", "est", "k", 10), anew);
  });

  storeTest(open, "ok/sessions: of two saves at the same time exactly one wins", async (store) => {
    const first = session("k");
    await store.commit([store.sessions.create(first, 10)]);
    const saves = [bytes("one"), bytes("two")].map((data) =>
      store.commit([store.sessions.save(first, { data, expires: 200 })]),
    );
    const [one, two] = await Promise.allSettled(saves);
    assert.deepEqual([one?.status, two?.status], ["fulfilled", "rejected"]);
    assert.deepEqual((await store.sessions.load("a", "est", "k", 10))?.data, bytes("one"));
  });

  storeTest(open, "ok/sessions: of two removals at the same time exactly one wins", async (store) => {
    const first = session("k");
    await store.commit([store.sessions.create(first, 10)]);
    const removals = [1, 2].map(() => store.commit([store.sessions.remove(first)]));
    const settled = await Promise.allSettled(removals);
    assert.deepEqual(
      settled.map(({ status }) => status),
      ["fulfilled", "rejected"],
    );
  });

  storeTest(open, "ok/sessions: expired ones of all tenants are deleted", async (store) => {
    await store.commit([
      store.sessions.create(session("old"), 10),
      store.sessions.create(session("old", { tenant: "b" }), 10),
      store.sessions.create(session("young", { expires: 101 }), 10),
    ]);
    await store.commit([store.sessions.removeExpired(100)]);
    assert.equal(await store.sessions.load("a", "est", "old", 10), undefined);
    assert.equal(await store.sessions.load("b", "est", "old", 10), undefined);
    assert.notEqual(await store.sessions.load("a", "est", "young", 10), undefined);
  });
}
