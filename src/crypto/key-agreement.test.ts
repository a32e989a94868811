import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { equal, fromHex, hex } from "../core/bytes.ts";
import { agree, agreeEphemerally, deriveX963 } from "./key-agreement.ts";
import { generateKey, type PrivateKey, publicKeyOf } from "./keys.ts";

function bytesOf(text: string): Uint8Array {
  return fromHex(text) ?? assert.fail();
}

function publicOf(key: PrivateKey) {
  return publicKeyOf(createPublicKey(key).export({ format: "der", type: "spki" }));
}

test("ok/RFC 5903 8.1, P-256", () => {
  const base64url = (text: string) => Buffer.from(text, "hex").toString("base64url");
  const privateKey = createPrivateKey({
    key: {
      kty: "EC",
      crv: "P-256",
      d: base64url("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433"),
      x: base64url("DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180"),
      y: base64url("5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3"),
    },
    format: "jwk",
  });
  const point = bytesOf(
    "04D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF6356FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
  );
  const expected = "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de";
  assert.equal(hex(agree(privateKey, point) ?? assert.fail()), expected);
});

test("ok/both ends agree on each curve", () => {
  for (const namedCurve of ["P-256", "P-384", "P-521"]) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve });
    const { point, sharedSecret } = agreeEphemerally(publicOf(privateKey));
    assert.ok(equal(agree(privateKey, point) ?? new Uint8Array(), sharedSecret));
    assert.equal(sharedSecret.length, (point.length - 1) / 2);
  }
});

test("fail/points that are not on the curve of the key, or not uncompressed", () => {
  const privateKey = generateKey("P-256");
  const { point } = agreeEphemerally(publicOf(privateKey));
  const moved = Uint8Array.from(point);
  moved[64] = (moved[64] ?? 0) ^ 1;
  const compressed = Uint8Array.of(2 + ((point[64] ?? 0) & 1), ...point.subarray(1, 33));
  const otherCurve = agreeEphemerally(publicOf(generateKey("P-384"))).point;
  const hybrid = Uint8Array.of(6 + ((point[64] ?? 0) & 1), ...point.subarray(1));
  for (const wrong of [moved, compressed, otherCurve, hybrid, new Uint8Array(), new Uint8Array(65), Uint8Array.of(0)])
    assert.equal(agree(privateKey, wrong), undefined);
});

test("fail/keys that do not agree on anything", () => {
  for (const kind of ["Ed25519", "RSA-2048"] as const) {
    const key = generateKey(kind);
    assert.throws(() => agree(key, new Uint8Array(65)), { code: "unsupported-key" });
    assert.throws(() => agreeEphemerally(publicOf(key)), { code: "unsupported-key" });
  }
});

test("ok/the derivation of ANSI X9.63", () => {
  const secret = bytesOf("96c05619d56c328ab95fe84b18264b08725b85e33fd34f08");
  // NIST CAVP, ANSI X9.63-2001, SHA-256: the first of those without SharedInfo.
  assert.equal(hex(deriveX963("sha256", secret, new Uint8Array(), 16)), "443024c3dae66b95e6f5670601558f71");
  // Made by `openssl kdf ... X963KDF`: two blocks and SharedInfo.
  assert.equal(
    hex(deriveX963("sha256", secret, Uint8Array.of(1, 2, 3, 4, 5), 48)),
    "81ba10cd1d851cac2368c5614855cf6daeb48783e512e682cef4520108421af264ebc896d2594f376ce2e71a23f3c7b6",
  );
});
