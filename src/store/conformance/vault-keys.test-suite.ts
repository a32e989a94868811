import assert from "node:assert/strict";
import { concat } from "../../core/bytes.ts";
import type { VaultKey } from "../records.ts";
import type { Store } from "../store.ts";
import { firstKeyId, keyIdOf, sealPrefix } from "../vault-keys.ts";
import { bytes, type Open, rejectsWith, storeTest } from "./fixtures.test-suite.ts";

const first = "00000000000000a1";
const second = "00000000000000a2";

/** The vault's data keys, and the values that they sealed. */
export function vaultKeysConformance(open: Open): void {
  storeTest(open, "ok/vault keys: the current one first, retired, and gone when nothing needs it", async (store) => {
    const [old, next] = [vaultKey(first), vaultKey(second)];
    await store.commit([store.vaultKeys.insert(old)]);
    await store.commit([store.vaultKeys.replace(old, { ...old, state: "retiring" }), store.vaultKeys.insert(next)]);
    assert.deepEqual(await store.vaultKeys.list(), [next, { ...old, state: "retiring" }]);
    await store.commit([store.vaultKeys.remove(first)]);
    assert.deepEqual(await store.vaultKeys.list(), [next]);
  });

  storeTest(open, "fail/vault keys: twice the same, two current ones, changed after somebody else", async (store) => {
    const old = vaultKey(first);
    await store.commit([store.vaultKeys.insert(old)]);
    await rejectsWith("guard-lost", store.commit([store.vaultKeys.insert({ ...old, state: "retiring" })]));
    await rejectsWith("guard-lost", store.commit([store.vaultKeys.insert(vaultKey(second))]));
    const anew = { ...old, wrapped: bytes("anew") };
    await store.commit([store.vaultKeys.replace(old, anew)]);
    await rejectsWith("guard-lost", store.commit([store.vaultKeys.replace(old, { ...old, state: "retiring" })]));
    assert.deepEqual(await store.vaultKeys.list(), [anew]);
  });

  storeTest(
    open,
    "fail/vault keys: removed while it is current, or while something is sealed with it",
    async (store) => {
      await store.commit([store.vaultKeys.insert(vaultKey(first))]);
      await rejectsWith("guard-lost", store.commit([store.vaultKeys.remove(first)]));
      await store.commit([store.vaultKeys.insert({ ...vaultKey(second), state: "retiring" })]);
      const sealed = sealedWith(second);
      await store.commit([store.authorities.addKey({ tenant: "a", name: "key", sealed })]);
      await rejectsWith("guard-lost", store.commit([store.vaultKeys.remove(second)]));
      await store.commit([store.authorities.resealKey({ tenant: "a", name: "key", sealed }, sealedWith(first))]);
      const session = { tenant: "b", protocol: "est", key: "s", data: sealed, expires: 100 };
      await store.commit([store.sessions.create(session, 0)]);
      await rejectsWith("guard-lost", store.commit([store.vaultKeys.remove(second)]));
      await store.commit([store.sessions.remove({ ...session, version: 1 })]);
      await store.commit([store.vaultKeys.remove(second)]);
    },
  );

  storeTest(open, "ok/vault keys: the values that a key sealed, in every tenant", async (store) => {
    await fill(store);
    assert.equal(await store.vaultKeys.count(first), 3);
    assert.equal(await store.vaultKeys.count(firstKeyId), 1);
    assert.equal(await store.vaultKeys.count(second), 0);
    const { keys, sessions } = await store.vaultKeys.sealedWith(first, 10);
    assert.deepEqual(keys.map(({ tenant, name }) => `${tenant}/${name}`).toSorted(), ["a/one", "b/one"]);
    assert.deepEqual(sessions, [
      { tenant: "b", protocol: "est", key: "s", version: 1, data: sealedWith(first), expires: 100 },
    ]);
    assert.equal((await store.vaultKeys.sealedWith(first, 1)).keys.length, 1);
    assert.deepEqual(await store.vaultKeys.sealedWith(second, 10), { keys: [], sessions: [] });
  });

  storeTest(
    open,
    "ok/vault keys: whether anything is sealed with a key that has an id, known or not",
    async (store) => {
      assert.equal(await store.vaultKeys.anySealed(), false);
      await store.commit([store.authorities.addKey({ tenant: "a", name: "old", sealed: sealedWith(firstKeyId) })]);
      assert.equal(await store.vaultKeys.anySealed(), false);
      const session = { tenant: "b", protocol: "est", key: "s", data: sealedWith(second), expires: 100 };
      await store.commit([store.sessions.create(session, 0)]);
      assert.equal(await store.vaultKeys.anySealed(), true);
      await store.commit([store.sessions.remove({ ...session, version: 1 })]);
      await store.commit([store.authorities.addKey({ tenant: "a", name: "new", sealed: sealedWith(first) })]);
      assert.equal(await store.vaultKeys.anySealed(), true);
    },
  );

  storeTest(open, "fail/vault keys: a value under a key that is gone is not committed", async (store) => {
    const sealed = sealedWith(first);
    const add = [store.authorities.addKey({ tenant: "a", name: "key", sealed }), store.vaultKeys.requireKeyOf(sealed)];
    await rejectsWith("guard-lost", store.commit(add));
    assert.equal(await store.authorities.key("a", "key"), undefined);
    await store.commit([store.vaultKeys.insert(vaultKey(first))]);
    await store.commit(add);
  });
}

function vaultKey(id: string): VaultKey {
  return { id, state: "current", keyFile: "f", wrapped: bytes(`wrapped ${id}`), created: 1 };
}

function sealedWith(id: string): Uint8Array {
  const sealed = new Uint8Array(concat([sealPrefix(id), bytes("twelve more octets")]));
  assert.equal(keyIdOf(sealed), id);
  return sealed;
}

async function fill(store: Store): Promise<void> {
  await store.commit([
    store.authorities.addKey({ tenant: "a", name: "one", sealed: sealedWith(first) }),
    store.authorities.addKey({ tenant: "b", name: "one", sealed: sealedWith(first) }),
    store.authorities.addKey({ tenant: "b", name: "two", sealed: sealedWith(firstKeyId) }),
    store.sessions.create({ tenant: "b", protocol: "est", key: "s", data: sealedWith(first), expires: 100 }, 0),
  ]);
}
