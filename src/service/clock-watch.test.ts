import assert from "node:assert/strict";
import { test } from "node:test";
import { clockWatch } from "./clock-watch.ts";

const day = 24 * 3600 * 1000;
const tenYears = 3652 * day;

function watched(lastCommit: number | undefined, start = 1_700_000_000_000) {
  let now = start;
  let monotonic = 0;
  const jumps: number[] = [];
  const clock = { now: () => now, monotonic: () => monotonic, sleep: () => Promise.reject(new Error("nobody sleeps")) };
  const watch = clockWatch({ clock, lastCommit, onJump: (by) => jumps.push(by) });
  return {
    jumps,
    steady: () => watch.steady(),
    pass(milliseconds: number) {
      now += milliseconds;
      monotonic += milliseconds;
    },
    set(by: number) {
      now += by;
    },
  };
}

test("ok/clock watch: a clock that goes on, corrected by minutes", () => {
  const clock = watched(1_700_000_000_000 - day);
  for (const by of [0, 60_000, -120_000, 299_000]) {
    clock.pass(10_000);
    clock.set(by);
    assert.equal(clock.steady(), true);
  }
  assert.deepEqual(clock.jumps, []);
});

for (const by of [tenYears, -tenYears, 3600_000])
  test(`fail/clock watch: a jump of ${by / 3600_000} hours is believed a day later, and each further one begins anew`, () => {
    const clock = watched(undefined);
    clock.set(by);
    assert.equal(clock.steady(), false);
    clock.pass(day - 1);
    assert.equal(clock.steady(), false);
    clock.set(-by);
    assert.equal(clock.steady(), false);
    clock.pass(day - 1);
    assert.equal(clock.steady(), false);
    clock.pass(1);
    assert.equal(clock.steady(), true);
    assert.deepEqual(clock.jumps, [by, -by]);
  });

for (const [name, lastCommit] of [
  ["a year after the last commit", 1_700_000_000_000 - 365 * day],
  ["before the last commit", 1_700_000_000_000 + day],
] as const)
  test(`fail/clock watch: a start ${name}`, () => {
    const clock = watched(lastCommit);
    assert.deepEqual(clock.jumps, [1_700_000_000_000 - lastCommit]);
    assert.equal(clock.steady(), false);
    clock.pass(day);
    assert.equal(clock.steady(), true);
  });
