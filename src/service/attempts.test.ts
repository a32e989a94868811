import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { attemptLimit } from "./attempts.ts";

const bounds = { most: 2, window: 1_000, keys: 3 };

test("ok/attempts: so many in a window that begins with the first, by key", () => {
  const clock = new ManualClock(0);
  const limit = attemptLimit(bounds, clock);
  limit.count("a");
  clock.advance(999);
  assert.equal(limit.allows("a"), true);
  limit.count("a");
  assert.equal(limit.allows("a"), false);
  assert.equal(limit.allows("b"), true);
  clock.advance(1);
  assert.equal(limit.allows("a"), true);
  limit.count("a");
  assert.equal(limit.allows("a"), true);
  limit.count("a");
  assert.equal(limit.allows("a"), false);
});

test("ok/attempts: the key whose window is the oldest is forgotten", () => {
  const clock = new ManualClock(0);
  const limit = attemptLimit({ ...bounds, most: 1 }, clock);
  for (const key of ["a", "b", "c"]) limit.count(key);
  clock.advance(1_000);
  for (const key of ["a", "d", "e"]) limit.count(key);
  assert.deepEqual(
    ["a", "d", "e"].map((key) => limit.allows(key)),
    [false, false, false],
  );
  limit.count("f");
  assert.equal(limit.allows("a"), true);
});
