import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, hex } from "../core/bytes.ts";
import { generateKey, privateKeyToDer } from "../crypto/keys.ts";
import * as der from "../encoding/der-writer.ts";
import { decodeAsymmetricKeyPackage, encodeAsymmetricKeyPackage } from "./asymmetric-key-package.ts";

const algorithm = der.sequence([der.objectIdentifier("1.3.101.112")]);
const privateKey = der.octetString(der.octetString(new Uint8Array(32)));
const publicKey = der.implicit(1, der.bitString(new Uint8Array(32)));
const attributes = der.implicit(0, der.setOf([]));
const key = (version: number, ...fields: readonly Uint8Array[]) => der.sequence([der.integer(version), ...fields]);

test("ok/key package: keys of versions 1 and 2, with attributes or without, come out as they went in", () => {
  const keys = [
    privateKeyToDer(generateKey("P-256")),
    key(0, algorithm, privateKey),
    key(0, algorithm, privateKey, attributes),
    key(1, algorithm, privateKey, publicKey),
    key(1, algorithm, privateKey, attributes, publicKey),
  ];
  assert.deepEqual(decodeAsymmetricKeyPackage(encodeAsymmetricKeyPackage(keys)).map(hex), keys.map(hex));
});

const good = key(0, algorithm, privateKey);
const malformed: Readonly<Record<string, Uint8Array>> = {
  "no key": der.sequence([]),
  "nine keys": der.sequence(Array.from({ length: 9 }, () => good)),
  "a bare key": good,
  "octets behind it": concat([der.sequence([good]), Uint8Array.of(0)]),
  "a key of version 3": der.sequence([key(2, algorithm, privateKey)]),
  "version 1 with a public key": der.sequence([key(0, algorithm, privateKey, publicKey)]),
  "version 2 without one": der.sequence([key(1, algorithm, privateKey)]),
  "a key without its algorithm": der.sequence([key(0, privateKey)]),
  "a key with two public keys": der.sequence([key(1, algorithm, privateKey, publicKey, publicKey)]),
};
for (const [name, bytes] of Object.entries(malformed))
  test(`fail/key package: ${name}`, () => {
    assert.throws(() => decodeAsymmetricKeyPackage(bytes), { name: "CmsError", code: "malformed-cms" });
  });

test("fail/key package: none to be written", () => {
  assert.throws(() => encodeAsymmetricKeyPackage([]), { code: "unencodable" });
});
