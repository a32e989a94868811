import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKey, signerOf } from "../../crypto/keys.ts";
import type { Signer } from "../../crypto/signer.ts";
import { parseCertificationRequest } from "../../pki/csr.ts";
import type { CertificateProfile } from "../ports.ts";
import type { Client } from "./authenticate.ts";
import { certify, commonName, day, newAuthority, newKey, now, request } from "./fixtures.test-support.ts";
import { checkProfile } from "./profile.ts";

const profile: CertificateProfile = {
  name: "lamps",
  keys: ["P-256", "RSA"],
  leastRsaBits: 3072,
  subjectAltName: [],
  renewal: { after: 0.5, grace: 0, sameKey: false },
};
const key = newKey().signer;

/** Holds a request with `signer`'s key against the profile, for a renewal of a certificate of `key` that is 100 days good. */
async function check(kind: "simpleenroll" | "simplereenroll", signer: Signer, at = now) {
  const csr = parseCertificationRequest(await request([commonName("lamp")], { signer }));
  const old = await certify([commonName("lamp")], key, await newAuthority("CA"), {
    notBefore: now,
    notAfter: now + 100 * day,
  });
  const client = { certificate: kind === "simplereenroll" ? old : undefined } as Client;
  checkProfile({ kind, label: "lamps", csr, bytes: 0 }, client, profile, at);
}

const refused = (code: string) => ({ name: "EstRefused", code });

test("ok/keys: of a kind and size that the profile certifies", async () => {
  await check("simpleenroll", key);
  await check("simpleenroll", signerOf(generateKey("RSA-3072")));
});

test("fail/keys: of another kind, and too small", async () => {
  await assert.rejects(check("simpleenroll", signerOf(generateKey("P-384"))), refused("key-not-allowed"));
  await assert.rejects(check("simpleenroll", signerOf(generateKey("RSA-2048"))), refused("key-not-allowed"));
});

test("ok/renewal: with a new key, from the share of the lifetime on that the profile names", async () => {
  await check("simplereenroll", newKey().signer, now + 50 * day);
  await check("simplereenroll", newKey().signer, now + 101 * day);
});

test("fail/renewal: too early, and with the same key", async () => {
  await assert.rejects(check("simplereenroll", newKey().signer, now + 50 * day - 1), refused("renewal-too-early"));
  await assert.rejects(check("simplereenroll", key, now + 50 * day), refused("renewal-same-key"));
});
