import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../core/bytes.ts";
import { generateKey, publicKeyOf, verifySignature } from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import { type KeyKeeper, sealedKeyKeeper } from "./key-keeper.ts";
import { vaultBench } from "./vault/fixtures.test-support.ts";

for (const kind of ["P-256", "P-384", "Ed25519", "RSA-2048"] as const) {
  test(`ok/key keeper: a generated ${kind} key signs, also after it was read back`, async () => {
    const { keeper, commit } = await bench();
    const { key, signer, writes } = await keeper.generate("default", "issuing", kind);
    await commit(writes);
    const again = await keeper.signer("default", key);
    assert.deepEqual(again.publicKey, signer.publicKey);
    await assertSigns(signer);
    await assertSigns(again);
  });
}

test("ok/key keeper: a key that was made elsewhere", async () => {
  const { keeper, commit } = await bench();
  const { key, writes } = await keeper.keep("default", "imported", generateKey("P-256"));
  await commit(writes);
  await assertSigns(await keeper.signer("default", key));
});

test("fail/key keeper: a key that is not there, or another tenant's", async () => {
  const { keeper, commit } = await bench();
  const { key, writes } = await keeper.generate("default", "issuing", "P-256");
  await assert.rejects(keeper.signer("default", key), { code: "not-found", message: /key issuing of tenant default/ });
  await commit(writes);
  await assert.rejects(keeper.signer("demo", key), { code: "not-found" });
});

test("fail/key keeper: a name that is taken, and a key that was moved to another name", async () => {
  const { keeper, commit, move } = await bench();
  const { writes } = await keeper.generate("default", "issuing", "P-256");
  await commit(writes);
  await assert.rejects(commit((await keeper.generate("default", "issuing", "P-256")).writes), { code: "guard-lost" });
  await move("issuing", "root");
  await assert.rejects(keeper.signer("default", "root"), { code: "seal-broken" });
});

async function bench() {
  const { store, open } = await vaultBench();
  const vault = await open();
  const keeper: KeyKeeper = sealedKeyKeeper({ store, vault });
  return {
    keeper,
    commit: store.commit,
    async move(from: string, to: string) {
      const stored = await store.authorities.key("default", from);
      assert.ok(stored);
      await store.commit([store.authorities.addKey({ ...stored, name: to })]);
    },
  };
}

async function assertSigns(signer: Signer): Promise<void> {
  const data = utf8("to be signed");
  assert.ok(verifySignature(publicKeyOf(signer.publicKey), signer.algorithm, data, await signer.sign(data)));
}
