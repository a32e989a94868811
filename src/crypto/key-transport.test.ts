import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { test } from "node:test";
import { equal, hex } from "../core/bytes.ts";
import { decryptKey, encryptKey, type KeyTransportScheme } from "./key-transport.ts";
import { generateKey, type PrivateKey, publicKeyOf } from "./keys.ts";

function publicOf(key: PrivateKey) {
  return publicKeyOf(createPublicKey(key).export({ format: "der", type: "spki" }));
}

const privateKey = generateKey("RSA-2048");
const publicKey = publicOf(privateKey);
const key = new Uint8Array(32).fill(7);
const oaep: KeyTransportScheme = { kind: "RSAES-OAEP", hash: "sha256" };
const pkcs1: KeyTransportScheme = { kind: "RSAES-PKCS1-v1_5" };

test("ok/what is encrypted is decrypted, with each hash", () => {
  const hashes = ["sha1", "sha256", "sha384", "sha512"] as const;
  for (const scheme of [pkcs1, ...hashes.map((hash) => ({ kind: "RSAES-OAEP", hash }) as const)])
    assert.ok(equal(decryptKey(privateKey, scheme, encryptKey(publicKey, scheme, key)) ?? new Uint8Array(), key));
});

test("fail/OAEP that was changed, or has another hash", () => {
  const encrypted = encryptKey(publicKey, oaep, key);
  assert.equal(decryptKey(privateKey, { kind: "RSAES-OAEP", hash: "sha1" }, encrypted), undefined);
  encrypted[9] = (encrypted[9] ?? 0) ^ 1;
  assert.equal(decryptKey(privateKey, oaep, encrypted), undefined);
  assert.equal(decryptKey(privateKey, oaep, new Uint8Array(256).fill(0xff)), undefined);
  assert.equal(decryptKey(privateKey, oaep, new Uint8Array()), undefined);
});

test("ok/PKCS #1 v1.5 padding that is wrong gives the same octets each time, and never an answer of its own", () => {
  for (let i = 0; i < 20; i += 1) {
    const wrong = new Uint8Array(256).fill(i, 1);
    const first = decryptKey(privateKey, pkcs1, wrong);
    assert.ok(first);
    assert.equal(hex(decryptKey(privateKey, pkcs1, wrong) ?? new Uint8Array()), hex(first));
  }
});

test("fail/keys that are not RSA", () => {
  const other = generateKey("P-256");
  assert.throws(() => encryptKey(publicOf(other), oaep, key), { code: "unsupported-key" });
  assert.throws(() => decryptKey(other, oaep, key), { code: "unsupported-key" });
});
