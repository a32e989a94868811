import assert from "node:assert/strict";
import { test } from "node:test";
import { EstRefused } from "./errors.ts";
import { peer } from "./fixtures.test-support.ts";
import { bindingType, challengePassword, verifyBinding } from "./keys.ts";

for (const [version, type, characters] of [
  ["TLSv1.2", "tls-unique", 16],
  ["TLSv1.3", "tls-exporter", 44],
] as const) {
  test(`ok/${version} is bound by ${type}, ${characters} characters of base64`, () => {
    const association = peer(version);
    assert.equal(bindingType(association), type);
    const password = challengePassword(association);
    assert.equal(password.length, characters);
    verifyBinding(password, association);
  });

  test(`fail/${version}: the binding of another association`, () => {
    const password = challengePassword(peer(version, [], "other"));
    assert.throws(() => verifyBinding(password, peer(version)), { name: "EstRefused", code: "binding-wrong" });
  });
}

test("fail/the other version's binding is refused for its length, and the message does not tell the value", () => {
  const association = peer("TLSv1.3");
  const unique = challengePassword(peer("TLSv1.2"));
  assert.throws(
    () => verifyBinding(unique, association),
    (error: unknown) =>
      error instanceof EstRefused && error.code === "binding-malformed" && !error.message.includes(unique),
  );
});

test("fail/a device's own secret in challengePassword (as in the example of RFC 9148 A.3)", () => {
  assert.throws(() => verifyBinding("<256-bit POP linking value>", peer("TLSv1.2")), { code: "binding-malformed" });
});
