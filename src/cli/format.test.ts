import assert from "node:assert/strict";
import { test } from "node:test";
import { brief, duration, exactTime, printable, shortTime, wrap } from "./format.ts";

const spans: readonly (readonly [milliseconds: number, text: string])[] = [
  [0, "0.0 ms"],
  [0.44, "0.4 ms"],
  [9.99, "10.0 ms"],
  [34.2, "34 ms"],
  [999, "999 ms"],
  [999.6, "1.0 s"],
  [5100, "5.1 s"],
  [59_949, "59.9 s"],
  [59_950, "1 min"],
  [125_000, "2 min 5 s"],
  [3_599_400, "59 min 59 s"],
  [3_600_000, "1 h"],
  [5_400_000, "1 h 30 min"],
  [86_400_000, "1 d"],
  [273_600_000, "3 d 4 h"],
];

for (const [milliseconds, text] of spans) {
  test(`ok/${milliseconds} ms is ${text}`, () => {
    assert.equal(duration(milliseconds), text);
  });
}

test("ok/times are local, to the minute and to the second", () => {
  const at = new Date(2026, 0, 9, 7, 5, 3).getTime();
  assert.equal(shortTime(at), "2026-01-09 07:05");
  assert.equal(exactTime(at), "2026-01-09 07:05:03");
});

test("ok/control characters and direction overrides are replaced, other text stays", () => {
  assert.equal(printable("a\u001b[31m\u0007\u009b\u202eb\nc"), "a\ufffd[31m\ufffd\ufffd\ufffdb\ufffdc");
  assert.equal(printable("Sensör 7 – 温度"), "Sensör 7 – 温度");
});

test("ok/a long text is cut between characters, a short one stays", () => {
  assert.equal(brief("sensor-7"), "sensor-7");
  assert.equal(brief("x".repeat(80)), "x".repeat(80));
  assert.equal(brief("x".repeat(90_000)), `${"x".repeat(79)}…`);
  assert.equal(brief("\u{1f4a1}".repeat(9), 4), "\u{1f4a1}\u{1f4a1}\u{1f4a1}…");
  assert.equal(brief("\u001b[2J", 3), "\ufffd[…");
});

test("ok/wrap: at spaces, and within a long word behind a sign that it has", () => {
  assert.deepEqual(wrap("one two three", 7), ["one two", "three"]);
  assert.deepEqual(wrap("CN=DEMO-9C7143E7", 14), ["CN=DEMO-", "9C7143E7"]);
  assert.deepEqual(wrap("by 9c7143e79c71", 8), ["by", "9c7143e7", "9c71"]);
  assert.deepEqual(wrap("a-b-c-d-e", 4), ["a-b-", "c-d-", "e"]);
  assert.deepEqual(wrap("", 8), [""]);
});
