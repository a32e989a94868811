import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../core/bytes.ts";
import { digestResponse, digestSecret, verifyDigestResponse } from "./keys-digest.ts";

// RFC 7616 3.9.1, both algorithms.
const example = {
  method: "GET",
  uri: "/dir/index.html",
  nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
  nc: "00000001",
  cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
} as const;
const secretOf = (algorithm: "SHA-256" | "MD5") =>
  digestSecret(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");

for (const [algorithm, response] of [
  ["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
  ["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
] as const) {
  test(`ok/${algorithm}: the example of RFC 7616 3.9.1`, () => {
    assert.equal(digestResponse(secretOf(algorithm), { algorithm, ...example }), response);
    assert.ok(verifyDigestResponse(secretOf(algorithm), { algorithm, ...example }, response.toUpperCase()));
  });

  test(`fail/${algorithm}: anything else than what was proven`, () => {
    for (const change of [
      { method: "POST" },
      { uri: "/" },
      { nonce: "another" },
      { nc: "00000002" },
      { cnonce: "another" },
    ])
      assert.ok(!verifyDigestResponse(secretOf(algorithm), { algorithm, ...example, ...change }, response));
    assert.ok(!verifyDigestResponse(secretOf(algorithm), { algorithm, ...example }, response.slice(1)));
  });
}

test("ok/a password is the same however the keyboard composes its letters", () => {
  const spelt = (password: string) => hex(digestSecret("SHA-256", "ann", "est", password));
  assert.equal(spelt("gr\u00fc\u00dfe"), spelt("gru\u0308\u00dfe"));
});
