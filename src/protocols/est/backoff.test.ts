import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandomness } from "../../core/randomness.ts";
import { Backoff, fraction } from "./backoff.ts";

const least = { bytes: (count: number) => new Uint8Array(count) };
const most = { bytes: (count: number) => new Uint8Array(count).fill(0xff) };

test("ok/each pause is twice the one before, up to the most, and then begins anew", () => {
  const backoff = new Backoff({ first: 10, most: 50 }, least);
  assert.deepEqual(
    [backoff.next(), backoff.next(), backoff.next(), backoff.next(), backoff.next()],
    [10, 20, 40, 50, 50],
  );
  backoff.reset();
  assert.equal(backoff.next(), 10);
});

test("ok/chance adds at most a quarter, and never takes from what the server has asked for", () => {
  assert.equal(new Backoff({ first: 1000, most: 5000 }, most).next(), 1250);
  assert.equal(new Backoff({ first: 1000, most: 5000 }, least).next(7000), 7000);
  assert.equal(new Backoff({ first: 1000, most: 5000 }, most).next(8000), 10_000);
});

test("ok/thousands of failures are no more than the longest pause", () => {
  const backoff = new Backoff({ first: 1, most: 1e9 }, least);
  for (let time = 0; time < 5000; time += 1) assert.ok(backoff.next() <= 1e9);
});

test("ok/a fraction is from 0 up to 1, and the same for the same randomness", () => {
  assert.equal(fraction(least), 0);
  assert.ok(fraction(most) < 1);
  assert.equal(fraction(seededRandomness("a")), fraction(seededRandomness("a")));
});
