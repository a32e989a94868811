import assert from "node:assert/strict";
import { test } from "node:test";
import { keyPurposes } from "./oids.ts";
import { ca, day, endEntity, issue, now, type Party, party, refuses } from "./path.test-support.ts";
import { type PathInput, validatePath } from "./path.ts";
import { type Profile, profileRules } from "./path-profiles.ts";
import { encodeBasicConstraints, encodeExtKeyUsage, encodeKeyUsage, type KeyUsage } from "./standard-extensions.ts";

const [root, middle, device] = ["Root", "Middle", "Device"].map(party) as [Party, Party, Party];
const rootCertificate = await ca(root, root);
const { serverAuth, clientAuth, cmcRA, anyExtendedKeyUsage } = keyPurposes;
const profiles = Object.keys(profileRules) as readonly Profile[];

const input: PathInput = {
  chain: [await endEntity(root, device)],
  anchors: [rootCertificate],
  at: now,
  profile: "idevid",
};

/** The profiles that accept a certificate; the others refuse it for its key's usage, or because it is no CA. */
async function acceptedBy(
  purposes: readonly string[] | undefined,
  usages: readonly KeyUsage[],
): Promise<readonly Profile[]> {
  const extensions = [
    encodeBasicConstraints({ cA: usages.includes("keyCertSign") }),
    encodeKeyUsage(usages),
    ...(purposes === undefined ? [] : [encodeExtKeyUsage(purposes)]),
  ];
  const chain = [await issue(root, device, { extensions }, [])];
  return profiles.filter((profile) => {
    try {
      return validatePath({ ...input, chain, profile }).path.length === 1;
    } catch {
      refuses(profile === "ca" && !usages.includes("keyCertSign") ? "not-a-ca" : "key-usage", {
        ...input,
        chain,
        profile,
      });
      return false;
    }
  });
}

test("ok/each profile by keyUsage and extKeyUsage", async () => {
  const signs = ["digitalSignature"] as const;
  assert.deepEqual(await acceptedBy(undefined, signs), [
    "idevid",
    "tls-server",
    "tls-client",
    "voucher-signer",
    "cmc-responder",
  ]);
  assert.deepEqual(await acceptedBy([anyExtendedKeyUsage], signs), [
    "idevid",
    "tls-server",
    "tls-client",
    "voucher-signer",
  ]);
  assert.deepEqual(await acceptedBy([serverAuth], signs), ["idevid", "tls-server"]);
  assert.deepEqual(await acceptedBy([clientAuth], signs), ["idevid", "tls-client"]);
  assert.deepEqual(await acceptedBy([serverAuth, clientAuth, cmcRA], signs), [
    "idevid",
    "tls-server",
    "tls-client",
    "cmc-responder",
  ]);
  // A registrar of BRSKI asks for vouchers and does not make them.
  assert.deepEqual(await acceptedBy([cmcRA], signs), ["idevid", "cmc-responder"]);
  assert.deepEqual(await acceptedBy(undefined, ["keyAgreement"]), []);
  assert.deepEqual(await acceptedBy(undefined, ["keyCertSign"]), ["ca"]);
  assert.deepEqual(await acceptedBy([clientAuth], ["keyCertSign", "cRLSign"]), ["ca"]);
  assert.deepEqual(await acceptedBy(undefined, ["digitalSignature", "keyCertSign"]), profiles);
});

test("ok/an IDevID without end, on a device without a clock and at the end of time", async () => {
  const endless = { notAfter: 253_402_300_799_000 };
  const chain = [await endEntity(middle, device, endless), await ca(root, middle, endless)];
  const anchors = [await ca(root, root, endless)];
  for (const at of [undefined, now, Date.UTC(9999, 11, 31, 23, 59, 59)])
    assert.ok(validatePath({ ...input, chain, anchors, at }));
});

test("ok/without a clock no profile checks dates", async () => {
  const expired = { notBefore: now - 3 * day, notAfter: now - 2 * day };
  for (const profile of profiles) {
    const extensions = [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["digitalSignature", "keyCertSign"])];
    const chain = [await endEntity(root, device, { ...expired, extensions })];
    assert.ok(validatePath({ ...input, chain, profile, at: undefined }));
    refuses("expired", { ...input, chain, profile });
  }
});

test("ok/a CA between that is for other purposes, by profile", async () => {
  const between = await ca(root, middle, { extensions: [encodeExtKeyUsage([clientAuth])] });
  const chain = [await endEntity(middle, device), between];
  for (const profile of ["idevid", "tls-client"] as const) assert.ok(validatePath({ ...input, chain, profile }));
  for (const profile of ["tls-server", "voucher-signer"] as const) refuses("key-usage", { ...input, chain, profile });
});

test("ok/a voucher's signer may be the anchor itself, no other certificate may", async () => {
  const signer = await endEntity(root, device);
  const anchors = [rootCertificate, signer];
  const found = validatePath({ ...input, chain: [signer], anchors, profile: "voucher-signer" });
  assert.deepEqual(found, { path: [signer], anchor: signer, signaturesVerified: 0 });
  for (const profile of ["idevid", "tls-server", "tls-client"] as const)
    refuses("no-path", { ...input, chain: [signer], anchors: [signer], profile });
  const certificates = await ca(root, middle);
  refuses("no-path", { ...input, chain: [certificates], anchors: [certificates], profile: "ca" });
});

test("fail/a voucher's signer that is an anchor is checked like any other", async () => {
  const voucherSigner = { ...input, profile: "voucher-signer" } as const;
  for (const [code, certificate] of [
    ["expired", await endEntity(root, device, { notAfter: now - 1000 })],
    ["key-usage", rootCertificate],
    ["key-usage", await endEntity(root, device, { extensions: [encodeExtKeyUsage([serverAuth])] })],
  ] as const)
    refuses(code, { ...voucherSigner, chain: [certificate], anchors: [certificate] });
});
