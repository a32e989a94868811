import assert from "node:assert/strict";
import { equal, utf8, view } from "../../../src/core/bytes.ts";
import { CryptoError } from "../../../src/crypto/errors.ts";
import {
  privateKeyFromDer,
  privateKeyFromPem,
  privateKeyToDer,
  privateKeyToPem,
  publicKeyOf,
} from "../../../src/crypto/keys.ts";
import { decodeAsymmetricKeyPackage, encodeAsymmetricKeyPackage } from "../../../src/pki/asymmetric-key-package.ts";
import { CmsError } from "../../../src/pki/cms-errors.ts";
import { PkiError } from "../../../src/pki/errors.ts";
import { decodeSmimeCapabilities, encodeSmimeCapabilities } from "../../../src/pki/smime-capabilities.ts";
import { readsOrRefuses, type Target, targetsOf } from "../harness/target.ts";
import { keyOf, privateKeyForms, publicKeys } from "./samples.ts";

/** The decoders of `crypto`: they answer with a key that OpenSSL writes as the same bytes or number, or with their own error. */
export function keyTargets(): readonly Target[] {
  return [
    ...targetsOf("public key", publicKeys, readPublicKey, "der"),
    ...targetsOf("private key", privateKeyForms, readPrivateKey, "der"),
    ...targetsOf("key package", packages, readKeyPackage, "der"),
    ...targetsOf("SMIMECapabilities", capabilities, readCapabilities, "der"),
    ...targetsOf("private key", { PEM: utf8(privateKeyToPem(keyOf("own"))) }, readPrivatePem),
  ];
}

const packages = {
  "one key": encodeAsymmetricKeyPackage([privateKeyToDer(keyOf("own"))]),
  "two keys": encodeAsymmetricKeyPackage([privateKeyToDer(keyOf("own")), privateKeyToDer(keyOf("device"))]),
};
const capabilities = {
  "all that are known": encodeSmimeCapabilities({
    contentEncryptions: ["aes256-CBC", "aes128-CBC"],
    keyWraps: ["aes256-wrap", "aes128-wrap"],
    keyAgreements: ["aes192-wrap"],
    keyTransports: [{ kind: "RSAES-OAEP", hash: "sha256" }, { kind: "RSAES-PKCS1-v1_5" }],
  }),
};

function readKeyPackage(input: Uint8Array): boolean {
  return readsOrRefuses([CmsError], () => {
    const keys = decodeAsymmetricKeyPackage(input);
    assert.ok(equal(encodeAsymmetricKeyPackage(keys), input), "one key package has two encodings");
  });
}

function readCapabilities(input: Uint8Array): boolean {
  return readsOrRefuses([PkiError], () => {
    const offered = decodeSmimeCapabilities(input);
    assert.deepEqual(decodeSmimeCapabilities(encodeSmimeCapabilities(offered)), offered);
  });
}

function readPublicKey(input: Uint8Array): boolean {
  return readsOrRefuses([CryptoError], () => {
    const { keyObject, subjectPublicKeyInfo } = publicKeyOf(input);
    assert.ok(equal(subjectPublicKeyInfo, input));
    assert.ok(equal(keyObject.export({ format: "der", type: "spki" }), input), "one key has two encodings");
  });
}

function readPrivateKey(input: Uint8Array): boolean {
  return readsOrRefuses([CryptoError], () => {
    const key = privateKeyFromDer(input);
    assert.ok(privateKeyFromDer(privateKeyToDer(key)).equals(key), "a key that was written is read as another one");
  });
}

function readPrivatePem(input: Uint8Array): boolean {
  return readsOrRefuses([CryptoError], () => {
    const key = privateKeyFromPem(view(input).toString("latin1"));
    assert.ok(privateKeyFromPem(privateKeyToPem(key)).equals(key), "a key that was written is read as another one");
  });
}
