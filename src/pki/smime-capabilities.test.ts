import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "../core/bytes.ts";
import * as der from "../encoding/der-writer.ts";
import { decodeSmimeCapabilities, encodeSmimeCapabilities, type OfferedAlgorithms } from "./smime-capabilities.ts";

const all: OfferedAlgorithms = {
  contentEncryptions: ["aes256-CBC", "aes128-CBC"],
  keyWraps: ["aes256-wrap", "aes192-wrap", "aes128-wrap"],
  keyAgreements: ["aes256-wrap", "aes128-wrap"],
  keyTransports: [{ kind: "RSAES-OAEP", hash: "sha256" }, { kind: "RSAES-PKCS1-v1_5" }],
};

test("ok/capabilities: all that are written are read, in the order of preference", () => {
  assert.deepEqual(decodeSmimeCapabilities(encodeSmimeCapabilities(all)), all);
  const none: OfferedAlgorithms = { contentEncryptions: [], keyWraps: [], keyAgreements: [], keyTransports: [] };
  assert.deepEqual(decodeSmimeCapabilities(encodeSmimeCapabilities(none)), none);
});

test("ok/capabilities: algorithms and parameters that are not known are passed over", () => {
  const capability = (oid: string, ...parameters: readonly Uint8Array[]) =>
    der.sequence([der.objectIdentifier(oid), ...parameters]);
  const offered = decodeSmimeCapabilities(
    der.sequence([
      capability("1.2.840.113549.3.7"), // des-ede3-cbc
      capability("2.16.840.1.101.3.4.1.46"), // AES-256-GCM, which EnvelopedData cannot hold
      capability("1.3.132.1.11.2", der.sequence([der.objectIdentifier("2.16.840.1.101.3.4.1.45")])), // with SHA-384
      capability("1.3.132.1.11.1", der.octetString(Uint8Array.of(1))),
      capability("1.2.840.113549.1.1.7", der.nullValue()), // RSAES-OAEP with parameters of no kind
      capability("2.16.840.1.101.3.4.1.5", der.nullValue()), // aes128-wrap as some write it
    ]),
  );
  assert.deepEqual(offered, {
    contentEncryptions: [],
    keyWraps: ["aes128-wrap"],
    keyAgreements: [],
    keyTransports: [],
  });
});

const one = encodeSmimeCapabilities({ ...all, keyWraps: [], keyAgreements: [], keyTransports: [] });
const malformed: Readonly<Record<string, Uint8Array>> = {
  "octets behind it": concat([one, Uint8Array.of(0)]),
  "a capability without an identifier": der.sequence([der.sequence([])]),
  "a capability with two parameters": der.sequence([
    der.sequence([der.objectIdentifier("1.2.3"), der.nullValue(), der.nullValue()]),
  ]),
  "65 capabilities": der.sequence(Array.from({ length: 65 }, () => der.sequence([der.objectIdentifier("1.2.3")]))),
  "no list": der.nullValue(),
};
for (const [name, bytes] of Object.entries(malformed))
  test(`fail/capabilities: ${name}`, () => {
    assert.throws(() => decodeSmimeCapabilities(bytes), { name: "PkiError", code: "malformed-request" });
  });
