import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { equal, hex } from "../core/bytes.ts";
import { decodeDer } from "./der.ts";
import * as der from "./der-writer.ts";
import { tags } from "./tags.ts";

const seeded = { seed: 680, numRuns: 300 };

test("ok/known encodings", () => {
  assert.equal(hex(der.integer(0)), "020100");
  assert.equal(hex(der.integer(127)), "02017f");
  assert.equal(hex(der.integer(128)), "02020080");
  assert.equal(hex(der.integer(65_537)), "0203010001");
  assert.equal(hex(der.integer(Number.MAX_SAFE_INTEGER)), "02071fffffffffffff");
  assert.equal(hex(der.unsignedInteger(Uint8Array.of(0, 0, 0xff))), "020200ff");
  assert.equal(hex(der.unsignedInteger(new Uint8Array(3))), "020100");
  assert.equal(hex(der.boolean(true)), "0101ff");
  assert.equal(hex(der.boolean(false)), "010100");
  assert.equal(hex(der.nullValue()), "0500");
  assert.equal(hex(der.bitString(Uint8Array.of(0xa0))), "030200a0");
  assert.equal(hex(der.namedBits([])), "030100");
  assert.equal(hex(der.namedBits([0])), "03020780");
  assert.equal(hex(der.namedBits([5, 6])), "03020106");
  assert.equal(hex(der.namedBits([8])), "0303070080");
  assert.equal(hex(der.sequence([])), "3000");
  assert.equal(hex(der.explicit(0, der.integer(2))), "a003020102");
  assert.equal(hex(der.implicit(0, der.setOf([]))), "a000");
  assert.equal(hex(der.implicit(2, der.ia5String("a"))), "820161");
});

test("ok/SET OF is sorted by its encodings", () => {
  const set = der.setOf([der.integer(300), der.integer(2), der.octetString(Uint8Array.of(1)), der.integer(1)]);
  assert.equal(hex(set), "310d0201010201020202012c040101");
});

test("ok/lengths are minimal at each edge", () => {
  const lengths = [0, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xffffff, 0x1000000];
  const headers = [
    "0400",
    "047f",
    "048180",
    "0481ff",
    "04820100",
    "0482ffff",
    "0483010000",
    "0483ffffff",
    "048401000000",
  ];
  for (const [i, length] of lengths.entries()) {
    const encoded = der.octetString(new Uint8Array(length));
    assert.equal(hex(encoded.subarray(0, encoded.length - length)), headers[i]);
    assert.equal(decodeDer(encoded, (reader) => reader.octetString(), encoded.length).length, length);
  }
});

test("ok/written values are read back", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.uint8Array(), fc.string({ unit: "binary" }), (number, bytes, text) => {
      const encoded = der.sequence([der.integer(number), der.octetString(bytes), der.utf8String(text)]);
      decodeDer(encoded, (reader) =>
        reader.sequence((content) => {
          assert.equal(BigInt(`0x${hex(content.integer())}`), BigInt(number));
          assert.ok(equal(content.octetString(), bytes));
          assert.equal(content.text(tags.utf8String), text);
        }),
      );
    }),
    seeded,
  );
});

test("fail/values without an encoding", () => {
  for (const number of [-1, 1.5, Number.NaN, 2 ** 53]) assert.throws(() => der.integer(number), { code: "bad-value" });
  assert.throws(() => der.utf8String("\ud800"), { code: "bad-value" });
  assert.throws(() => der.printableString("a@b"), { code: "bad-value" });
  assert.throws(() => der.ia5String("é"), { code: "bad-value" });
  assert.throws(() => der.objectIdentifier("2"), { code: "bad-value" });
});
