import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { equal, utf8 } from "../core/bytes.ts";
import { PemError } from "./errors.ts";
import { decodePem, encodePem } from "./pem.ts";

const block = encodePem("CERTIFICATE", new Uint8Array(60).fill(9));

test("ok/blocks are written in lines of 64 columns", () => {
  assert.equal(encodePem("PUBLIC KEY", utf8("foo")), "-----BEGIN PUBLIC KEY-----\nZm9v\n-----END PUBLIC KEY-----\n");
  assert.ok(block.split("\n").every((line) => line.length <= 64));
});

test("ok/several blocks with text around them", () => {
  const text = `subject=CN = a\r\n${block.replaceAll("\n", "\r\n")}\n\nissuer: b ----\n${encodePem("X509 CRL", utf8("x"))}end`;
  const blocks = decodePem(text);
  assert.deepEqual(
    blocks.map(({ label, bytes }) => [label, bytes.length]),
    [
      ["CERTIFICATE", 60],
      ["X509 CRL", 1],
    ],
  );
  assert.deepEqual(decodePem("no block at all"), []);
});

test("ok/what is written is read back", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 }), (contents) => {
      const blocks = decodePem(contents.map((bytes) => encodePem("CERTIFICATE", bytes)).join(""));
      assert.equal(blocks.length, contents.length);
      for (const [i, { bytes }] of blocks.entries()) assert.ok(equal(bytes, contents[i] ?? utf8("?")));
    }),
    { seed: 7, numRuns: 200 },
  );
});

test("fail/malformed text", () => {
  const cases = [
    ["pem-unfinished", "-----BEGIN CERTIFICATE-----\nTWFu\n"],
    ["pem-unfinished", "-----BEGIN CERTIFICATE-----\nTWFu\n-----END X509 CRL-----\n"],
    ["pem-unfinished", "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n"],
    ["pem-unfinished", "-----END CERTIFICATE-----\n"],
    ["pem-bad-label", "-----BEGIN -----\n-----END -----\n"],
    ["pem-bad-label", "-----BEGIN A  B-----\n-----END A  B-----\n"],
    ["pem-base64", "-----BEGIN CERTIFICATE-----\nTWF\n-----END CERTIFICATE-----\n"],
    ["pem-base64", "-----BEGIN CERTIFICATE-----\nT*Fu\n-----END CERTIFICATE-----\n"],
    ["pem-headers", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nTWFu\n-----END RSA PRIVATE KEY-----\n"],
    ["pem-too-large", " ".repeat(1_048_577)],
    ["pem-too-many-blocks", encodePem("A", utf8("a")).repeat(513)],
  ] as const;
  for (const [code, text] of cases) assert.throws(() => decodePem(text), { code }, text.slice(0, 80));
  assert.throws(() => encodePem("A\nB", utf8("a")), { code: "pem-bad-label" });
});

test("ok/damaged text is answered with a PemError or with blocks", () => {
  for (const mutation of mutations(4, utf8(`text\n${block}${block}`), 2000)) {
    try {
      decodePem(Buffer.from(mutation).toString("latin1"));
    } catch (error) {
      assert.ok(error instanceof PemError, String(error));
    }
  }
});
