import assert from "node:assert/strict";
import { test } from "node:test";
import { confirms, formatFingerprint, parseFingerprint } from "./fingerprint.ts";

const sha256 = Uint8Array.from({ length: 32 }, (_, index) => index * 7);
const sha512 = Uint8Array.from({ length: 64 }, (_, index) => index * 3);
const text = formatFingerprint("SHA256", sha256);
const bare = text.replace(/^SHA256:/, "");

for (const written of [
  text,
  text.toLowerCase(),
  bare,
  bare.replaceAll(":", ""),
  bare.replaceAll(":", " "),
  ` ${text}\n`,
  `sha256 Fingerprint=${bare}`,
  `SHA-256:${bare.toLowerCase()}`,
])
  test(`ok/a fingerprint as ${JSON.stringify(written.slice(0, 24))}`, () => {
    assert.deepEqual(Buffer.from(parseFingerprint(written)), Buffer.from(sha256));
    assert.ok(confirms(written, [sha256, sha512]));
  });

test("ok/SHA-512", () => {
  const written = formatFingerprint("SHA512", sha512);
  assert.match(written, /^SHA512:00:03:06:/);
  assert.deepEqual(Buffer.from(parseFingerprint(written)), Buffer.from(sha512));
  assert.ok(confirms(written, [sha256, sha512]));
});

test("ok/yes is a yes, in any case and with space around it", () => {
  for (const answer of ["yes", "YES", " yes \n"]) assert.ok(confirms(answer, [sha256]));
});

for (const written of [
  "",
  "SHA256:",
  "SHA256:00",
  text.slice(0, -1),
  `${text}:00`,
  `SHA512:${bare}`,
  "md5:00",
  "zz".repeat(32),
])
  test(`fail/no fingerprint: ${JSON.stringify(written.slice(0, 24))}`, () => {
    assert.throws(() => parseFingerprint(written), { name: "CliError", code: "usage" });
    assert.equal(confirms(written, [sha256]), false);
  });

test("fail/anything else is a no, and so is the fingerprint of another certificate", () => {
  for (const answer of [
    "y",
    "no",
    "yes please",
    "ja",
    formatFingerprint(
      "SHA256",
      sha256.map((byte) => byte ^ 1),
    ),
  ])
    assert.equal(confirms(answer, [sha256, sha512]), false, answer);
});
