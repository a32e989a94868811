import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatKeyUri, isKeyUri, parseKeyUri } from "./uri.ts";

test("ok/key URI: token, object and id, escaped or not", () => {
  const { token, object, id } = parseKeyUri("pkcs11:token=The%20CA;object=root%2D1;id=%01%fF;type=private");
  assert.deepEqual([token, object, Buffer.from(id ?? []).toString("hex")], ["The CA", "root-1", "01ff"]);
  assert.deepEqual(parseKeyUri("pkcs11:object=issuing;token=a"), { token: "a", object: "issuing" });
  assert.ok(isKeyUri("pkcs11:token=a") && !isKeyUri("issuing-1"));
});

test("ok/key URI: gives back what it was made of", () => {
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 });
  const id = fc.uint8Array({ minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(text, fc.option(text, { nil: undefined }), id, (token, object, id) => {
      const found = parseKeyUri(formatKeyUri({ token, id, ...(object === undefined ? {} : { object }) }));
      assert.deepEqual([found.token, found.object], [token, object]);
      assert.deepEqual(Buffer.from(found.id ?? []), Buffer.from(id));
    }),
    { seed: 1 },
  );
});

test("fail/key URI: whatever else comes is refused with its own code", () => {
  for (const [text, reason] of [
    ["", /does not begin/],
    ["PKCS11:token=a;object=b", /does not begin/],
    ["pkcs11:", /NAME=VALUE/],
    ["pkcs11:token=a", /names no key/],
    ["pkcs11:object=a", /names no token/],
    ["pkcs11:token=a;object=b;", /NAME=VALUE/],
    ["pkcs11:token=a;object=", /NAME=VALUE/],
    ["pkcs11:token=a;token=b;object=c", /comes twice/],
    ["pkcs11:token=a;object=b;type=cert", /no private key/],
    ["pkcs11:token=a;object=b;slot-id=1", /slot-id is not used/],
    ["pkcs11:token=a;object=b?pin-value=1234", /query/],
    ["pkcs11:token=a;object=b c", /must be escaped/],
    ["pkcs11:token=a;object=%zz", /must be escaped/],
    ["pkcs11:token=%ff;object=b", /not UTF-8/],
    [`pkcs11:token=a;object=${"b".repeat(1100)}`, /too long/],
  ] as const)
    assert.throws(() => parseKeyUri(text), { code: "hsm-uri", message: reason }, text);
  fc.assert(
    fc.property(fc.string({ unit: "binary-ascii" }), (rest) => {
      try {
        parseKeyUri(`pkcs11:${rest}`);
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, "hsm-uri");
      }
    }),
    { seed: 2 },
  );
});
