import assert from "node:assert/strict";
import { test } from "node:test";
import type { Certificate } from "./certificate.ts";
import { parseName } from "./name.ts";
import { encodeNameConstraints } from "./name-constraints.ts";
import { keyPurposes } from "./oids.ts";
import { ca, endEntity, issue, now, type Party, party, refuses } from "./path.test-support.ts";
import { type PathInput, validatePath } from "./path.ts";
import {
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeSubjectKeyIdentifier,
} from "./standard-extensions.ts";

const device = party("Device");

function input(chain: readonly Certificate[], anchors: readonly Certificate[]): PathInput {
  return { chain, anchors, at: now, profile: "tls-client" };
}

/** A CA without key identifiers: only signatures tell its keys apart. */
const unmarkedCa = (issuer: Party, subject: Party) =>
  issue(issuer, subject, { extensions: [encodeBasicConstraints({ cA: true })] }, []);

const mesh = Array.from({ length: 6 }, (_, index) => party(`CA ${index}`));
const crossCertificates = await Promise.all(
  mesh.flatMap((issuer) => mesh.filter((subject) => subject !== issuer).map((subject) => ca(issuer, subject))),
);

test("ok/six CAs that all certified each other, each of them the anchor", async () => {
  const [first] = mesh;
  assert.ok(first);
  const leaf = await endEntity(first, device);
  for (const anchor of mesh)
    for (const sent of [crossCertificates, crossCertificates.toReversed()]) {
      const root = await ca(anchor, anchor);
      const { path, signaturesVerified } = validatePath(input([leaf, ...sent], [root]));
      assert.equal(path.length, anchor === first ? 1 : 2);
      assert.equal(signaturesVerified, path.length);
    }
});

test("ok/an anchor above one of the six", async () => {
  const [first, , , last] = mesh;
  assert.ok(first && last);
  const root = party("Root");
  const chain = [await endEntity(first, device), await ca(root, last), ...crossCertificates];
  const { path, signaturesVerified } = validatePath(input(chain, [await ca(root, root)]));
  assert.equal(path.at(-1), chain[1]);
  assert.ok(signaturesVerified <= 12, String(signaturesVerified));
});

test("fail/six CAs that all certified each other, and none of them an anchor", async () => {
  const [first] = mesh;
  assert.ok(first);
  const stranger = party("Stranger");
  const chain = [await endEntity(first, device), ...crossCertificates];
  refuses("path-too-long", input(chain, [await ca(stranger, stranger)]));
  refuses("path-too-long", input(chain, []));
});

test("fail/cycles of CAs lead nowhere", async () => {
  const [a, b, c] = [party("A"), party("B"), party("C")];
  const cycle = [await ca(b, a), await ca(c, b), await ca(a, c)];
  refuses("no-path", input([await endEntity(a, device), ...cycle], []));
  const selfSigned = await ca(a, a);
  refuses("no-path", input([await endEntity(a, device), selfSigned], []));
  const root = party("Root");
  const { path } = validatePath(
    input([await endEntity(a, device), ...cycle, await ca(root, c)], [await ca(root, root)]),
  );
  assert.equal(path.length, 4);
});

test("ok/sixteen issuers of one name, the right one told by its key identifier", async () => {
  const root = party("Root");
  const wrong = Array.from({ length: 16 }, () => party("Issuer"));
  const right = party("Issuer");
  const others = await Promise.all([...wrong, right].map((issuer) => ca(root, issuer)));
  const leaf = await endEntity(right, device);
  const anchors = [await ca(root, root)];
  assert.equal(validatePath(input([leaf, ...others], anchors)).signaturesVerified, 2);
  const amongAnchors = validatePath(input([leaf], others));
  assert.equal(amongAnchors.anchor, others.at(-1));
  assert.equal(amongAnchors.signaturesVerified, 1);
});

test("fail/sixteen issuers of one name with wrong keys", async () => {
  const root = party("Root");
  const issuers = Array.from({ length: 16 }, () => party("Issuer"));
  const others = await Promise.all(issuers.map((issuer) => unmarkedCa(root, issuer)));
  const leaf = await issue(party("Issuer"), device, {}, []);
  refuses("path-too-long", input([leaf, ...others], [await ca(root, root)]));
  refuses("bad-signature", input([leaf, ...others.slice(0, 11)], [await ca(root, root)]));
  refuses("path-too-long", input([leaf], others));
});

test("fail/issuers of one name that come to no signature, again at each step", async () => {
  const line = Array.from({ length: 12 }, () => party("Line"));
  const identifiers = [
    encodeSubjectKeyIdentifier(new Uint8Array(20)),
    encodeAuthorityKeyIdentifier(new Uint8Array(20)),
  ];
  const names = Array.from({ length: 512 }, (_, index) => parseName(party(`Somebody ${index}`).name));
  const permittedSubtrees = names.map((name) => ({ kind: "directoryName" as const, name }));
  const useless = [
    ...identifiers,
    encodeNameConstraints({ permittedSubtrees, excludedSubtrees: [] }),
    encodeExtKeyUsage([keyPurposes.serverAuth]),
  ];
  const [first] = line as [Party, ...Party[]];
  const others = await Promise.all(Array.from({ length: 19 }, () => ca(first, party("Line"), { extensions: useless })));
  const steps = await Promise.all(
    line.slice(1).map((issuer, index) => ca(issuer, line[index] ?? first, { extensions: identifiers })),
  );
  const leaf = await endEntity(first, device, { extensions: identifiers.slice(1) });
  const { message } = refuses("path-too-long", input([leaf, ...others, ...steps], []));
  assert.match(message, /32 issuers tried/);
  // Those alone are looked at once each.
  refuses("key-usage", input([leaf, ...others], []));
});

test("fail/more certificates than any TLS library sends", async () => {
  const leaf = await endEntity(party("Root"), device);
  refuses("path-too-long", input(new Array<Certificate>(33).fill(leaf), []));
  refuses("no-path", input(new Array<Certificate>(32).fill(leaf), []));
});

test("ok/a path of twelve signatures, and fail/one of thirteen", async () => {
  const line = Array.from({ length: 13 }, (_, index) => party(`Line ${index}`));
  const [root] = line;
  assert.ok(root);
  const below = await Promise.all(line.slice(1).map((subject, index) => ca(line[index] ?? root, subject)));
  const anchors = [await ca(root, root)];
  const leafUnder = async (depth: number) => endEntity(line[depth] ?? root, device);
  const longest = [await leafUnder(11), ...below.slice(0, 11)];
  assert.equal(validatePath(input(longest, anchors)).signaturesVerified, 12);
  refuses("path-too-long", input([await leafUnder(12), ...below], anchors));
});

/** RFC 7030 4.1.3: what a client gets to follow a CA to its new key, with and without key identifiers. */
const [old, fresh] = [party("Root"), party("Root")];
const generations = [old, fresh];

for (const [what, certify, enroll] of [
  ["with key identifiers", ca, endEntity],
  ["without", unmarkedCa, (issuer: Party, subject: Party) => issue(issuer, subject, {}, [])],
] as const) {
  const roots = await Promise.all(generations.map((party) => certify(party, party)));
  const [oldWithOld, newWithNew] = roots as [Certificate, Certificate];
  const oldWithNew = await certify(fresh, old);
  const newWithOld = await certify(old, fresh);
  const leaves = await Promise.all(generations.map((party) => enroll(party, device)));

  test(`ok/a CA's new key ${what}: every mix of leaf, anchors and certificates sent`, () => {
    const sendable = [newWithNew, oldWithOld, oldWithNew, newWithOld];
    for (const [generation, leaf] of leaves.entries())
      for (const anchors of [[oldWithOld], [newWithNew], [oldWithOld, newWithNew]])
        for (let mix = 0; mix < 16; mix += 1) {
          const sent = sendable.filter((_, index) => (mix & (1 << index)) !== 0);
          const bridge = generation === 0 ? oldWithNew : newWithOld;
          const isAnchored = anchors.some((anchor) => anchor === roots[generation]);
          const label = `${generation} ${anchors.length} ${mix}`;
          if (isAnchored || sent.includes(bridge)) {
            const { path, signaturesVerified } = validatePath(input([leaf, ...sent], anchors));
            assert.deepEqual(path, isAnchored ? [leaf] : [leaf, bridge], label);
            assert.ok(signaturesVerified <= 12, label);
          } else {
            assert.throws(() => validatePath(input([leaf, ...sent], anchors)), { name: "PathError" }, label);
          }
        }
  });

  test(`ok/a CA's new root ${what}: the old anchor vouches for it by NewWithOld`, () => {
    const chain = [newWithNew, newWithOld, oldWithNew];
    const { path } = validatePath({ chain, anchors: [oldWithOld], at: now, profile: "ca" });
    assert.deepEqual(path, [newWithNew, newWithOld]);
    refuses("bad-signature", { chain: [newWithNew, oldWithNew], anchors: [oldWithOld], at: now, profile: "ca" });
  });
}
