import assert from "node:assert/strict";
import { constants, generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { equal, fromHex, utf8 } from "../core/bytes.ts";
import * as der from "../encoding/der-writer.ts";
import {
  generateKey,
  privateKeyFromDer,
  publicKeyOf,
  signatureAlgorithmOf,
  signatureAlgorithms,
  signerOf,
  verifySignature,
} from "./keys.ts";

function bytesOf(text: string): Uint8Array {
  const bytes = fromHex(text);
  assert.ok(bytes);
  return bytes;
}

const data = utf8("sample");

test("ok/RFC 6979 A.2.5, P-256 with SHA-256", () => {
  const key = publicKeyOf(
    bytesOf(
      "3059301306072a8648ce3d020106082a8648ce3d0301070342000460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
    ),
  );
  const signature = der.sequence([
    der.unsignedInteger(bytesOf("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716")),
    der.unsignedInteger(bytesOf("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8")),
  ]);
  const { identifier } = signatureAlgorithms.ecdsaWithSha256;
  assert.equal(verifySignature(key, identifier, data, signature), true);
  assert.equal(verifySignature(key, identifier, utf8("Sample"), signature), false);
  assert.equal(verifySignature(key, identifier, data, new Uint8Array([...signature, 0])), false);
  assert.equal(verifySignature(key, identifier, data, new Uint8Array()), false);
  assert.equal(verifySignature(key, signatureAlgorithms.ecdsaWithSha384.identifier, data, signature), false);
  assert.equal(verifySignature(key, signatureAlgorithms.ed25519.identifier, data, signature), false);
  assert.equal(verifySignature(key, signatureAlgorithms.sha256WithRsa.identifier, data, signature), false);
});

test("ok/RFC 8032 7.1 test 2, Ed25519", () => {
  const seed = bytesOf("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
  const signer = signerOf(privateKeyFromDer(new Uint8Array([...bytesOf("302e020100300506032b657004220420"), ...seed])));
  const signature = bytesOf(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  );
  assert.ok(equal(signer.sign(Uint8Array.of(0x72)), signature));
  assert.equal(verifySignature(publicKeyOf(signer.publicKey), signer.algorithm, Uint8Array.of(0x72), signature), true);
});

test("ok/each kind of signer is verified with its own algorithm", () => {
  const names = {
    "P-256": "ecdsa-with-SHA256",
    "P-384": "ecdsa-with-SHA384",
    Ed25519: "Ed25519",
    "RSA-2048": "sha256WithRSAEncryption",
  } as const;
  for (const kind of ["P-256", "P-384", "Ed25519", "RSA-2048"] as const) {
    const signer = signerOf(generateKey(kind));
    assert.equal(signatureAlgorithmOf(signer.algorithm).name, names[kind]);
    assert.equal(verifySignature(publicKeyOf(signer.publicKey), signer.algorithm, data, signer.sign(data)), true);
    assert.equal(verifySignature(publicKeyOf(signer.publicKey), signer.algorithm, utf8("x"), signer.sign(data)), false);
  }
});

test("ok/RSA with every hash, with absent parameters and with RSASSA-PSS", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = publicKeyOf(publicKey.export({ format: "der", type: "spki" }));
  for (const algorithm of Object.values(signatureAlgorithms)) {
    if (algorithm.keyType !== "rsa") continue;
    const { saltLength } = algorithm;
    const pss = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
    const signature = sign(algorithm.hash, data, saltLength === undefined ? privateKey : pss);
    assert.equal(verifySignature(key, algorithm.identifier, data, signature), true, algorithm.name);
    signature[9] = (signature[9] ?? 0) ^ 1;
    assert.equal(verifySignature(key, algorithm.identifier, data, signature), false, algorithm.name);
  }
  const absent = der.sequence([der.objectIdentifier("1.2.840.113549.1.1.11")]);
  assert.equal(verifySignature(key, absent, data, sign("sha256", data, privateKey)), true);
});

test("ok/a signer with another algorithm of its key's type; fail/with one of another type", () => {
  for (const kind of ["P-256", "RSA-2048"] as const) {
    const privateKey = generateKey(kind);
    const key = publicKeyOf(signerOf(privateKey).publicKey);
    for (const algorithm of Object.values(signatureAlgorithms)) {
      if (algorithm.keyType !== (kind === "P-256" ? "ec" : "rsa")) {
        assert.throws(() => signerOf(privateKey, algorithm), { code: "unsupported-algorithm" }, algorithm.name);
        continue;
      }
      const signer = signerOf(privateKey, algorithm);
      assert.deepEqual(signer.algorithm, algorithm.identifier);
      assert.equal(verifySignature(key, signer.algorithm, data, signer.sign(data)), true, algorithm.name);
    }
  }
});

test("fail/algorithms that are not believed or not known", () => {
  const sha1WithRsa = der.sequence([der.objectIdentifier("1.2.840.113549.1.1.5"), der.nullValue()]);
  assert.throws(() => signatureAlgorithmOf(sha1WithRsa), { code: "unsupported-algorithm", message: /SHA-1/ });
  const ecdsaWithNull = der.sequence([der.objectIdentifier("1.2.840.10045.4.3.2"), der.nullValue()]);
  const trailing = new Uint8Array([...signatureAlgorithms.ed25519.identifier, 0]);
  for (const identifier of [ecdsaWithNull, trailing, new Uint8Array(), Uint8Array.of(0x30, 0x80)])
    assert.throws(() => signatureAlgorithmOf(identifier), { code: "unsupported-algorithm" });
});
