import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { mutations } from "../../test/mutate.ts";
import { equal, fromHex, utf8 } from "../core/bytes.ts";
import * as der from "../encoding/der-writer.ts";
import { encodePem } from "../encoding/pem.ts";
import { CryptoError } from "./errors.ts";
import {
  generateKey,
  privateKeyForm,
  privateKeyFromDer,
  privateKeyFromPem,
  privateKeyToDer,
  privateKeyToPem,
  signerOf,
} from "./keys.ts";

function openssl(parameters: readonly string[], input: string | Uint8Array = ""): Buffer {
  return execFileSync("openssl", parameters, { input, stdio: ["pipe", "pipe", "ignore"] });
}

const ecPem = openssl(["ecparam", "-name", "prime256v1", "-genkey"]).toString();

test("ok/keys are written and read back", () => {
  for (const kind of ["P-256", "P-384", "Ed25519", "RSA-2048"] as const) {
    const key = generateKey(kind);
    assert.ok(key.equals(privateKeyFromPem(privateKeyToPem(key))), kind);
    assert.ok(key.equals(privateKeyFromDer(privateKeyToDer(key))), kind);
    assert.equal(privateKeyForm(privateKeyToDer(key)), "pkcs8");
  }
});

test("ok/SEC 1 and PKCS #1 of OpenSSL", () => {
  assert.match(ecPem, /BEGIN EC PARAMETERS/);
  const ec = privateKeyFromPem(ecPem);
  const sec1 = ec.export({ format: "der", type: "sec1" });
  assert.equal(privateKeyForm(sec1), "sec1");
  assert.ok(privateKeyFromDer(sec1).equals(ec));
  const rsa = openssl(["genrsa", "-traditional", "2048"]).toString();
  assert.match(rsa, /BEGIN RSA PRIVATE KEY/);
  const key = privateKeyFromPem(rsa);
  assert.equal(privateKeyForm(key.export({ format: "der", type: "pkcs1" })), "pkcs1");
});

test("ok/OpenSSL reads ours", () => {
  const key = generateKey("P-256");
  const publicKey = openssl(["pkey", "-pubout", "-outform", "DER"], privateKeyToPem(key));
  assert.ok(equal(publicKey, signerOf(key).publicKey));
});

test("ok/OneAsymmetricKey version 2 with its public key (RFC 8410 10.3)", () => {
  const key = privateKeyFromPem(
    [
      "-----BEGIN PRIVATE KEY-----",
      "MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC",
      "oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB",
      "Z9w7lshQhqowtrbLDFw4rXAxZuE=",
      "-----END PRIVATE KEY-----",
    ].join("\n"),
  );
  const expected = fromHex("302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
  assert.ok(expected !== undefined && equal(signerOf(key).publicKey, expected));
});

test("fail/what holds no usable private key", () => {
  const key = privateKeyToPem(generateKey("P-256"));
  const cases = [
    ["malformed-key", ""],
    ["malformed-key", encodePem("CERTIFICATE", utf8("x"))],
    ["malformed-key", key + key],
    ["malformed-key", "-----BEGIN PRIVATE KEY-----\n"],
    ["malformed-key", encodePem("PRIVATE KEY", Uint8Array.of(0x30, 0))],
    ["malformed-key", encodePem("PRIVATE KEY", Uint8Array.of(0x30, 5, 2, 1, 0, 5, 0))],
    ["unsupported-key", openssl(["pkcs8", "-topk8", "-passout", "pass:x", "-v2", "aes256"], ecPem).toString()],
    ["unsupported-key", openssl(["ec", "-aes256", "-passout", "pass:x"], ecPem).toString()],
    ["unsupported-key", openssl(["ecparam", "-name", "secp256k1", "-genkey", "-noout"]).toString()],
    ["unsupported-key", openssl(["ecparam", "-name", "prime256v1", "-param_enc", "explicit", "-genkey"]).toString()],
    ["weak-key", openssl(["genrsa", "1024"]).toString()],
  ] as const;
  for (const [i, [code, text]] of cases.entries())
    assert.throws(
      () => privateKeyFromPem(text),
      (error) => error instanceof CryptoError && error.code === code,
      `case ${i} must be refused as ${code}`,
    );
  assert.throws(() => privateKeyFromDer(new Uint8Array([...privateKeyToDer(generateKey("P-256")), 0])), {
    code: "malformed-key",
  });
});

test("fail/halves that do not belong together, and a scalar that is longer than its curve's", () => {
  const [own, other] = [generateKey("P-256"), generateKey("P-256")].map((key) =>
    key.export({ format: "der", type: "sec1" }),
  );
  assert.ok(own !== undefined && other !== undefined);
  const mixed = Buffer.concat([own.subarray(0, -65), other.subarray(-65)]);
  const scalar = der.octetString(Buffer.concat([Uint8Array.of(1), own.subarray(7, 39)]));
  const curve = der.explicit(0, der.objectIdentifier("1.2.840.10045.3.1.7"));
  for (const bytes of [mixed, der.sequence([der.integer(1), scalar, curve])])
    assert.throws(() => privateKeyFromDer(bytes), { code: "malformed-key" });
});

test("ok/damaged keys are answered with a CryptoError or a key", () => {
  const ec = privateKeyFromPem(ecPem);
  const samples = [privateKeyToDer(ec), ec.export({ format: "der", type: "sec1" })];
  for (const [seed, sample] of samples.entries())
    for (const mutation of mutations(seed, sample, 1000)) {
      try {
        privateKeyFromDer(mutation);
      } catch (error) {
        assert.ok(error instanceof CryptoError, String(error));
      }
    }
});
