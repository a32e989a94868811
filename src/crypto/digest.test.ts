import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, utf8 } from "../core/bytes.ts";
import { digest, md5 } from "./digest.ts";

// FIPS 180-4, the one-block example "abc".
for (const [name, expected] of [
  ["sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  ["sha384", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"],
  [
    "sha512",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
  ],
] as const) {
  test(`ok/${name} of the example`, () => assert.equal(hex(digest(name, utf8("abc"))), expected));
}

// RFC 1321 A.5.
test("ok/md5 of the example", () => assert.equal(hex(md5(utf8("abc"))), "900150983cd24fb0d6963f7d28e17f72"));
