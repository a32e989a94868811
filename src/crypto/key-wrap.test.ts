import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { equal, fromHex, hex } from "../core/bytes.ts";
import { unwrapKey, wrapKey } from "./key-wrap.ts";

function bytesOf(text: string): Uint8Array {
  return fromHex(text) ?? assert.fail();
}

// RFC 3394 4.1, 4.2, 4.3, 4.6.
const vectors = [
  [
    "000102030405060708090A0B0C0D0E0F",
    "00112233445566778899AABBCCDDEEFF",
    "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5",
  ],
  [
    "000102030405060708090A0B0C0D0E0F1011121314151617",
    "00112233445566778899AABBCCDDEEFF",
    "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D",
  ],
  [
    "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
    "00112233445566778899AABBCCDDEEFF",
    "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7",
  ],
  [
    "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
    "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
    "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
  ],
] as const;

test("ok/RFC 3394 4", () => {
  for (const [keyEncryptionKey, key, wrapped] of vectors) {
    assert.equal(hex(wrapKey(bytesOf(keyEncryptionKey), bytesOf(key))).toUpperCase(), wrapped);
    assert.equal(hex(unwrapKey(bytesOf(keyEncryptionKey), bytesOf(wrapped)) ?? assert.fail()).toUpperCase(), key);
  }
});

test("fail/wrapped keys that were changed, cut, or are for another key", () => {
  const [[keyEncryptionKey, , wrapped]] = vectors;
  const whole = bytesOf(wrapped);
  for (let i = 0; i < whole.length; i += 1) {
    const changed = Uint8Array.from(whole);
    changed[i] = (changed[i] ?? 0) ^ 1;
    assert.equal(unwrapKey(bytesOf(keyEncryptionKey), changed), undefined);
    assert.equal(unwrapKey(bytesOf(keyEncryptionKey), whole.subarray(0, i)), undefined);
  }
  assert.equal(unwrapKey(new Uint8Array(16), whole), undefined);
  assert.equal(unwrapKey(new Uint8Array(16), new Uint8Array(528)), undefined);
});

test("fail/keys of lengths that AES key wrap has not", () => {
  for (const length of [0, 8, 17, 520])
    assert.throws(() => wrapKey(new Uint8Array(16), new Uint8Array(length)), { code: "malformed-key" });
  for (const length of [0, 15, 33]) {
    assert.throws(() => wrapKey(new Uint8Array(length), new Uint8Array(16)), { code: "malformed-key" });
    assert.throws(() => unwrapKey(new Uint8Array(length), new Uint8Array(24)), { code: "malformed-key" });
  }
});

test("ok/what is wrapped is unwrapped", () => {
  const keyOf = (...lengths: number[]) =>
    fc.constantFrom(...lengths).chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
  fc.assert(
    fc.property(keyOf(16, 24, 32), keyOf(16, 24, 32, 64), (keyEncryptionKey, key) => {
      assert.ok(equal(unwrapKey(keyEncryptionKey, wrapKey(keyEncryptionKey, key)) ?? new Uint8Array(), key));
    }),
    { seed: 3394 },
  );
});
