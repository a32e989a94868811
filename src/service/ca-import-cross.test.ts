import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import { generateKey, type PrivateKey, signerOf } from "../crypto/keys.ts";
import * as der from "../encoding/der-writer.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import type { Extension } from "../pki/extensions.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName } from "../pki/name.ts";
import { encodeNameConstraints } from "../pki/name-constraints.ts";
import { attributeTypes, extensionTypes, keyPurposes } from "../pki/oids.ts";
import { validatePath } from "../pki/path.ts";
import { encodeCertificatePolicies } from "../pki/policies.ts";
import { encodeBasicConstraints, encodeExtKeyUsage, encodeSubjectAltName } from "../pki/standard-extensions.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { openAuthority } from "./authority.ts";
import { crossCertify } from "./ca-import-cross.ts";
import { sealedKeyKeeper } from "./key-keeper.ts";
import { unsealed } from "./vault/fixtures.test-support.ts";

const start = Date.UTC(2026, 0, 1);
const day = 24 * 3600 * 1000;
const foreignKey = generateKey("P-256");
const deviceKey = generateKey("P-256");

/** A certificate by the foreign CA. */
async function certificate(subject: string, key: PrivateKey, extensions: readonly Extension[]): Promise<Certificate> {
  const name = (value: string) => encodeName([{ type: attributeTypes.commonName, value }]);
  const bytes = await buildCertificate({
    serialNumber: Uint8Array.of(1),
    issuer: name("Foreign root"),
    subject: name(subject),
    publicKey: signerOf(key).publicKey,
    notBefore: start - day,
    notAfter: start + day,
    extensions,
    signer: signerOf(foreignKey),
  });
  return parseCertificate(bytes);
}

/** Whether a device's certificate is accepted by who trusts the foreign root, and by who trusts the tenant's. */
async function accepted(bounds: readonly Extension[], held: readonly Extension[]): Promise<readonly unknown[]> {
  const clock = new ManualClock(start);
  const store = await openSqliteStore(":memory:", { clock });
  await store.commit([store.tenants.ensure({ tenant: "default", created: start })]);
  const keys = sealedKeyKeeper({ store, vault: unsealed });
  const parts = { store, clock, randomness: seededRandomness("cross"), keys };
  const authority = await openAuthority("default", parts);
  const foreign = await certificate("Foreign root", foreignKey, [encodeBasicConstraints({ cA: true }), ...bounds]);
  const crosses = await crossCertify(authority, [foreign], parts);
  const leaf = await certificate("lamp-1", deviceKey, held);
  return [foreign, (await authority.hierarchy()).root.certificate].map((anchor) => {
    try {
      validatePath({ chain: [leaf, ...crosses], anchors: [anchor], at: start, profile: "tls-client" });
      return true;
    } catch (error) {
      return (error as { readonly code?: unknown }).code;
    }
  });
}

const host = (text: string) => encodeSubjectAltName([{ kind: "dNSName", text }]);
const onlyExample = encodeNameConstraints({
  permittedSubtrees: [{ kind: "dNSName", text: "corp.example" }],
  excludedSubtrees: [],
});
const policyRequired = {
  type: extensionTypes.policyConstraints,
  critical: true,
  value: der.sequence([der.implicit(0, der.integer(0))]),
};
const noAnyPolicy = { type: extensionTypes.inhibitAnyPolicy, critical: true, value: der.integer(0) };
const anyPolicy = encodeCertificatePolicies(["2.5.29.32.0"]);
const gold = encodeCertificatePolicies(["1.3.6.1.4.1.99999.1"]);
const silver = encodeCertificatePolicies(["1.3.6.1.4.1.99999.2"]);
const forServers = encodeExtKeyUsage([keyPurposes.serverAuth]);

for (const [title, bounds, held] of [
  ["no bounds", [], []],
  ["a permitted name", [onlyExample], [host("lamp-1.corp.example")]],
  ["a policy where one is required", [policyRequired], [gold]],
  ["one of the CA's policies", [policyRequired, gold], [gold]],
] as const)
  test(`ok/cross: ${title}`, async () => {
    assert.deepEqual(await accepted(bounds, held), [true, true]);
  });

for (const [title, code, bounds, held] of [
  ["a name that is not permitted", "name-not-permitted", [onlyExample], [host("lamp-1.example")]],
  ["no policy where one is required", "no-valid-policy", [policyRequired], []],
  ["a policy that is not the CA's", "no-valid-policy", [policyRequired, gold], [silver]],
  ["any policy where that is inhibited", "no-valid-policy", [policyRequired, noAnyPolicy], [anyPolicy]],
] as const)
  test(`fail/cross: ${title}, also by the tenant's root`, async () => {
    assert.deepEqual(await accepted(bounds, held), [code, code]);
  });

test("fail/cross: another purpose than the CA's, which an anchor's extKeyUsage does not forbid", async () => {
  assert.deepEqual(await accepted([forServers], []), [true, "key-usage"]);
});
