import assert from "node:assert/strict";
import { base64, hex, utf8 } from "../../../src/core/bytes.ts";
import { privateKeyToDer } from "../../../src/crypto/keys.ts";
import { encodePem } from "../../../src/encoding/pem.ts";
import { type Explanation, explain } from "../../../src/pki/explain.ts";
import { now } from "../../../src/protocols/est/fixtures.test-support.ts";
import { type Target, targetsOf } from "../harness/target.ts";
import { certificates, keyOf, messages, requests } from "./samples.ts";

/** What is said of a file: something of any bytes, nothing that a terminal would obey, and nothing of a private key. */
export function explainTargets(): readonly Target[] {
  const certificate = certificates["Ed25519"] as Uint8Array;
  const key = privateKeyToDer(keyOf("own"));
  const both = encodePem("CERTIFICATE", certificate) + encodePem("PRIVATE KEY", key);
  const samples = { Ed25519: certificate, ...messages, "with a password": requests["Ed25519"] as Uint8Array };
  const targets = [
    ...targetsOf("explain", samples, isExplained, "ber"),
    ...targetsOf("explain", { "private key": key }, isExplained, "der"),
    ...targetsOf("explain", { PEM: utf8(both), base64: utf8(base64(certificate)) }, isExplained),
  ];
  return targets.map((target) => ({ ...target, weight: 4 }));
}

function isExplained(input: Uint8Array): boolean {
  const explanation = explain(input, { at: now });
  const texts = textsOf(explanation);
  for (const text of texts) assert.doesNotMatch(text, /[\p{Cc}\p{Cf}]/u);
  const whole = texts.join("\n");
  assert.ok(whole.length < baseCharacters + charactersPerOctet * input.length, `${whole.length} characters`);
  for (const secret of secrets) assert.ok(!whole.includes(secret), "a private key is shown");
  return explanation.kind !== "other";
}

function textsOf({ summary, fields, findings, children }: Explanation): readonly string[] {
  return [
    summary,
    ...fields.flatMap(({ name, values }) => [name, ...values]),
    ...findings.map(({ text }) => text),
    ...children.flatMap(textsOf),
  ];
}

/** The last 32 octets of a PrivateKeyInfo of Ed25519 (RFC 8410 7), and parts of them, for what shows the beginning only. */
const scalar = privateKeyToDer(keyOf("own")).subarray(-32);
const secrets = [hex(scalar.subarray(0, 12)), base64(scalar.subarray(0, 12)), hex(scalar.subarray(20))];

const baseCharacters = 32_768;
const charactersPerOctet = 64;
