import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { mutations } from "../../test/mutate.ts";
import { equal, fromHex, utf8 } from "../core/bytes.ts";
import * as der from "../encoding/der-writer.ts";
import { CryptoError, type CryptoErrorCode } from "./errors.ts";
import {
  generateKey,
  type KeyKind,
  publicKeyOf,
  rememberedPublicKeyOf,
  signerOf,
  unusedPublicKeyOf,
  verifySignature,
} from "./keys.ts";

function bytesOf(text: string): Uint8Array {
  const bytes = fromHex(text);
  assert.ok(bytes);
  return bytes;
}

/** RFC 6979 A.2.5. */
const point = bytesOf(
  "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
);
const p256 = "1.2.840.10045.3.1.7";

function ecKey(curve: Uint8Array, bytes: Uint8Array): Uint8Array {
  return der.sequence([der.sequence([der.objectIdentifier("1.2.840.10045.2.1"), curve]), der.bitString(bytes)]);
}

function rsaKey(bits: number, exponent = 65_537, lastOctet = 0x01, parameters = der.nullValue()): Uint8Array {
  const modulus = new Uint8Array(Math.ceil(bits / 8)).fill(0xc5);
  modulus[0] = bits % 8 === 0 ? 0x80 : 0x80 >> (8 - (bits % 8));
  modulus[modulus.length - 1] = lastOctet;
  const key = der.sequence([der.unsignedInteger(modulus), der.integer(exponent)]);
  return der.sequence([der.sequence([der.objectIdentifier("1.2.840.113549.1.1.1"), parameters]), der.bitString(key)]);
}

function openssl(...parameters: string[]): Uint8Array {
  return execFileSync("openssl", parameters, { stdio: ["ignore", "pipe", "ignore"] });
}

function refuses(code: CryptoErrorCode, key: Uint8Array): void {
  assert.throws(
    () => publicKeyOf(key),
    (error) => error instanceof CryptoError && error.code === code,
    `must be refused as ${code}`,
  );
}

test("ok/keys of every kind", () => {
  const key = publicKeyOf(ecKey(der.objectIdentifier(p256), point));
  assert.deepEqual([key.kind, key.bits, key.keyObject.asymmetricKeyType], ["P-256", 256, "ec"]);
  const generated = [
    ["P-256", "P-256", 256],
    ["P-384", "P-384", 384],
    ["Ed25519", "Ed25519", 256],
    ["RSA-2048", "RSA", 2048],
  ] as const satisfies readonly (readonly [string, KeyKind, number])[];
  for (const [kind, expected, bits] of generated) {
    const { publicKey } = signerOf(generateKey(kind));
    const parsed = publicKeyOf(publicKey);
    assert.deepEqual([parsed.kind, parsed.bits], [expected, bits]);
    assert.ok(equal(parsed.subjectPublicKeyInfo, publicKey));
  }
  for (const bits of [2048, 2049, 4096, 8192]) assert.equal(publicKeyOf(rsaKey(bits)).bits, bits);
  assert.equal(publicKeyOf(rsaKey(2048, 3)).kind, "RSA");
});

test("ok/a P-521 key of OpenSSL", () => {
  const privateKey = execFileSync("openssl", ["ecparam", "-name", "secp521r1", "-genkey", "-noout"]);
  const key = execFileSync("openssl", ["ec", "-pubout", "-outform", "DER"], {
    input: privateKey,
    stdio: ["pipe", "pipe", "ignore"],
  });
  assert.equal(publicKeyOf(key).kind, "P-521");
});

test("fail/points", () => {
  const curve = der.objectIdentifier(p256);
  const offCurve = Uint8Array.from(point);
  offCurve[64] = (offCurve[64] ?? 0) ^ 1;
  refuses("malformed-key", ecKey(curve, offCurve));
  refuses("malformed-key", ecKey(curve, point.subarray(0, 64)));
  refuses("malformed-key", ecKey(curve, new Uint8Array([...point, 0])));
  refuses("malformed-key", ecKey(curve, Uint8Array.of(0)));
  refuses("malformed-key", ecKey(curve, new Uint8Array()));
  refuses("unsupported-key", ecKey(curve, new Uint8Array([0x03, ...point.subarray(1, 33)])));
  refuses("malformed-key", ecKey(der.objectIdentifier("1.3.132.0.34"), point));
  // The point is not reduced: x + p, which fits no 32 octets here, is shown by all ones.
  refuses("malformed-key", ecKey(curve, new Uint8Array([0x04, ...new Uint8Array(64).fill(0xff)])));
});

test("fail/curves", () => {
  refuses("unsupported-key", ecKey(der.objectIdentifier("1.3.132.0.10"), point)); // secp256k1
  refuses("unsupported-key", ecKey(der.nullValue(), point)); // implicitCurve
  const explicitCurve = openssl("ecparam", "-name", "prime256v1", "-param_enc", "explicit", "-outform", "DER");
  refuses("unsupported-key", ecKey(explicitCurve, point));
});

test("fail/RSA", () => {
  refuses("weak-key", rsaKey(1024));
  refuses("weak-key", rsaKey(2047));
  refuses("unsupported-key", rsaKey(8200));
  refuses("weak-key", rsaKey(2048, 1));
  refuses("weak-key", rsaKey(2048, 65_536));
  refuses("weak-key", rsaKey(2048, 0));
  refuses("unsupported-key", rsaKey(2048, 2 ** 40 + 1));
  refuses("malformed-key", rsaKey(2048, 65_537, 0x02));
  refuses("malformed-key", rsaKey(2048, 65_537, 0x01, new Uint8Array()));
  refuses("malformed-key", rsaKey(2048, 65_537, 0x01, der.integer(0)));
});

test("fail/other keys and other bytes", () => {
  const ed25519 = der.sequence([der.objectIdentifier("1.3.101.112")]);
  refuses("malformed-key", der.sequence([ed25519, der.bitString(new Uint8Array(31))]));
  const withNull = der.sequence([der.objectIdentifier("1.3.101.112"), der.nullValue()]);
  refuses("malformed-key", der.sequence([withNull, der.bitString(new Uint8Array(32))]));
  const x25519 = der.sequence([der.objectIdentifier("1.3.101.110")]);
  refuses("unsupported-key", der.sequence([x25519, der.bitString(new Uint8Array(32))]));
  refuses("malformed-key", new Uint8Array());
  refuses("malformed-key", new Uint8Array([...ecKey(der.objectIdentifier(p256), point), 0]));
});

test("ok/a key that comes again is remembered by its octets, until many others came", () => {
  const [first, ...others] = Array.from({ length: 129 }, () => signerOf(generateKey("Ed25519")).publicKey);
  assert.ok(first);
  const key = rememberedPublicKeyOf(first);
  const elsewhere = Uint8Array.from(first);
  assert.equal(rememberedPublicKeyOf(elsewhere).keyObject, key.keyObject);
  assert.ok(equal(key.subjectPublicKeyInfo, first));
  for (const other of others) rememberedPublicKeyOf(other);
  assert.notEqual(rememberedPublicKeyOf(first).keyObject, key.keyObject);
});

test("ok/a key in use outlives those that come once", () => {
  const [first, ...others] = Array.from({ length: 200 }, () => signerOf(generateKey("Ed25519")).publicKey);
  assert.ok(first);
  const { keyObject } = rememberedPublicKeyOf(first);
  for (const other of others) {
    rememberedPublicKeyOf(other);
    assert.equal(rememberedPublicKeyOf(first).keyObject, keyObject);
  }
});

test("fail/what was refused is refused again, and no change of the octets afterwards makes another key of it", () => {
  const bytes = Uint8Array.from(signerOf(generateKey("P-256")).publicKey);
  const { subjectPublicKeyInfo } = rememberedPublicKeyOf(bytes);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  assert.ok(!equal(subjectPublicKeyInfo, bytes));
  for (let time = 0; time < 2; time += 1)
    assert.throws(
      () => rememberedPublicKeyOf(bytes).keyObject,
      (error: unknown) => error instanceof CryptoError && error.code === "malformed-key",
    );
});

test("fail/a point off the curve, at each use of a key that was not checked before", () => {
  const { privateKey, bytes } = offCurveKey();
  const signer = signerOf(privateKey);
  const data = utf8("signed");
  const key = unusedPublicKeyOf(bytes);
  for (let time = 0; time < 3; time += 1)
    assert.throws(() => verifySignature(key, signer.algorithm, data, signer.sign(data)), { code: "malformed-key" });
  assert.throws(() => key.keyObject, { code: "malformed-key" });
});

test("ok/a key verifies the first time and every time after, and refuses what is not by it", () => {
  for (const kind of ["P-256", "P-384", "Ed25519", "RSA-2048"] as const) {
    const signer = signerOf(generateKey(kind));
    const data = utf8("signed");
    const signature = signer.sign(data);
    const [first, second] = [unusedPublicKeyOf(signer.publicKey), unusedPublicKeyOf(signer.publicKey)];
    for (let time = 0; time < 3; time += 1) {
      assert.equal(verifySignature(first, signer.algorithm, data, signature), true, kind);
      assert.equal(verifySignature(second, signer.algorithm, utf8("other"), signature), false, kind);
    }
  }
});

function offCurveKey() {
  const privateKey = generateKey("P-256");
  const bytes = Uint8Array.from(signerOf(privateKey).publicKey);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  return { privateKey, bytes };
}

test("ok/damaged keys are answered with a CryptoError or a key", () => {
  const samples = [ecKey(der.objectIdentifier(p256), point), rsaKey(2048), signerOf(generateKey("Ed25519")).publicKey];
  for (const [seed, sample] of samples.entries())
    for (const mutation of mutations(seed, sample, 2000)) {
      try {
        publicKeyOf(mutation);
      } catch (error) {
        assert.ok(error instanceof CryptoError, String(error));
      }
    }
});
