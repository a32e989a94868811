import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { equal, fromHex, hex } from "../core/bytes.ts";
import { DerError } from "./errors.ts";
import { oidContent, oidText } from "./oid.ts";

const known = [
  ["2.5.4.3", "550403"],
  ["1.2.840.113549.1.1.11", "2a864886f70d01010b"],
  ["1.3.132.0.34", "2b81040022"],
  ["0.0", "00"],
  ["0.39", "27"],
  ["1.39", "4f"],
  ["2.0", "50"],
  ["2.999", "8837"],
  ["2.25.340282366920938463463374607431768211455", "6983ffffffffffffffffffffffffffffffffff7f"],
  ["2.340282366920938463463374607431768211375", "83ffffffffffffffffffffffffffffffffff7f"],
] as const;

test("ok/known object identifiers both ways", () => {
  for (const [text, content] of known) {
    assert.equal(hex(oidContent(text)), content);
    assert.equal(oidText(fromHex(content) ?? new Uint8Array()), text);
  }
});

test("ok/octets that are read are written back the same", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (content) => {
      try {
        assert.ok(equal(oidContent(oidText(content)), content));
      } catch (error) {
        assert.ok(error instanceof DerError, String(error));
      }
    }),
    { seed: 3, numRuns: 2000 },
  );
});

test("fail/malformed octets", () => {
  for (const content of ["", "80", "5580", "558001", "5504ff"])
    assert.throws(() => oidText(fromHex(content) ?? new Uint8Array()), { code: "bad-value" }, content);
  assert.throws(() => oidText(new Uint8Array(65).fill(1)), { code: "too-large" });
});

test("fail/malformed text", () => {
  for (const text of [
    "",
    "1",
    "3.1",
    "1.40",
    "0.40",
    "1.2.",
    "1..2",
    "1.02",
    "1.2.x",
    " 1.2",
    "-1.2",
    "1.2".repeat(200),
  ])
    assert.throws(() => oidContent(text), { code: "bad-value" }, text);
  assert.throws(() => oidContent(`2.5${".1".repeat(64)}`), { code: "too-large" });
});
