import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesPattern } from "./pattern.ts";

const cases: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
  ["sensor-7", "sensor-7", true],
  ["sensor-7", "sensor-70", false],
  ["sensor-*", "sensor-70", true],
  ["*", "", true],
  ["a*b*c", "a-b-b-c", true],
  ["a*b*c", "a-c-b", false],
  ["ab*bc", "abc", false],
  ["a.c", "abc", false],
  ["**x", "yx", true],
];

for (const [pattern, text, matches] of cases) {
  test(`ok/pattern ${pattern} ${matches ? "matches" : "refuses"} "${text}"`, () => {
    assert.equal(matchesPattern(pattern, text), matches);
  });
}

test("ok/a hostile pattern takes linear steps", () => {
  assert.equal(matchesPattern("*a".repeat(2000), "a".repeat(1999)), false);
});
