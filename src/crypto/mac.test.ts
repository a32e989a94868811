import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, hex, utf8 } from "../core/bytes.ts";
import { equalSecret, hmacSha256, sha256 } from "./mac.ts";

test("ok/FIPS 180-4 and RFC 4231 4.3", () => {
  assert.equal(hex(sha256(utf8("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.equal(
    hex(hmacSha256(utf8("Jefe"), utf8("what do ya want for nothing?"))),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
});

test("ok/views into larger memory are hashed as what they show", () => {
  const part = new Uint8Array([0, ...utf8("abc"), 0]).subarray(1, 4);
  assert.equal(hex(sha256(part)), hex(sha256(utf8("abc"))));
  assert.equal(hex(hmacSha256(part, part)), hex(hmacSha256(utf8("abc"), utf8("abc"))));
});

test("ok/secrets are equal or not", () => {
  const secret = fromHex("00ff") ?? new Uint8Array();
  assert.equal(equalSecret(secret, Uint8Array.of(0x00, 0xff)), true);
  assert.equal(equalSecret(secret, Uint8Array.of(0x00, 0xfe)), false);
  assert.equal(equalSecret(secret, Uint8Array.of(0x00)), false);
  assert.equal(equalSecret(new Uint8Array(), new Uint8Array()), true);
});
