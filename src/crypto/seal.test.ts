import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { equal, hex, utf8 } from "../core/bytes.ts";
import { seededRandomness } from "../core/randomness.ts";
import { CryptoError } from "./errors.ts";
import { open, seal } from "./seal.ts";

const key = new Uint8Array(32).fill(3);
const where = utf8("default/root");

test("ok/GCM specification, test case 14, behind version and nonce", () => {
  const zeros = { bytes: (count: number) => new Uint8Array(count) };
  const sealed = seal(new Uint8Array(32), new Uint8Array(16), new Uint8Array(), zeros);
  const expected = `01${"00".repeat(12)}cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919`;
  assert.equal(hex(sealed), expected);
});

test("ok/what was sealed is opened", () => {
  const randomness = seededRandomness("seal");
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (plaintext, associatedData) => {
      const sealed = seal(createSecretKey(key), plaintext, associatedData, randomness);
      assert.equal(sealed.length, plaintext.length + 29);
      assert.ok(equal(open(key, sealed, associatedData), plaintext));
    }),
    { seed: 8, numRuns: 200 },
  );
});

test("fail/another key, another place, any other bytes", () => {
  const sealed = seal(key, utf8("a private key"), where, seededRandomness("seal"));
  const broken = (run: () => unknown) =>
    assert.throws(run, (error) => error instanceof CryptoError && error.code === "seal-broken");
  broken(() => open(new Uint8Array(32), sealed, where));
  broken(() => open(key, sealed, utf8("other/root")));
  broken(() => open(key, new Uint8Array(), where));
  broken(() => open(key, sealed.subarray(0, 28), where));
  for (const mutation of mutations(5, sealed, 1000))
    if (!equal(mutation, sealed)) broken(() => open(key, mutation, where));
});
