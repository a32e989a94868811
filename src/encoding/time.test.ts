import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../core/bytes.ts";
import { tags } from "./tags.ts";
import { generalizedTimeText, timeOf, timeText } from "./time.ts";

test("ok/known times", () => {
  assert.equal(timeOf(tags.utcTime, utf8("130509035331Z")), Date.UTC(2013, 4, 9, 3, 53, 31));
  assert.equal(timeOf(tags.utcTime, utf8("500101000000Z")), Date.UTC(1950, 0, 1));
  assert.equal(timeOf(tags.utcTime, utf8("491231235959Z")), Date.UTC(2049, 11, 31, 23, 59, 59));
  assert.equal(timeOf(tags.utcTime, utf8("000229120000Z")), Date.UTC(2000, 1, 29, 12));
  assert.equal(timeOf(tags.generalizedTime, utf8("99991231235959Z")), 253_402_300_799_000);
});

test("ok/the form changes at 2050 and before 1950", () => {
  assert.deepEqual(timeText(Date.UTC(2049, 11, 31, 23, 59, 59, 999)), { tag: tags.utcTime, text: "491231235959Z" });
  assert.deepEqual(timeText(Date.UTC(2050, 0, 1)), { tag: tags.generalizedTime, text: "20500101000000Z" });
  assert.deepEqual(timeText(Date.UTC(1950, 0, 1)), { tag: tags.utcTime, text: "500101000000Z" });
  assert.deepEqual(timeText(Date.UTC(1949, 11, 31)), { tag: tags.generalizedTime, text: "19491231000000Z" });
  assert.deepEqual(timeText(253_402_300_799_000), { tag: tags.generalizedTime, text: "99991231235959Z" });
  assert.equal(generalizedTimeText(Date.UTC(2026, 0, 2, 3, 4, 5, 6)), "20260102030405Z");
});

test("ok/every second from year 0 to 9999 is read back", () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_167_219_200, max: 253_402_300_799 }), (seconds) => {
      const { tag, text } = timeText(seconds * 1000);
      assert.equal(timeOf(tag, utf8(text)), seconds * 1000);
    }),
    { seed: 4, numRuns: 1000 },
  );
});

test("fail/other forms and times that do not exist", () => {
  const utc = ["1305090353Z", "130509035331", "130509035331+0000", "131301000000Z", "130230000000Z", "130101240000Z"];
  for (const text of [...utc, "130101006000Z", "130101000060Z", "130001000000Z", "", "13050903533aZ"])
    assert.throws(() => timeOf(tags.utcTime, utf8(text)), { code: "bad-value" }, text);
  for (const text of ["20130509035331.5Z", "201305090353Z", "130509035331Z", "20130229000000Z"])
    assert.throws(() => timeOf(tags.generalizedTime, utf8(text)), { code: "bad-value" }, text);
  assert.throws(() => timeOf(tags.utf8String, utf8("130509035331Z")), { code: "unexpected-tag" });
  for (const milliseconds of [Number.NaN, 253_402_300_800_000, -62_167_219_200_001])
    assert.throws(() => timeText(milliseconds), { code: "bad-value" });
});

test("fail/an octet that is no digit, wherever it stands", () => {
  for (const [tag, text] of [
    [tags.utcTime, "130509035331Z"],
    [tags.generalizedTime, "20130509035331Z"],
  ] as const)
    for (let at = 0; at < text.length; at += 1)
      for (const octet of [0x2f, 0x3a, 0x00, 0xff]) {
        const content = Uint8Array.from(utf8(text));
        content[at] = octet;
        assert.throws(() => timeOf(tag, content), { code: "bad-value" }, `${octet} at ${at}`);
      }
});
