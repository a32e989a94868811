import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { equal, fromHex, hex } from "../core/bytes.ts";
import { type DerReader, decodeDer } from "./der.ts";
import * as der from "./der-writer.ts";
import { DerError, type DerErrorCode } from "./errors.ts";
import { tags } from "./tags.ts";

const seeded = { seed: 20_090_605, numRuns: 500 };

function bytesOf(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll(" ", ""));
  assert.ok(bytes);
  return bytes;
}

function refuses(text: string, read: (reader: DerReader) => unknown, code: DerErrorCode): void {
  assert.throws(
    () => decodeDer(bytesOf(text), read),
    (error) => error instanceof DerError && error.code === code,
    `${text} must be refused as ${code}`,
  );
}

/** Walks everything that looks constructed, as deep as it goes. */
function walk(reader: DerReader): void {
  while (!reader.done) {
    if (reader.has(tags.sequence)) reader.sequence(walk);
    else if (reader.has(tags.set)) reader.set(walk);
    else if (reader.has(tags.integer)) reader.integer();
    else if (reader.has(tags.boolean)) reader.boolean();
    else if (reader.has(tags.objectIdentifier)) reader.objectIdentifier();
    else if (reader.has(tags.bitString)) reader.bitString();
    else if (reader.has(tags.null)) reader.null();
    else if (reader.has(tags.utcTime) || reader.has(tags.generalizedTime)) reader.time();
    else if (reader.has(tags.utf8String)) reader.text(tags.utf8String);
    else if (reader.has(tags.bmpString)) reader.text(tags.bmpString);
    else if (reader.has(tags.universalString)) reader.text(tags.universalString);
    else reader.any();
  }
}

const sample = der.sequence([
  der.integer(65_537),
  der.boolean(true),
  der.setOf([der.sequence([der.objectIdentifier("1.2.840.113549.1.9.7"), der.utf8String("Größe")])]),
  der.time(Date.UTC(2026, 1, 3, 4, 5, 6)),
  der.time(Date.UTC(9999, 11, 31, 23, 59, 59)),
  der.namedBits([0, 5]),
  der.explicit(0, der.octetString(new Uint8Array(200).fill(7))),
  der.element(tags.bmpString, bytesOf("0041 00e9")),
  der.nullValue(),
]);

test("ok/elements are views of the received bytes", () => {
  const bytes = bytesOf("3006 0201 05 0401 aa");
  const element = decodeDer(bytes, (reader) =>
    reader.sequence((content) => {
      content.integer();
      return content.any();
    }),
  );
  bytes[7] = 0xbb;
  assert.deepEqual([...element.raw], [0x04, 0x01, 0xbb]);
  assert.deepEqual([...element.content], [0xbb]);
  assert.equal(element.tag, tags.octetString);
});

test("ok/optional and tagged fields", () => {
  const bytes = bytesOf("300b a003 020101 8101ff 820100");
  const read = decodeDer(bytes, (reader) =>
    reader.sequence((content) => ({
      version: content.has(0xa0) ? content.explicit(0, (inner) => inner.smallInteger(3)) : 0,
      absent: content.has(0xa5),
      octets: hex(content.octetString(0x81)),
      number: content.smallInteger(10, 0x82),
    })),
  );
  assert.deepEqual(read, { version: 1, absent: false, octets: "ff", number: 0 });
});

test("fail/lengths", () => {
  refuses("", (reader) => reader.any(), "truncated");
  refuses("04", (reader) => reader.any(), "truncated");
  refuses("0402 01", (reader) => reader.any(), "truncated");
  refuses("0481", (reader) => reader.any(), "truncated");
  refuses("0482 01", (reader) => reader.any(), "truncated");
  refuses("0484 ffffffff 00", (reader) => reader.any(), "truncated");
  refuses("0485 0100000000", (reader) => reader.any(), "too-large");
  refuses("04ff", (reader) => reader.any(), "too-large");
  refuses("3080 0000", (reader) => reader.any(), "indefinite-length");
  refuses("0481 01 aa", (reader) => reader.any(), "length-not-minimal");
  refuses(`0482 0080${"00".repeat(128)}`, (reader) => reader.any(), "length-not-minimal");
  refuses("3003 0402 01", (reader) => reader.sequence((content) => content.any()), "truncated");
});

test("fail/tags", () => {
  refuses("1f01 00", (reader) => reader.any(), "high-tag");
  refuses("bf8101 00", (reader) => reader.any(), "high-tag");
  refuses("0000", (reader) => reader.any(), "unexpected-tag");
  refuses("0401 00", (reader) => reader.integer(), "unexpected-tag");
  refuses("2403 040100", (reader) => reader.octetString(), "unexpected-tag");
  refuses("3000", (reader) => reader.sequence((content) => content.null()), "unexpected-tag");
});

test("fail/what is left over", () => {
  refuses("0500 00", (reader) => reader.null(), "trailing-bytes");
  refuses("3004 0500 0500", (reader) => reader.sequence((content) => content.null()), "trailing-bytes");
});

test("fail/limits", () => {
  const deep = "30".repeat(40).replace(/30/g, (_, at) => `30${(78 - at).toString(16).padStart(2, "0")}`);
  refuses(deep, walk, "too-deep");
  refuses("3006 0500 0500 0500", (reader) => reader.listOf((item) => item.null(), 2), "too-many-items");
  assert.throws(() => decodeDer(new Uint8Array(11), (reader) => reader.any(), 10), { code: "too-large" });
  assert.throws(() => decodeDer(new Uint8Array(65_537), (reader) => reader.any()), { code: "too-large" });
});

test("fail/values that have another encoding", () => {
  refuses("0101 01", (reader) => reader.boolean(), "bad-value");
  refuses("0102 ffff", (reader) => reader.boolean(), "bad-value");
  refuses("0100", (reader) => reader.boolean(), "bad-value");
  refuses("0200", (reader) => reader.integer(), "bad-value");
  refuses("0202 007f", (reader) => reader.integer(), "bad-value");
  refuses("0202 ff80", (reader) => reader.integer(), "bad-value");
  refuses("0201 ff", (reader) => reader.smallInteger(5), "bad-value");
  refuses("0201 06", (reader) => reader.smallInteger(5), "bad-value");
  refuses("0205 0100000000", (reader) => reader.smallInteger(5), "bad-value");
  refuses("0501 00", (reader) => reader.null(), "bad-value");
  refuses("0300", (reader) => reader.bitString(), "bad-value");
  refuses("0301 01", (reader) => reader.bitString(), "bad-value");
  refuses("0302 0800", (reader) => reader.bitString(), "bad-value");
  refuses("0302 0381", (reader) => reader.bitString(), "bad-value");
  refuses("0302 0108", (reader) => reader.octetsOfBitString(), "bad-value");
});

test("fail/strings", () => {
  refuses("0c01 ff", (reader) => reader.text(tags.utf8String), "bad-value");
  refuses("0c03 eda080", (reader) => reader.text(tags.utf8String), "bad-value");
  refuses("1301 00", (reader) => reader.text(tags.printableString), "bad-value");
  refuses("1601 80", (reader) => reader.text(tags.ia5String), "bad-value");
  refuses("1201 41", (reader) => reader.text(tags.numericString), "bad-value");
  refuses("1e01 00", (reader) => reader.text(tags.bmpString), "bad-value");
  refuses("1e02 d800", (reader) => reader.text(tags.bmpString), "bad-value");
  refuses("1c04 00110000", (reader) => reader.text(tags.universalString), "bad-value");
  refuses("1c04 0000d800", (reader) => reader.text(tags.universalString), "bad-value");
  refuses("0401 41", (reader) => reader.text(tags.octetString), "unexpected-tag");
});

test("ok/strings of every type", () => {
  const read = (text: string, type: number) => decodeDer(bytesOf(text), (reader) => reader.text(type));
  assert.equal(read("0c03 e282ac", tags.utf8String), "€");
  assert.equal(read("1302 412a", tags.printableString), "A*");
  assert.equal(read("1602 4100", tags.ia5String), "A\0");
  assert.equal(read("1203 312032", tags.numericString), "1 2");
  assert.equal(read("1401 e9", tags.teletexString), "é");
  assert.equal(read("1e04 004120ac", tags.bmpString), "A€");
  assert.equal(read("1c04 0001f600", tags.universalString), "😀");
});

test("ok/every decoder answers damaged bytes with a DerError or a value", () => {
  let refused = 0;
  for (const mutation of mutations(1, sample, 4000)) {
    try {
      decodeDer(mutation, walk);
    } catch (error) {
      assert.ok(error instanceof DerError, String(error));
      refused += 1;
    }
  }
  assert.ok(refused > 1000, `only ${refused} mutations were refused`);
});

test("ok/random octets are never read as more than they are", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        const { raw } = decodeDer(bytes, (reader) => reader.any());
        assert.ok(equal(raw, bytes));
      } catch (error) {
        assert.ok(error instanceof DerError);
      }
    }),
    seeded,
  );
});
