import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import { encodePem } from "../encoding/pem.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName } from "../pki/name.ts";
import { attributeTypes } from "../pki/oids.ts";
import { encodeBasicConstraints } from "../pki/standard-extensions.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { addAnchor, requireAnchor } from "./trust.ts";

const tenant = "default";
const own = signerOf(generateKey("P-256"));
const other = signerOf(generateKey("P-256"));
const above = signerOf(generateKey("P-256"));
const nameOf = (value: string) => encodeName([{ type: attributeTypes.commonName, value }]);

function certificate(subject: string, signer: Signer, cA = true): Promise<Uint8Array> {
  return buildCertificate({
    serialNumber: Uint8Array.of(1),
    issuer: nameOf(subject),
    subject: nameOf(subject),
    publicKey: signer.publicKey,
    notBefore: 0,
    notAfter: 1e12,
    extensions: cA ? [encodeBasicConstraints({ cA })] : [],
    signer,
  });
}

async function house() {
  const clock = new ManualClock(1_000);
  const store = await openSqliteStore(":memory:", { clock });
  const issuing = await certificate("Our Issuing CA", own);
  await store.commit([
    store.tenants.ensure({ tenant, created: 1 }),
    store.authorities.addKey({ tenant, name: "issuing", sealed: Uint8Array.of(1) }),
    store.authorities.insert({
      tenant,
      name: "issuing-1",
      role: "issuing",
      state: "active",
      origin: "own",
      certificate: issuing,
      key: "issuing",
      created: 1,
    }),
  ]);
  const randomness = seededRandomness("trust");
  return {
    store,
    issuing,
    add: (der: Uint8Array, name = "acme", upstream: readonly Certificate[] = []) =>
      addAnchor(store, { tenant, name, pem: encodePem("CERTIFICATE", der) }, upstream, "ada", clock, randomness),
  };
}

test("ok/anchor: a manufacturer's CA, found by its name", async () => {
  const { store, add } = await house();
  const der = await certificate("Acme Root", other);
  const { certificate: kept } = await add(der);
  assert.deepEqual(parseCertificate(kept).raw, parseCertificate(der).raw);
  await requireAnchor(store, tenant, "acme");
  await assert.rejects(requireAnchor(store, tenant, "Acme"), { code: "invalid" });
});

for (const [name, make, sentence] of [
  ["our own CA's certificate", undefined, /own CA/],
  ["our CA's name with another key", () => certificate("our  issuing CA", other), /own CA/],
  ["our CA's key under another name", () => certificate("Acme Root", own), /own CA/],
  ["a device's certificate", () => certificate("SN-1", other, false), /not a CA certificate/],
] as const)
  test(`fail/anchor: ${name}`, async () => {
    const { store, issuing, add } = await house();
    await assert.rejects(add((await make?.()) ?? issuing), { code: "invalid", message: sentence });
    assert.deepEqual((await store.policy.anchors(tenant, { limit: 10 })).items, []);
  });

for (const [name, subject, signer] of [
  ["the certificate of a CA upstream", "Upstream", above],
  ["its name with another key", "upstream ", other],
  ["its key under another name", "Acme Root", above],
] as const)
  test(`fail/anchor: ${name}`, async () => {
    const { store, add } = await house();
    const upstream = [parseCertificate(await certificate("Upstream", above))];
    const refusal = { code: "invalid", message: /a CA upstream/ };
    await assert.rejects(add(await certificate(subject, signer), "acme", upstream), refusal);
    assert.deepEqual((await store.policy.anchors(tenant, { limit: 10 })).items, []);
  });

for (const name of ["", "a b", "../x", "x".repeat(65)])
  test(`fail/anchor: called "${name}"`, async () => {
    const { add } = await house();
    await assert.rejects(add(await certificate("Acme Root", other), name), { code: "invalid" });
  });
