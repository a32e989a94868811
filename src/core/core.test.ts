import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { base64, compare, concat, equal, fromBase64, fromHex, hex, textOf, utf8 } from "./bytes.ts";
import { ManualClock, systemClock } from "./clock.ts";
import { codeOf, HatcheryError, messageOf } from "./errors.ts";
import { seededRandomness, systemRandomness } from "./randomness.ts";

const bytes = fc.uint8Array({ maxLength: 40 });

test("ok/bytes: hex and base64 give back what they were given", () => {
  fc.assert(
    fc.property(bytes, (value) => {
      assert.ok(equal(fromHex(hex(value)) ?? Uint8Array.of(1), value));
      assert.ok(equal(fromBase64(base64(value)) ?? Uint8Array.of(1), value));
    }),
    { seed: 1 },
  );
});

for (const text of ["0", "0g", "é0", " 00"]) {
  test(`fail/bytes: "${text}" is not hexadecimal`, () => assert.equal(fromHex(text), undefined));
}

for (const text of ["YQ", "YQ=", "YR==", "YQ==\n", "-_-_", "Y Q=="]) {
  test(`fail/bytes: ${JSON.stringify(text)} is not canonical base64`, () => assert.equal(fromBase64(text), undefined));
}

test("fail/bytes: text that is not UTF-8", () => {
  assert.throws(() => textOf(Uint8Array.of(0xff)), TypeError);
  assert.equal(textOf(utf8("ü\ufeff")), "ü\ufeff");
});

test("ok/bytes: order and concatenation look at a view's own bytes only", () => {
  const whole = Uint8Array.of(9, 1, 2, 9);
  const part = whole.subarray(1, 3);
  assert.deepEqual(Buffer.from(concat([part, part])), Buffer.of(1, 2, 1, 2));
  assert.equal(compare(part, Uint8Array.of(1, 2, 0)), -1);
  assert.equal(equal(part, Uint8Array.of(1, 2)), true);
});

test("ok/clock: a manual sleeper wakes at its time and not before", async () => {
  const clock = new ManualClock(1000);
  let awake = false;
  const sleeping = clock.sleep(10).then(() => {
    awake = true;
  });
  clock.advance(9);
  await Promise.resolve();
  assert.equal(awake, false);
  clock.advance(1);
  await sleeping;
  assert.deepEqual([clock.now(), clock.monotonic()], [1010, 10]);
});

for (const [name, clock] of [
  ["manual", new ManualClock(0)],
  ["system", systemClock],
] as const) {
  test(`fail/clock: sleep on the ${name} clock ends with the signal's reason`, async () => {
    const aborted = new AbortController();
    const sleeping = clock.sleep(60_000, aborted.signal);
    aborted.abort(new Error("switched off"));
    await assert.rejects(sleeping, /switched off/);
    await assert.rejects(clock.sleep(1, aborted.signal), /switched off/);
  });
}

test("ok/randomness: one seed gives one stream, however it is cut", () => {
  const whole = seededRandomness("a").bytes(100);
  const cut = seededRandomness("a");
  assert.equal(hex(concat([cut.bytes(1), cut.bytes(40), cut.bytes(59)])), hex(whole));
  assert.notEqual(hex(seededRandomness("b").bytes(100)), hex(whole));
  assert.notEqual(hex(systemRandomness.bytes(16)), hex(systemRandomness.bytes(16)));
});

test("ok/errors: code and message of anything that is thrown", () => {
  const error = new HatcheryError("not-found", "there is none", { details: { id: 1 } });
  assert.deepEqual([codeOf(error), messageOf(error), error.details], ["not-found", "there is none", { id: 1 }]);
  assert.deepEqual([codeOf("text"), messageOf("text")], ["unexpected", "text"]);
  assert.equal(codeOf(Object.assign(new Error(), { code: "ENOENT" })), "ENOENT");
});
