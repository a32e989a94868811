import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../core/bytes.ts";
import { fakeLibrary } from "./fake-library.test-support.ts";
import { openToken } from "./token.ts";
import type { KeyUri } from "./uri.ts";

test("ok/token: the one with the label is logged in to", () => {
  const { library, logins } = fakeLibrary(["other", "ca", ""]);
  openToken(library, "ca", "4711");
  assert.deepEqual(logins, [{ slot: 1, pin: "4711" }]);
});

test("fail/token: with two of the label the PIN is tried on neither", () => {
  const { library, logins } = fakeLibrary(["ca", "other", "ca"]);
  assert.throws(() => openToken(library, "ca", "4711"), {
    code: "hsm-token-missing",
    message: /^2 tokens have the label ca/,
  });
  assert.deepEqual(logins, []);
});

test("fail/token: none of the label", () => {
  const { library } = fakeLibrary(["other", ""]);
  assert.throws(() => openToken(library, "ca", "4711"), { code: "hsm-token-missing", message: /there are: other;/ });
});

test("ok/token: the keys of two tenants in one token are never taken for each other", () => {
  const keys = [
    { label: "one/issuing-1", id: Uint8Array.of(1), mark: "first of one" },
    { label: "two/issuing-1", id: Uint8Array.of(2), mark: "first of two" },
    // A name may be given again after a CA that was never committed; the id is its own.
    { label: "one/issuing-1", id: Uint8Array.of(3), mark: "second of one" },
  ];
  const token = openToken(fakeLibrary(["ca"], keys).library, "ca", "4711");
  for (const round of ["looked up", "remembered"])
    for (const { label, id, mark } of [...keys, ...keys.toReversed()]) {
      for (const key of [
        { token: "ca", object: label, id },
        { token: "ca", id },
      ]) {
        assert.equal(Buffer.from(token.sign(key, utf8("data"))).toString(), mark, round);
        const { point } = token.find(key) as { readonly point: Uint8Array };
        assert.equal(Buffer.from(point).toString(), mark, round);
      }
    }
  assert.equal(
    Buffer.from(token.sign({ token: "ca", object: "two/issuing-1" }, utf8("data"))).toString(),
    "first of two",
  );
});

test("fail/token: a reference that fits two keys, and one of which name and id are of different keys", () => {
  const keys = [
    { label: "one/issuing-1", id: Uint8Array.of(1), mark: "first" },
    { label: "one/issuing-1", id: Uint8Array.of(2), mark: "second" },
    { label: "two/issuing-1", id: Uint8Array.of(3), mark: "third" },
  ];
  const token = openToken(fakeLibrary(["ca"], keys).library, "ca", "4711");
  const sign = (key: Omit<KeyUri, "token">) => () => token.sign({ token: "ca", ...key }, utf8("data"));
  assert.throws(sign({ object: "one/issuing-1" }), { code: "hsm-key-missing", message: /more than one/ });
  assert.throws(sign({ object: "one/issuing-1", id: Uint8Array.of(3) }), { code: "hsm-key-missing" });
  assert.throws(sign({ object: "one/issuing" }), { code: "hsm-key-missing" });
});
