import assert from "node:assert/strict";
import { concat, equal, utf8, view } from "../../../src/core/bytes.ts";
import { decodeWireBase64, encodeWireBase64 } from "../../../src/encoding/base64.ts";
import { derOfBer } from "../../../src/encoding/ber.ts";
import { type DerElement, type DerReader, decodeDer } from "../../../src/encoding/der.ts";
import * as der from "../../../src/encoding/der-writer.ts";
import { Base64Error, DerError, PemError } from "../../../src/encoding/errors.ts";
import { oidContent, oidText } from "../../../src/encoding/oid.ts";
import { decodePem, encodePem } from "../../../src/encoding/pem.ts";
import { contextConstructed, tags } from "../../../src/encoding/tags.ts";
import { readsOrRefuses, type Target, targetsOf } from "../harness/target.ts";
import { certificates, messages, streamed } from "./samples.ts";

/** The decoders of `encoding`: they answer with a value that is written as the same bytes again, or with their own error. */
export function encodingTargets(): readonly Target[] {
  const one = certificates["Ed25519"] as Uint8Array;
  const oids = {
    usual: utf8("1.2.840.113549.1.9.16.1.23"),
    UUID: utf8("2.25.329800735698586629295641978511506172918"),
  };
  return [
    ...targetsOf("DER", certificates, readDer, "der"),
    ...targetsOf("DER values", { all: everyValue }, readValues, "der"),
    ...targetsOf("BER", { streamed: streamed(messages["RFC 9148 A.1"] as Uint8Array) }, readBer),
    ...targetsOf("BER", messages, readBer, "ber"),
    ...targetsOf("OBJECT IDENTIFIER", oids, readOid),
    ...targetsOf("PEM", { "two certificates": utf8(`text\n${encodePem("CERTIFICATE", one).repeat(2)}`) }, readPem),
    ...targetsOf(
      "base64",
      {
        line: encodeWireBase64(one, "line"),
        wrapped: encodeWireBase64(one, "wrapped"),
        // Short, so that what is damaged is the end and its padding.
        "one octet": encodeWireBase64(one.subarray(0, 1), "line"),
        "two octets": encodeWireBase64(one.subarray(0, 2), "line"),
      },
      readBase64,
    ),
  ];
}

function readDer(input: Uint8Array): boolean {
  return readsOrRefuses(
    [DerError],
    () => {
      const { raw } = decodeDer(input, (reader) => reader.any());
      assert.ok(equal(raw, input), "more or less than the input was read");
    },
    () => assert.ok(equal(encodedAgain(input), input), "what was read is written differently"),
  );
}

/** Every element written again from its tag and its content: DER has one way to do that. */
function encodedAgain(bytes: Uint8Array): Uint8Array {
  const elements = decodeDer(bytes, (reader) => {
    const found: DerElement[] = [];
    while (!reader.done) found.push(reader.any());
    return found;
  });
  const isConstructed = (tag: number) => (tag & 0x20) !== 0;
  return concat(
    elements.map(({ tag, content }) => der.element(tag, isConstructed(tag) ? encodedAgain(content) : content)),
  );
}

function readValues(input: Uint8Array): boolean {
  return readsOrRefuses([DerError], () => decodeDer(input, walk));
}

/** Reads every element by its type, to the innermost, and writes its value again. */
function walk(reader: DerReader): void {
  while (!reader.done) {
    const container = containers.find((tag) => reader.has(tag));
    if (container !== undefined) {
      reader.constructed(container, walk);
      continue;
    }
    const { tag, raw } = reader.any();
    const write = rewrites.get(tag);
    if (write !== undefined)
      assert.ok(equal(decodeDer(raw, write), raw), `a value of tag ${tag} is written differently`);
    const type = strings.find((string) => string === tag);
    if (type !== undefined) assert.ok(decodeDer(raw, (string) => string.text(type)).isWellFormed());
  }
}

function readBer(input: Uint8Array): boolean {
  return readsOrRefuses([DerError], () => {
    const bytes = derOfBer(input, input.length);
    assert.equal(
      decodeDer(bytes, (reader) => reader.any().raw.length),
      bytes.length,
    );
    assert.ok(equal(derOfBer(bytes, bytes.length), bytes), "what came out is not DER yet");
    assert.ok(equal(encodedAgain(bytes), bytes), "what came out is not DER");
  });
}

function readOid(input: Uint8Array): boolean {
  const text = view(input).toString("latin1");
  return readsOrRefuses([DerError], () => assert.equal(oidText(oidContent(text)), text));
}

function readPem(input: Uint8Array): boolean {
  return readsOrRefuses([PemError], () => {
    const blocks = decodePem(view(input).toString("latin1"));
    const again = decodePem(blocks.map(({ label, bytes }) => encodePem(label, bytes)).join(""));
    assert.deepEqual(again, blocks);
  });
}

function readBase64(input: Uint8Array): boolean {
  return readsOrRefuses([Base64Error], () => {
    const line = view(encodeWireBase64(decodeWireBase64(input), "line")).toString("latin1");
    assert.equal(
      line,
      view(input)
        .toString("latin1")
        .replace(/[ \t\r\n]/g, ""),
    );
  });
}

const containers = [tags.sequence, tags.set, ...[0, 1, 2, 3, 4].map(contextConstructed)];

const strings = [
  tags.utf8String,
  tags.numericString,
  tags.printableString,
  tags.teletexString,
  tags.ia5String,
  tags.visibleString,
  tags.universalString,
  tags.bmpString,
];

/** What reads one value and writes it again, where DER has one form for a value. */
const rewrites: ReadonlyMap<number, (reader: DerReader) => Uint8Array> = new Map<
  number,
  (reader: DerReader) => Uint8Array
>([
  [tags.boolean, (reader) => der.boolean(reader.boolean())],
  [tags.integer, (reader) => rewrittenInteger(reader.integer())],
  [tags.bitString, (reader) => rewrittenBits(reader.bitString())],
  [tags.octetString, (reader) => der.octetString(reader.octetString())],
  [tags.null, rewrittenNull],
  [tags.objectIdentifier, (reader) => der.objectIdentifier(reader.objectIdentifier())],
  [tags.utf8String, (reader) => der.utf8String(reader.text(tags.utf8String))],
  [tags.ia5String, (reader) => der.ia5String(reader.text(tags.ia5String))],
  [tags.utcTime, (reader) => der.time(reader.time())],
]);

function rewrittenInteger(content: Uint8Array): Uint8Array {
  return (content[0] ?? 0) < 0x80 ? der.unsignedInteger(content) : der.element(tags.integer, content);
}

function rewrittenNull(reader: DerReader): Uint8Array {
  reader.null();
  return der.nullValue();
}

function rewrittenBits({ bytes, unusedBits }: { readonly bytes: Uint8Array; readonly unusedBits: number }): Uint8Array {
  return der.element(tags.bitString, concat([Uint8Array.of(unusedBits), bytes]));
}

const everyValue = der.sequence([
  der.boolean(true),
  der.integer(65_537),
  der.element(tags.integer, Uint8Array.of(0xff, 0x00)),
  der.namedBits([0, 5]),
  der.octetString(new Uint8Array(200).fill(7)),
  der.nullValue(),
  der.objectIdentifier("2.25.329800735698586629295641978511506172918"),
  der.utf8String("Größe"),
  der.printableString("A-1"),
  der.ia5String("a@b.example"),
  der.element(tags.numericString, utf8("1 2")),
  der.element(tags.visibleString, utf8("a_b")),
  der.element(tags.teletexString, Uint8Array.of(0xe9)),
  der.element(tags.bmpString, Uint8Array.of(0, 0x41, 0x20, 0xac)),
  der.element(tags.universalString, Uint8Array.of(0, 1, 0xf6, 0)),
  der.setOf([der.time(Date.UTC(2026, 1, 3)), der.time(Date.UTC(9999, 11, 31))]),
  der.explicit(0, der.sequence([der.explicit(1, der.nullValue())])),
]);
