import assert from "node:assert/strict";
import { test } from "node:test";
import { equal } from "../../core/bytes.ts";
import { ManualClock } from "../../core/clock.ts";
import { seededRandomness } from "../../core/randomness.ts";
import { privateKeyFromDer, signerOf } from "../../crypto/keys.ts";
import { fingerprinting } from "../../knowledge/fingerprint.ts";
import { RunRecorder } from "../../knowledge/run.ts";
import { verifyProofOfPossession } from "../../pki/csr.ts";
import { encodeName } from "../../pki/name.ts";
import type { CertificateProfile, GeneratedKey, Ports } from "../ports.ts";
import { EstRefused } from "./errors.ts";
import { commonName, deviceKeys, now, peer } from "./fixtures.test-support.ts";
import { keptKey, keptUntil, keyAgain, makeKey, requireServerKey, waitingKey } from "./server-keygen.ts";

const profile = { name: "lamps", serverKey: "P-256" } as CertificateProfile;
const names = { name: "lamp", subject: encodeName([commonName("lamp")]) };

/** Counts the keys that are made. */
function house() {
  const made: GeneratedKey[] = [];
  const keys = deviceKeys();
  const clock = new ManualClock(now);
  const run = new RunRecorder({
    id: "run",
    protocol: "est",
    variant: "est/unknown",
    link: "none",
    by: "coordinator",
    fingerprint: fingerprinting(new Uint8Array(32)),
    clock,
  });
  const ports = {
    run,
    clock,
    randomness: seededRandomness("server"),
    deviceKeys: {
      ...keys,
      async generate(kind) {
        const key = await keys.generate(kind, "line");
        made.push(key);
        return key;
      },
    } satisfies Ports["deviceKeys"],
  } as unknown as Ports;
  return { made, ports, run };
}

test("ok/made: the authority gets a request that the new key has signed, for the names that were admitted", async () => {
  const { made, ports } = house();
  const { privateKey, request: csr } = await makeKey(undefined, profile, names, undefined, "line", ports);
  assert.equal(made.length, 1);
  assert.ok(verifyProofOfPossession(csr));
  assert.ok(equal(csr.subject.raw, names.subject));
  assert.ok(equal(csr.subjectPublicKeyInfo, signerOf(privateKeyFromDer(privateKey)).publicKey));
  assert.equal(csr.challengePassword, undefined);
});

test("ok/made: while an authority takes its time the key and the request stay the same", async () => {
  const { made, ports } = house();
  const first = await makeKey(undefined, profile, names, undefined, "line", ports);
  const session = { kind: "waiting", names: "", key: waitingKey(first) } as const;
  const again = await makeKey(JSON.parse(JSON.stringify(session)), profile, names, undefined, "line", ports);
  assert.equal(made.length, 1);
  assert.ok(equal(again.privateKey, first.privateKey) && equal(again.request.raw, first.request.raw));
});

test("ok/kept: an answer comes again as it was, for ten minutes and not beyond its certificate", () => {
  const key = { form: "enveloped", bytes: Uint8Array.of(1, 2, 3) } as const;
  assert.deepEqual(keyAgain(JSON.parse(JSON.stringify(keptKey(key)))), { ...key, bytes: Buffer.from(key.bytes) });
  assert.equal(keptUntil(now + 3_600_000, now), now + 600_000);
  assert.equal(keptUntil(now + 1_000, now), now + 1_000);
});

test("ok/ledger: nothing of the private key is in it, in no form", async () => {
  const { ports, run } = house();
  const { privateKey } = await makeKey(undefined, profile, names, undefined, "line", ports);
  const ledger = JSON.stringify(run.finish("granted", ""));
  for (const form of ["hex", "base64", "base64url"] as const)
    assert.ok(!ledger.includes(Buffer.from(privateKey).subarray(36, 68).toString(form)));
});

const plain = peer("TLSv1.3");
const { security: _, ...unprotected } = plain;
const channels = {
  "without TLS": unprotected,
  "with a suite that encrypts nothing": {
    ...plain,
    security: { version: "TLSv1.2", cipherSuite: "TLS_RSA_WITH_NULL_SHA256", resumed: false },
  },
  "with TLS that ends at a proxy": { ...plain, terminator: "192.0.2.1" },
} as const;
for (const [name, channel] of Object.entries(channels))
  test(`fail/channel: ${name}`, () => {
    assert.throws(() => requireServerKey(profile, channel), { name: "EstRefused", code: "channel-not-confidential" });
  });

test("fail/profile: one that makes no keys", async () => {
  const none = { ...profile, serverKey: "none" } as const;
  assert.throws(() => requireServerKey(none, plain), { code: "server-key-not-offered" });
  await assert.rejects(makeKey(undefined, none, names, undefined, "line", house().ports), EstRefused);
});
