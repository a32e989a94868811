import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, hex, textOf, utf8 } from "../../core/bytes.ts";
import { decodeMultipart, encodeMultipart, type Part } from "./http-multipart.ts";

const boundary = "estServerExampleBoundary";
const parts = (text: string, with_ = boundary) =>
  decodeMultipart(utf8(text), with_).map(({ headers, body }) => [headers, textOf(body)]);

test("ok/multipart: the form of RFC 7030 A.4, with a preamble and fields in both parts", () => {
  const text = [
    "This is the preamble.  It is to be ignored, though it",
    "is a handy place for EST clients to include an",
    "explanatory note to non-MIME-aware readers.",
    `--${boundary}`,
    "Content-Type: application/pkcs8",
    "Content-Transfer-Encoding: base64",
    "",
    "MIIEvQIBADAN",
    "BgkqhkiG9w0B",
    `--${boundary}`,
    "Content-Type: application/pkcs7-mime ; smime-type=certs-only",
    "Content-Transfer-Encoding: base64",
    "",
    "MIIDPQYJKoZI",
    `--${boundary}--`,
    "This is the epilogue.  It is also to be ignored.",
    "",
  ];
  const read = [
    [
      [
        ["Content-Type", "application/pkcs8"],
        ["Content-Transfer-Encoding", "base64"],
      ],
      "MIIEvQIBADAN\r\nBgkqhkiG9w0B",
    ],
    [
      [
        ["Content-Type", "application/pkcs7-mime ; smime-type=certs-only"],
        ["Content-Transfer-Encoding", "base64"],
      ],
      "MIIDPQYJKoZI",
    ],
  ];
  assert.deepEqual(parts(text.join("\r\n")), read);
  // Line feeds alone, as servers in scripts write them.
  assert.deepEqual(parts(text.join("\n")), JSON.parse(JSON.stringify(read).replaceAll("\\r\\n", "\\n")));
});

test("ok/multipart: odd forms that RFC 2046 allows", () => {
  const end = `--${boundary}--`;
  assert.deepEqual(parts(`--${boundary}\r\n\r\nbody\r\n${end}`), [[[], "body"]]);
  assert.deepEqual(parts(`--${boundary} \t\r\nA: b\r\n c\r\n\r\n\r\n${end} \r\n`), [[[["A", "b c"]], ""]]);
  assert.deepEqual(parts(`--${boundary}\r\nA: b\r\n${end}`), [[[["A", "b"]], ""]]);
  // Not boundaries: inside a line, and as the beginning of a longer one.
  assert.deepEqual(parts(`--${boundary}\r\n\r\n.--${boundary}\r\n--${boundary}x\r\n${end}`), [
    [[], `.--${boundary}\r\n--${boundary}x`],
  ]);
  assert.deepEqual(parts("--a b=c\r\n\r\nx\r\n--a b=c--", "a b=c"), [[[], "x"]]);
});

test("ok/multipart: what is written is read, whatever the bodies are", () => {
  const part = fc.record({
    headers: fc.array(
      fc.tuple(fc.stringMatching(/^[A-Za-z][A-Za-z-]{0,10}$/), fc.stringMatching(/^([!-~]([ -~]{0,10}[!-~])?)?$/)),
      { maxLength: 4 },
    ),
    // Base64, as EST sends it: no boundary can begin a line in there.
    body: fc.uint8Array({ maxLength: 60 }).map((bytes) => utf8(Buffer.from(bytes).toString("base64"))),
  });
  const plain = (each: readonly Part[]) => each.map(({ headers, body }) => [headers, hex(body)]);
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), (written) => {
      assert.deepEqual(plain(decodeMultipart(encodeMultipart(written, boundary), boundary)), plain(written));
    }),
    { seed: 4 },
  );
});

const part = `--${boundary}\r\n\r\nbody\r\n`;
const malformed: Readonly<Record<string, readonly [text: string, boundary?: string]>> = {
  "no boundary at all": ["body"],
  nothing: [""],
  "no last boundary": [part],
  "no last boundary, cut in its middle": [`${part}--${boundary}-`],
  "no part": [`--${boundary}--`],
  "nine parts": [`${part.repeat(9)}--${boundary}--`],
  "a boundary of 71 characters": ["", "b".repeat(71)],
  "a boundary that ends with a space": ["", "b "],
  "an empty boundary": ["--\r\n\r\nx\r\n----", ""],
  "a header line without a colon": [`--${boundary}\r\nheader\r\n\r\nbody\r\n--${boundary}--`],
  "17 header fields": [`--${boundary}\r\n${"A: b\r\n".repeat(17)}\r\nbody\r\n--${boundary}--`],
  "headers without an end": [`--${boundary}\r\nA: ${"b".repeat(5000)}\r\n\r\nbody\r\n--${boundary}--`],
};
for (const [name, [text, with_ = boundary]] of Object.entries(malformed))
  test(`fail/multipart: ${name}`, () => {
    assert.throws(() => decodeMultipart(utf8(text), with_), { name: "EstFailed", code: "response-malformed" });
  });

test("ok/multipart: many lines that almost are boundaries are passed over in no time", () => {
  const almost = concat([utf8(`--${boundary}\r\n\r\n`), Buffer.from(`--${boundary}y\n`.repeat(100_000))]);
  assert.throws(() => decodeMultipart(almost, boundary), { code: "response-malformed" });
});
