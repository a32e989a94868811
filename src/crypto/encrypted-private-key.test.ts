import assert from "node:assert/strict";
import { test } from "node:test";
import { decryptPrivateKey, isEncryptedPrivateKey } from "./encrypted-private-key.ts";
import { generateKey, privateKeyToDer, privateKeyToPem } from "./private-key.ts";

const key = generateKey("P-256");
const encrypted = key
  .export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "open sesame" })
  .toString();

test("ok/the passphrase opens the key, certificates before it are passed over", () => {
  assert.equal(isEncryptedPrivateKey(encrypted), true);
  const file = `-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n${encrypted}`;
  assert.deepEqual(privateKeyToDer(decryptPrivateKey(file, "open sesame")), privateKeyToDer(key));
});

test("fail/another passphrase, a damaged key", () => {
  const middle = encrypted.length / 2;
  const damaged = encrypted.slice(0, middle) + (encrypted[middle] === "A" ? "B" : "A") + encrypted.slice(middle + 1);
  for (const [file, passphrase] of [
    [encrypted, "open sesami"],
    [encrypted, ""],
    [damaged, "open sesame"],
  ] as const)
    assert.throws(() => decryptPrivateKey(file, passphrase), { code: "malformed-key" });
});

test("fail/no key, a key in clear, two keys", () => {
  assert.equal(isEncryptedPrivateKey(privateKeyToPem(key)), false);
  for (const file of ["", privateKeyToPem(key), encrypted + encrypted])
    assert.throws(() => decryptPrivateKey(file, "open sesame"), { code: "malformed-key" });
});
