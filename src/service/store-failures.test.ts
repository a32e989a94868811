import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import { StoreError, type StoreErrorCode } from "../store/errors.ts";
import { storeFailures } from "./store-failures.ts";

function told() {
  const clock = new ManualClock(0);
  const lines: string[] = [];
  const report = storeFailures({
    clock,
    onFailure: (error) => void lines.push(codeOf(error)),
    onFatal: (error) => void lines.push(`fatal ${codeOf(error)}`),
  });
  const fail = (code: StoreErrorCode) => report(new StoreError(code, "told"));
  return { clock, lines, fail };
}

test("ok/failures: each code once a minute, however often it happens", () => {
  const { clock, lines, fail } = told();
  for (let request = 0; request < 1_000; request += 1) fail("store-full");
  fail("store-failed");
  clock.advance(59_999);
  fail("store-full");
  assert.deepEqual(lines, ["store-full", "store-failed"]);
  clock.advance(1);
  fail("store-full");
  fail("store-full");
  assert.deepEqual(lines, ["store-full", "store-failed", "store-full"]);
});

test("ok/failures: a database that was replaced is told at once, and once for all", () => {
  const { clock, lines, fail } = told();
  fail("store-failed");
  fail("store-replaced");
  clock.advance(3_600_000);
  fail("store-replaced");
  assert.deepEqual(lines, ["store-failed", "fatal store-replaced"]);
});
