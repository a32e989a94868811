import assert from "node:assert/strict";
import { argon2Sync } from "node:crypto";
import { test } from "node:test";
import { hex } from "../core/bytes.ts";
import { keyFromPassphrase, recommendedCost } from "./passphrase.ts";

const salt = new Uint8Array(16).fill(2);

test("ok/passphrase: the derivation is the one that reproduces RFC 9106 5.3", async () => {
  // The RFC's own vector has a secret, associated data and 32 KiB: it pins the primitive below the function.
  const vector = argon2Sync("argon2id", {
    message: Buffer.alloc(32, 1),
    nonce: Buffer.alloc(16, 2),
    secret: Buffer.alloc(8, 3),
    associatedData: Buffer.alloc(12, 4),
    memory: 32,
    passes: 3,
    parallelism: 4,
    tagLength: 32,
  });
  assert.equal(hex(vector), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
  const key = await keyFromPassphrase("open sesame, please", salt, recommendedCost);
  const expected = argon2Sync("argon2id", {
    message: "open sesame, please",
    nonce: salt,
    memory: 65536,
    passes: 3,
    parallelism: 4,
    tagLength: 32,
  });
  assert.equal(hex(key), hex(expected));
});

test("ok/passphrase: one spelling of one text", async () => {
  const [composed, decomposed, other] = await Promise.all(
    ["Schlu\u0308ssel", "Schl\u00fcssel", "Schlussel"].map((text) => keyFromPassphrase(text, salt, recommendedCost)),
  );
  assert.deepEqual(composed, decomposed);
  assert.notDeepEqual(composed, other);
});

for (const cost of [
  { ...recommendedCost, memory: 1024 },
  { ...recommendedCost, memory: 2 ** 21 },
  { ...recommendedCost, passes: 1 },
  { ...recommendedCost, passes: 3.5 },
  { ...recommendedCost, parallelism: 1000 },
])
  test(`fail/passphrase: a cost of ${JSON.stringify(cost)}`, async () => {
    await assert.rejects(keyFromPassphrase("x", salt, cost), { code: "argon2-cost" });
  });

test("fail/passphrase: a salt that is too short or too long", async () => {
  for (const length of [0, 15, 65])
    await assert.rejects(keyFromPassphrase("x", new Uint8Array(length), recommendedCost), { code: "salt-length" });
});
