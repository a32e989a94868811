import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import { noncesOf } from "./est-nonces.ts";

const secret = new Uint8Array(32).fill(7);

function house(of = secret, clock = new ManualClock(1_900_000_000_000)) {
  return { clock, nonces: noncesOf(of, clock, seededRandomness("nonces")) };
}

test("ok/nonce: good once for each count, which only grows", () => {
  const { nonces } = house();
  const nonce = nonces.issue();
  assert.match(nonce, /^[\w-]{43}$/);
  assert.notEqual(nonces.issue(), nonce);
  for (const [count, good] of [
    ["00000001", true],
    ["00000001", false],
    ["0000000A", true],
    ["00000002", false],
    ["0000000b", true],
  ] as const)
    assert.equal(nonces.accept(nonce, count, {}), good, count);
});

test("ok/nonce: the same request may be looked at again", () => {
  const { nonces } = house();
  const [nonce, use] = [nonces.issue(), {}];
  assert.ok(nonces.accept(nonce, "00000001", use));
  assert.ok(nonces.accept(nonce, "00000001", use));
});

test("ok/nonce: of another process with the same secret, fail/of one with another", () => {
  const { clock, nonces } = house();
  const nonce = nonces.issue();
  assert.ok(house(secret, clock).nonces.accept(nonce, "00000001", {}));
  assert.ok(!house(new Uint8Array(32), clock).nonces.accept(nonce, "00000001", {}));
});

test("fail/nonce: too old, from the future, changed, cut, padded, empty", () => {
  const { clock, nonces } = house();
  const nonce = nonces.issue();
  const changed = (nonce.startsWith("A") ? "B" : "A") + nonce.slice(1);
  for (const other of [changed, nonce.slice(0, -1), `${nonce}=`, `${nonce}A`, ""])
    assert.ok(!nonces.accept(other, "00000001", {}), other);
  clock.advance(300_001);
  assert.ok(!nonces.accept(nonce, "00000001", {}));
  const ahead = house(secret, new ManualClock(clock.now() + 60_001)).nonces.issue();
  assert.ok(!nonces.accept(ahead, "00000001", {}));
});

test("ok/nonce: what is remembered is bounded, and what is forgotten is not good again", () => {
  const { clock, nonces } = house();
  const first = nonces.issue();
  assert.ok(nonces.accept(first, "00000001", {}));
  clock.advance(1);
  const others = Array.from({ length: 10_000 }, () => nonces.issue());
  for (const nonce of others) assert.ok(nonces.accept(nonce, "00000001", {}));
  assert.ok(!nonces.accept(first, "00000002", {}), "its counts are forgotten, so it is used up");
  assert.ok(nonces.accept(others.at(-1) ?? "", "00000002", {}));
});
