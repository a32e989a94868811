import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandomness } from "../core/randomness.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import type { TokenKeys } from "../pkcs11/index.ts";
import { sealedKeyKeeper } from "./key-keeper.ts";
import { tokenKeyKeeper } from "./key-keeper-pkcs11.ts";
import { vaultBench } from "./vault/fixtures.test-support.ts";

const inToken = signerOf(generateKey("P-256"));

test("ok/token key keeper: new keys in the token, old ones where they are", async () => {
  const { store, open } = await vaultBench();
  const sealed = sealedKeyKeeper({ store, vault: await open() });
  const old = await sealed.generate("default", "issuing-1", "P-256");
  await store.commit(old.writes);
  const asked: string[] = [];
  const keeper = tokenKeyKeeper(fakeToken(asked), sealed, seededRandomness("token"));
  const made = await keeper.generate("default", "issuing-2", "P-256");
  assert.deepEqual([made.key, made.writes], ["pkcs11:token=ca;object=x;type=private", []]);
  assert.equal(await keeper.signer("default", made.key), inToken);
  assert.deepEqual((await keeper.signer("default", old.key)).publicKey, old.signer.publicKey);
  assert.deepEqual(asked, ["generate default/issuing-2 16", `signer ${made.key}`]);
});

test("fail/token key keeper: keys that the token does not take or make", async () => {
  const { store, open } = await vaultBench();
  const sealed = sealedKeyKeeper({ store, vault: await open() });
  const keeper = tokenKeyKeeper(fakeToken([]), sealed, seededRandomness("token"));
  await assert.rejects(keeper.keep("default", "x", generateKey("P-256")), { code: "hsm-refused" });
  await assert.rejects(keeper.generate("default", "x", "Ed25519"), { code: "hsm-refused" });
});

function fakeToken(asked: string[]): TokenKeys {
  return {
    check: async () => {},
    async generate(label, id) {
      asked.push(`generate ${label} ${id.length}`);
      return { uri: "pkcs11:token=ca;object=x;type=private", signer: inToken };
    },
    async signer(uri) {
      asked.push(`signer ${uri}`);
      return inToken;
    },
    close: async () => {},
    pid: () => undefined,
  };
}
