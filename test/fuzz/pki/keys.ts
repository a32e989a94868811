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
import { readsOrRefuses, type Target, targetsOf } from "../harness/target.ts";
import { keyOf, privateKeyForms, publicKeys } from "./samples.ts";

/** The decoders of `crypto`: they answer with a key that OpenSSL writes as the same bytes or number, or with their own error. */
export function keyTargets(): readonly Target[] {
  return [
    ...targetsOf("public key", publicKeys, readPublicKey, "der"),
    ...targetsOf("private key", privateKeyForms, readPrivateKey, "der"),
    ...targetsOf("private key", { PEM: utf8(privateKeyToPem(keyOf("own"))) }, readPrivatePem),
  ];
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
