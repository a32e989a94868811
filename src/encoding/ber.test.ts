import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { fromHex, hex } from "../core/bytes.ts";
import { derOfBer } from "./ber.ts";
import { decodeDer } from "./der.ts";
import * as der from "./der-writer.ts";
import { DerError } from "./errors.ts";

function bytesOf(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll(" ", ""));
  assert.ok(bytes);
  return bytes;
}

const normalised = (text: string) => hex(derOfBer(bytesOf(text), 1000));

test("ok/BER forms become DER", () => {
  assert.equal(normalised("3080 020101 0000"), "3003020101");
  assert.equal(normalised("3080 a080 0500 0000 0000"), "3004a0020500");
  assert.equal(normalised("3081 03 020101"), "3003020101");
  assert.equal(normalised("0482 0001 aa"), "0401aa");
  assert.equal(normalised("2480 0401aa 0402bbcc 0000"), "0403aabbcc");
  assert.equal(normalised("2409 0401aa 2404 0402bbcc"), "0403aabbcc");
  assert.equal(normalised("2480 0000"), "0400");
});

test("ok/DER is kept as a view", () => {
  const bytes = der.sequence([der.explicit(0, der.octetString(new Uint8Array(300))), der.integer(5)]);
  const same = derOfBer(bytes, 1000);
  assert.equal(same.buffer, bytes.buffer);
  assert.equal(same.byteOffset, bytes.byteOffset);
  assert.equal(same.length, bytes.length);
});

test("fail/what is not BER", () => {
  const cases = [
    ["", "truncated"],
    ["3080 0500", "truncated"],
    ["3080 0500 00", "truncated"],
    ["3005 0500", "truncated"],
    ["3003 0402 aa", "truncated"],
    ["0480 0000", "indefinite-length"],
    ["0000", "unexpected-tag"],
    ["3002 0000", "unexpected-tag"],
    ["3080 0001 00", "bad-value"],
    ["2403 020101", "unexpected-tag"],
    ["0500 00", "trailing-bytes"],
    ["0485 0000000001 aa", "too-large"],
    ["1f0100", "high-tag"],
    ["3080".repeat(40), "too-deep"],
  ] as const;
  for (const [text, code] of cases) assert.throws(() => derOfBer(bytesOf(text), 1000), { code }, text);
  assert.throws(() => derOfBer(new Uint8Array(11), 10), { code: "too-large" });
});

test("fail/more elements than anybody sends", () => {
  const repeated = (element: Uint8Array, count: number) => Buffer.concat(new Array<Uint8Array>(count).fill(element));
  const indefinite = (tag: number, content: Uint8Array) =>
    Buffer.concat([Uint8Array.of(tag, 0x80), content, new Uint8Array(2)]);
  const string = (pieces: number) => indefinite(0x24, repeated(bytesOf("0400"), pieces));
  assert.equal(derOfBer(string(32_767), 1_000_000).length, 2);
  for (const many of [
    string(32_768),
    string(499_000),
    indefinite(0x30, repeated(bytesOf("0500"), 32_768)),
    indefinite(0x30, repeated(string(500), 70)),
    indefinite(0x30, repeated(bytesOf("3000"), 32_768)),
  ])
    assert.throws(() => derOfBer(many, 1_000_000), { code: "too-many-items" });
  // DER costs less than its length.
  const sequence = der.sequence(new Array<Uint8Array>(40_000).fill(der.nullValue()));
  assert.equal(derOfBer(sequence, 1_000_000), sequence);
});

/** A tree with its encodings in DER and in BER with indefinite lengths and divided strings. */
interface Tree {
  readonly der: Uint8Array;
  readonly ber: Uint8Array;
}

const { tree } = fc.letrec<{ tree: Tree; octets: Tree; list: Tree }>((tie) => ({
  tree: fc.oneof({ depthSize: "small" }, tie("octets"), tie("list")),
  octets: fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 3 }).map((pieces) => ({
    der: der.octetString(Buffer.concat(pieces)),
    ber: Buffer.concat([Uint8Array.of(0x24, 0x80), ...pieces.map(der.octetString), new Uint8Array(2)]),
  })),
  list: fc.array(tie("tree"), { maxLength: 4 }).map((items) => ({
    der: der.sequence(items.map((item) => item.der)),
    ber: Buffer.concat([Uint8Array.of(0x30, 0x80), ...items.map((item) => item.ber), new Uint8Array(2)]),
  })),
}));

test("ok/indefinite trees become the DER of the same value", () => {
  fc.assert(
    fc.property(tree, (value) => assert.equal(hex(derOfBer(value.ber, 100_000)), hex(value.der))),
    { seed: 5, numRuns: 300 },
  );
});

test("ok/damaged BER is answered with a DerError or with DER", () => {
  const sample = bytesOf(
    "3080 06092a864886f70d010702 a080 3080 020101 2480 0403aabbcc 0401dd 0000 3181 00 0000 0000 0000",
  );
  for (const mutation of mutations(2, sample, 3000)) {
    try {
      const bytes = derOfBer(mutation, 1000);
      assert.equal(
        decodeDer(bytes, (reader) => reader.any().raw.length),
        bytes.length,
      );
    } catch (error) {
      assert.ok(error instanceof DerError, String(error));
    }
  }
});
