import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeResponse } from "./http.ts";

/** What Retry-After says (RFC 9110 10.2.3), and for how many seconds it makes a device wait: at least one, at most a day. */

const now = Date.UTC(2026, 2, 1);
const answer = (status: number, value: string) =>
  ({ status, headers: [["Retry-After", value]], body: new Uint8Array() }) as const;

for (const [value, seconds] of [
  ["1", 1],
  ["7", 7],
  ["0", 1],
  ["007", 7],
  ["3600", 3600],
  ["86400", 86_400],
  ["86401", 86_400],
  ["99999999999999999999999999", 86_400],
  ["Sun, 01 Mar 2026 00:00:30 GMT", 30],
  ["Sunday, 01-Mar-26 00:00:30 GMT", 30],
  ["Sun Mar  1 00:00:30 2026", 30],
  ["Sun, 01 Mar 2026 00:00:00 GMT", 1],
  ["Thu, 01 Jan 1970 00:00:00 GMT", 1],
  ["Fri, 31 Dec 9999 23:59:59 GMT", 86_400],
] as const)
  test(`ok/Retry-After: ${value} is ${seconds} s, with 202 and with 503`, () => {
    assert.deepEqual(decodeResponse("simpleenroll", answer(202, value), now), { kind: "pending", retryAfter: seconds });
    assert.throws(() => decodeResponse("simpleenroll", answer(503, value), now), {
      code: "server-busy",
      details: { status: 503, retryAfter: seconds },
    });
  });

for (const value of ["", "-5", "1.5", "soon", "5 seconds", "1, 2", "0x10", "1e3", "Sun, 99 Foo 2026 00:00:00 GMT"])
  test(`fail/Retry-After: ${value || "nothing"} is refused with 202, and says nothing with 503`, () => {
    assert.throws(() => decodeResponse("simpleenroll", answer(202, value), now), {
      name: "EstFailed",
      code: "retry-after-missing",
    });
    assert.throws(() => decodeResponse("cacerts", answer(503, value), now), {
      code: "server-busy",
      details: { status: 503 },
    });
  });
