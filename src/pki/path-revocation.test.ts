import assert from "node:assert/strict";
import { test } from "node:test";
import type { Certificate } from "./certificate.ts";
import { type CertificateList, parseCertificateList } from "./crl.ts";
import { buildCertificateList } from "./crl-build.ts";
import { ca, day, endEntity, now, type Party, party, refuses } from "./path.test-support.ts";
import { type PathInput, validatePath } from "./path.ts";
import type { RevocationInput } from "./path-revocation.ts";
import { encodeBasicConstraints, encodeKeyUsage, keyIdentifierOf } from "./standard-extensions.ts";

const [root, middle, device] = ["Root", "Middle", "Device"].map(party) as [Party, Party, Party];
const [leafSerial, middleSerial] = [Uint8Array.of(7), Uint8Array.of(8)];
const anchor = await ca(root, root);
const middleCertificate = await ca(root, middle, { serialNumber: middleSerial });
const leaf = await endEntity(middle, device, { serialNumber: leafSerial });

interface ListChanges {
  readonly revoked?: readonly Uint8Array[];
  readonly thisUpdate?: number;
  readonly nextUpdate?: number;
}

async function list(issuer: Party, changes: ListChanges = {}): Promise<CertificateList> {
  const { revoked = [], thisUpdate = now - day, nextUpdate = now + day } = changes;
  return parseCertificateList(
    await buildCertificateList({
      issuer: issuer.name,
      authorityKeyIdentifier: keyIdentifierOf(issuer.signer.publicKey),
      thisUpdate,
      nextUpdate,
      cRLNumber: Uint8Array.of(1),
      revokedCertificates: revoked.map((serialNumber) => ({
        serialNumber,
        revocationDate: now - day,
        reason: "keyCompromise" as const,
      })),
      signer: issuer.signer,
    }),
  );
}

const rootList = await list(root);
const middleList = await list(middle);

function input(
  lists: readonly CertificateList[],
  policy: RevocationInput["policy"] = "require",
  changes: Partial<PathInput> = {},
): PathInput {
  return {
    chain: [leaf, middleCertificate],
    anchors: [anchor],
    at: now,
    profile: "tls-client",
    revocation: { lists, policy },
    ...changes,
  };
}

test("ok/a list of each issuer, none of which has an entry for the path", async () => {
  const others = await list(middle, { revoked: [middleSerial] });
  assert.equal(validatePath(input([middleList, rootList])).signaturesVerified, 4);
  assert.ok(validatePath(input([rootList, others])));
  // The same serial numbers at other issuers mean nothing.
  const stranger = await list(party("Stranger"), { revoked: [leafSerial, middleSerial] });
  assert.ok(validatePath(input([rootList, await list(root, { revoked: [leafSerial] }), middleList, stranger])));
});

test("fail/a certificate of the path has been revoked", async () => {
  for (const policy of ["require", "prefer"] as const) {
    const { details } = refuses("revoked", input([rootList, await list(middle, { revoked: [leafSerial] })], policy));
    assert.deepEqual(details, { subject: "CN=Device", reason: "keyCompromise", revocationDate: now - day });
    refuses("revoked", input([await list(root, { revoked: [middleSerial] }), middleList], policy));
  }
});

test("ok/without lists nobody asks, and fail/where they are required", () => {
  const { revocation: _, ...without } = input([]);
  assert.ok(validatePath(without));
  assert.ok(validatePath(input([], "prefer")));
  refuses("revocation-unknown", input([]));
  refuses("revocation-unknown", input([rootList]));
  refuses("revocation-unknown", input([middleList]));
});

test("ok/a list for some issuers alone, and fail/one in an issuer's name that says nothing of it", async () => {
  for (const lists of [[], [rootList], [middleList]]) assert.ok(validatePath(input(lists, "listed")));
  const revoking = await list(middle, { revoked: [leafSerial] });
  refuses("revoked", input([revoking], "listed"));
  refuses("crl-expired", input([await list(middle, { nextUpdate: now - day / 2 })], "listed"));
  refuses("revocation-unknown", input([rootList, await list({ ...middle, signer: root.signer })], "listed"));
});

test("fail/lists that are not current, where they are required", async () => {
  const past = await list(middle, { nextUpdate: now - day / 2 });
  const future = await list(middle, { thisUpdate: now + 1000 });
  for (const stale of [past, future]) {
    refuses("crl-expired", input([rootList, stale]));
    assert.ok(validatePath(input([rootList, stale], "prefer")));
    assert.ok(validatePath(input([rootList, stale, middleList])));
    // Without a clock nobody can tell.
    assert.ok(validatePath(input([rootList, stale], "require", { at: undefined })));
  }
  const brief = await list(middle, { thisUpdate: now, nextUpdate: now });
  assert.ok(validatePath(input([rootList, brief])));
  const { nextUpdate: _, ...endless } = middleList;
  refuses("crl-expired", input([rootList, { ...endless, nextUpdate: undefined }]));
});

test("fail/an entry counts whatever the dates of its list", async () => {
  for (const changes of [{ nextUpdate: now - day / 2 }, { thisUpdate: now + 1000 }]) {
    const stale = await list(middle, { revoked: [leafSerial], ...changes });
    for (const policy of ["require", "prefer"] as const) {
      refuses("revoked", input([rootList, stale, middleList], policy));
      refuses("revoked", input([rootList, stale], policy, { at: undefined }));
    }
  }
});

test("fail/lists that the key above did not sign, or may not sign, give no answer", async () => {
  const pretender = { ...middle, signer: root.signer };
  const forged = await list(pretender, { revoked: [leafSerial] });
  refuses("revocation-unknown", input([rootList, forged]));
  assert.ok(validatePath(input([rootList, forged, middleList])));
  assert.ok(validatePath(input([forged], "prefer")));
  const signsNoLists = { extensions: [encodeKeyUsage(["keyCertSign"])], serialNumber: middleSerial };
  const chain = [leaf, await ca(root, middle, signsNoLists)];
  refuses("revocation-unknown", input([rootList, middleList], "require", { chain }));
  // Without a keyUsage its key may sign everything.
  const unlimited: readonly Certificate[] = [
    leaf,
    await ca(root, middle, {
      extensions: [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign", "cRLSign"])],
    }),
  ];
  assert.ok(validatePath(input([rootList, middleList], "require", { chain: unlimited })));
});

test("ok/another certificate of the CA that has not been revoked is found", async () => {
  const other = party("Other Root");
  const cross = await ca(other, middle, { serialNumber: Uint8Array.of(9) });
  const anchors = [anchor, await ca(other, other)];
  const lists = [await list(root, { revoked: [middleSerial] }), await list(other), middleList];
  const found = validatePath(input(lists, "require", { chain: [leaf, middleCertificate, cross], anchors }));
  assert.deepEqual(found.path, [leaf, cross]);
});

test("fail/lists without end", async () => {
  const forged = await list({ ...middle, signer: root.signer });
  refuses("path-too-long", input(new Array<CertificateList>(30).fill(forged)));
});
