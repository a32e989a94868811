import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../core/bytes.ts";
import { addressOctets } from "./address.ts";

const cases: readonly (readonly [text: string, octets: string | undefined])[] = [
  ["127.0.0.1", "7f000001"],
  ["::1", "00000000000000000000000000000001"],
  ["::", "00000000000000000000000000000000"],
  ["2001:db8::8:800:200c:417a", "20010db80000000000080800200c417a"],
  ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
  ["::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
  ["fe80::1%eth0", "fe800000000000000000000000000001"],
  ["localhost", undefined],
  ["1.2.3", undefined],
  ["1::2::3", undefined],
];

for (const [text, octets] of cases) {
  test(`${octets === undefined ? "fail" : "ok"}/address ${text}`, () => {
    const found = addressOctets(text);
    assert.equal(found === undefined ? undefined : hex(found), octets);
  });
}
