import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { base64, equal, textOf, utf8 } from "../core/bytes.ts";
import { decodeWireBase64, encodeWireBase64 } from "./base64.ts";
import { Base64Error } from "./errors.ts";

const decoded = (text: string) => textOf(decodeWireBase64(utf8(text)));

test("ok/RFC 4648 section 10", () => {
  const vectors = {
    "": "",
    f: "Zg==",
    fo: "Zm8=",
    foo: "Zm9v",
    foob: "Zm9vYg==",
    fooba: "Zm9vYmE=",
    foobar: "Zm9vYmFy",
  };
  for (const [text, encoded] of Object.entries(vectors)) {
    assert.equal(decoded(encoded), text);
    assert.equal(textOf(encodeWireBase64(utf8(text), "line")), encoded);
  }
});

test("ok/white space of RFC 8951 3.1 is passed over", () => {
  for (const text of ["TWFu", "TWFu\n", "TWFu\r\n", "TW\r\nFu", " TWFu\t", " T W F u "])
    assert.equal(decoded(text), "Man");
  assert.equal(decoded("Z g = =\n"), "f");
});

test("fail/white space when it is not allowed", () => {
  assert.equal(textOf(decodeWireBase64(utf8("TWFu"), { allowWhitespace: false })), "Man");
  assert.throws(() => decodeWireBase64(utf8("TWFu\n"), { allowWhitespace: false }), { code: "base64-whitespace" });
});

test("fail/everything else is refused by its own code", () => {
  const cases = [
    ["base64-alphabet", ["TW-_", "TW\vFu", "TWFu\0", "TWF\u00e9", "TWFu TWFu."]],
    ["base64-padding", ["TWF", "T", "TW=", "TW===", "=", "====", "TWFu====", "TW=u", "TQ==TQ=="]],
    ["base64-trailing-bits", ["TR==", "TWG=", "/x==", "//9="]],
    ["pem-armour", ["-----BEGIN CERTIFICATE REQUEST-----\nTWFu\n-----END CERTIFICATE REQUEST-----\n"]],
  ] as const;
  for (const [code, texts] of cases)
    for (const text of texts) assert.throws(() => decodeWireBase64(utf8(text)), { code }, text);
});

test("ok/each form has its lines", () => {
  const bytes = new Uint8Array(100).fill(1);
  assert.equal(textOf(encodeWireBase64(bytes, "line")), base64(bytes));
  const lines = textOf(encodeWireBase64(bytes, "wrapped")).split("\n");
  assert.deepEqual(
    lines.map((line) => line.length),
    [64, 64, 8, 0],
  );
  assert.equal(textOf(encodeWireBase64(new Uint8Array(48), "wrapped")), `${"A".repeat(64)}\n`);
  assert.equal(encodeWireBase64(new Uint8Array(), "wrapped").length, 0);
});

test("ok/both forms are read back", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom("line" as const, "wrapped" as const),
      (bytes, form) => {
        assert.ok(equal(decodeWireBase64(encodeWireBase64(bytes, form)), bytes));
      },
    ),
    { seed: 6, numRuns: 500 },
  );
});

test("ok/no two texts without white space stand for the same bytes", () => {
  const sample = encodeWireBase64(utf8("nothing but the canonical form"), "line");
  for (const mutation of mutations(3, sample, 3000)) {
    try {
      const bytes = decodeWireBase64(mutation, { allowWhitespace: false });
      assert.ok(equal(encodeWireBase64(bytes, "line"), mutation));
    } catch (error) {
      assert.ok(error instanceof Base64Error, String(error));
    }
  }
});
