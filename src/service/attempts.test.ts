import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { attemptLimit } from "./attempts.ts";

const bounds = { most: 2, window: 1_000, keys: 3 };

test("ok/attempts: so many in a window that begins with the first, by key", () => {
  const clock = new ManualClock(0);
  const limit = attemptLimit(bounds, clock);
  assert.ok(limit.begin("a"));
  clock.advance(999);
  assert.ok(limit.allows("a") && limit.begin("a"));
  assert.equal(limit.allows("a"), false);
  assert.equal(limit.begin("a"), undefined);
  assert.ok(limit.begin("b"));
  clock.advance(1);
  assert.ok(limit.allows("a") && limit.begin("a") && limit.begin("a"));
  assert.equal(limit.begin("a"), undefined);
});

test("ok/attempts: one that is taken back was none, in its own window only", () => {
  const clock = new ManualClock(0);
  const limit = attemptLimit(bounds, clock);
  const takeBack = limit.begin("a");
  limit.begin("a");
  takeBack?.();
  assert.ok(limit.begin("a"));
  const late = attemptLimit(bounds, clock);
  const takeBackLate = late.begin("a");
  clock.advance(1_000);
  late.begin("a");
  takeBackLate?.();
  assert.ok(late.begin("a"));
  assert.equal(late.begin("a"), undefined);
});

test("ok/attempts: the key whose window is the oldest is forgotten", () => {
  const clock = new ManualClock(0);
  const limit = attemptLimit({ ...bounds, most: 1 }, clock);
  for (const key of ["a", "b", "c"]) limit.begin(key);
  clock.advance(1_000);
  limit.begin("a");
  limit.begin("d");
  limit.begin("e");
  assert.deepEqual(
    ["a", "d", "e"].map((key) => limit.allows(key)),
    [false, false, false],
  );
  limit.begin("f");
  assert.equal(limit.allows("a"), true);
});
