import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKey, signerOf } from "../../crypto/keys.ts";
import type { Signer } from "../../crypto/signer.ts";
import { parseCertificationRequest } from "../../pki/csr.ts";
import type { CertificateProfile } from "../ports.ts";
import type { Client } from "./authenticate.ts";
import { certify, commonName, day, newAuthority, newKey, now, request } from "./fixtures.test-support.ts";
import type { SimpleRequest } from "./messages.ts";
import { checkProfile } from "./profile.ts";

const profile: CertificateProfile = {
  name: "lamps",
  keys: ["P-256", "RSA"],
  leastRsaBits: 3072,
  subjectAltName: [],
  keyUsage: ["digitalSignature"],
  extKeyUsage: [],
  subject: [],
  requestExtensions: [],
  csrattrs: "both",
  renewal: { after: 0.5, grace: 0, sameKey: false },
  binding: "accepted",
  registrationAuthority: "",
  serverKey: "none",
  changeSubjectName: "refused",
  fullcmc: "refused",
};
const key = newKey().signer;

/**
 * Holds a request with `signer`'s key against the profile, for a client with a certificate of `key` that is 100 days good and was
 * issued by the profile `issuedBy`, or by others.
 */
async function check(
  signer: Signer,
  at = now,
  issuedBy: string | undefined = undefined,
  kind: SimpleRequest["kind"] = "simplereenroll",
) {
  const csr = parseCertificationRequest(await request([commonName("lamp")], { signer }));
  const old = await certify([commonName("lamp")], key, await newAuthority("CA"), {
    notBefore: now,
    notAfter: now + 100 * day,
  });
  const client = { certificate: old, profile: issuedBy } as Client;
  checkProfile({ kind, label: "lamps", csr, bytes: 0 }, client, profile, at);
}

const refused = (code: string) => ({ name: "EstRefused", code });

test("ok/keys: of a kind and size that the profile certifies", async () => {
  await check(key);
  await check(signerOf(generateKey("RSA-3072")));
});

test("fail/keys: of another kind, and too small", async () => {
  await assert.rejects(check(signerOf(generateKey("P-384"))), refused("key-not-allowed"));
  await assert.rejects(check(signerOf(generateKey("RSA-2048"))), refused("key-not-allowed"));
});

test("ok/renewal: with a new key, from the share of the lifetime on that the profile names", async () => {
  await check(newKey().signer, now + 50 * day, "lamps");
  await check(newKey().signer, now + 101 * day, "lamps");
});

for (const kind of ["simpleenroll", "simplereenroll"] as const)
  test(`fail/renewal: too early, with the same key, and under another profile, by ${kind}`, async () => {
    const due = now + 50 * day;
    await assert.rejects(check(newKey().signer, due - 1, "lamps", kind), {
      ...refused("renewal-too-early"),
      from: due,
    });
    await assert.rejects(check(key, due, "lamps", kind), refused("renewal-same-key"));
    await assert.rejects(check(newKey().signer, due, "device", kind), refused("profile-not-the-client"));
  });
