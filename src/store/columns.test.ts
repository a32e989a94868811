import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeJson, encodeJson, withoutNulls } from "./columns.ts";

test("ok/json: an object and back", () => {
  const value = { text: "é", list: [1, null], nested: { yes: true } };
  assert.deepEqual(decodeJson(encodeJson(value)), value);
});

for (const text of ["", "{", "null", "1", '"x"', "[]"]) {
  test(`fail/json: ${JSON.stringify(text)} is no object`, () => {
    assert.throws(() => decodeJson(text), { name: "StoreError", code: "store-failed" });
  });
}

test("ok/nulls: absent in the record, other empty values kept", () => {
  assert.deepEqual(withoutNulls({ a: null, b: 0, c: "" }), { b: 0, c: "" });
});
