import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import * as der from "../encoding/der-writer.ts";
import { encodePem } from "../encoding/pem.ts";
import { tags } from "../encoding/tags.ts";
import type { Certificate } from "./certificate.ts";
import { PathError } from "./errors.ts";
import type { Extension } from "./extensions.ts";
import { encodeName, parseName } from "./name.ts";
import { encodeNameConstraints, type Subtree } from "./name-constraints.ts";
import { attributeTypes, extensionTypes, policies } from "./oids.ts";
import { ca, endEntity, now, type Party, party } from "./path.test-support.ts";
import { validatePath } from "./path.ts";
import { encodeSubjectAltName } from "./standard-extensions.ts";

// The openssl command as an independent judge of name constraints and policies.

const directory = mkdtempSync(join(tmpdir(), "hatchery-path-"));
after(() => rmSync(directory, { recursive: true }));

const [root, middle, low, device] = ["Root", "Middle", "Low", "Device"].map(party) as [Party, Party, Party, Party];
const anchor = await ca(root, root);

function file(name: string, certificates: readonly Certificate[]): string {
  writeFileSync(join(directory, name), certificates.map(({ raw }) => encodePem("CERTIFICATE", raw)).join(""));
  return name;
}

/** Which of these certificates openssl accepts; it looks at each of them, whatever it says to the others. */
function acceptedByOpenssl(
  leaves: readonly Certificate[],
  untrusted: readonly Certificate[],
  options: readonly string[] = [],
): readonly boolean[] {
  const files = leaves.map((leaf, index) => file(`leaf-${index}.pem`, [leaf]));
  const { stdout, stderr } = spawnSync(
    "openssl",
    [
      ...["verify", "-attime", String(now / 1000), ...options],
      ...["-CAfile", file("root.pem", [anchor]), "-untrusted", file("untrusted.pem", untrusted), ...files],
    ],
    { cwd: directory, encoding: "utf8" },
  );
  for (const name of files) assert.match(stdout + stderr, new RegExp(`${name}`));
  return files.map((name) => stdout.includes(`${name}: OK`));
}

function isAccepted(chain: readonly Certificate[]): boolean {
  try {
    return validatePath({ chain, anchors: [anchor], at: now, profile: "idevid" }).path.length > 0;
  } catch (error) {
    assert.ok(error instanceof PathError);
    return false;
  }
}

test("ok/openssl and we agree on name constraints", async () => {
  const host = fc
    .array(fc.constantFrom("a", "b", "A", "ab"), { minLength: 1, maxLength: 3 })
    .map((labels) => [...labels, "example"].join("."));
  const octet = fc.constantFrom(10, 11, 192);
  const address = fc.tuple(octet, octet, octet, octet).map((octets) => Uint8Array.from(octets));
  const directory = fc
    .array(fc.constantFrom("a", "b", "A"), { minLength: 1, maxLength: 3 })
    .map((values) => parseName(encodeName(values.map((value) => ({ type: attributeTypes.organizationName, value })))));
  const name = fc.oneof(
    host.map((text) => ({ kind: "dNSName" as const, text })),
    host.map((text) => ({ kind: "rfc822Name" as const, text: `user@${text}` })),
    host.map((text) => ({ kind: "uniformResourceIdentifier" as const, text: `coaps://${text}/x` })),
    address.map((bytes) => ({ kind: "iPAddress" as const, address: bytes })),
    directory.map((value) => ({ kind: "directoryName" as const, name: value })),
  );
  const domain = fc.tuple(fc.constantFrom("", "."), host).map((parts) => parts.join(""));
  const subtree: fc.Arbitrary<Subtree> = fc.oneof(
    host.map((text) => ({ kind: "dNSName" as const, text })),
    fc
      .oneof(
        domain,
        host.map((text) => `user@${text}`),
      )
      .map((text) => ({ kind: "rfc822Name" as const, text })),
    domain.map((text) => ({ kind: "uniformResourceIdentifier" as const, text })),
    fc.tuple(address, fc.constantFrom(0, 255)).map(([bytes, third]) => ({
      kind: "iPAddress" as const,
      address: bytes,
      mask: Uint8Array.of(255, third, 0, 0),
    })),
    directory.map((value) => ({ kind: "directoryName" as const, name: value })),
  );
  const subtrees = fc.array(subtree, { maxLength: 3 });
  const verdicts = new Set<string>();
  for (const [permittedSubtrees, excludedSubtrees, lists] of fc.sample(
    fc.tuple(
      subtrees,
      subtrees,
      fc.array(fc.array(name, { minLength: 1, maxLength: 2 }), { minLength: 12, maxLength: 12 }),
    ),
    { seed: 5280, numRuns: 25 },
  )) {
    if (permittedSubtrees.length + excludedSubtrees.length === 0) continue;
    const constrained = await ca(root, middle, {
      extensions: [encodeNameConstraints({ permittedSubtrees, excludedSubtrees })],
    });
    const nameless = { ...device, name: encodeName([]) };
    const leaves = await Promise.all(
      lists.map((names) => endEntity(middle, nameless, { extensions: [encodeSubjectAltName(names, true)] })),
    );
    const ours = leaves.map((leaf) => isAccepted([leaf, constrained]));
    assert.deepEqual(
      ours,
      acceptedByOpenssl(leaves, [constrained]),
      JSON.stringify({ permittedSubtrees, excludedSubtrees, lists }),
    );
    for (const verdict of ours) verdicts.add(String(verdict));
  }
  assert.equal(verdicts.size, 2);
});

test("ok/openssl and we agree on excluded directoryNames of all string types", async () => {
  const wide = (text: string) => Buffer.from(text, "utf16le").swap16();
  const value = fc
    .tuple(
      fc.constantFrom<(text: string) => Uint8Array>(
        der.utf8String,
        der.printableString,
        der.ia5String,
        (text) => der.element(tags.teletexString, Buffer.from(text)),
        (text) => der.element(tags.bmpString, wide(text)),
      ),
      fc.constantFrom("a b", "A  b", " a b", "ab", "b"),
    )
    .map(([encode, text]) => encode(text));
  const name = fc
    .array(value, { minLength: 1, maxLength: 2 })
    .map((values) =>
      der.sequence(
        values.map((each) => der.setOf([der.sequence([der.objectIdentifier(attributeTypes.organizationName), each])])),
      ),
    );
  const verdicts = new Set<boolean>();
  for (const [base, subjects] of fc.sample(fc.tuple(name, fc.array(name, { minLength: 16, maxLength: 16 })), {
    seed: 4518,
    numRuns: 12,
  })) {
    const excludedSubtrees: readonly Subtree[] = [{ kind: "directoryName", name: parseName(base) }];
    const constraints = encodeNameConstraints({ permittedSubtrees: [], excludedSubtrees });
    const constrained = await ca(root, middle, { extensions: [constraints] });
    const leaves = await Promise.all(subjects.map((subject) => endEntity(middle, { ...device, name: subject })));
    const ours = leaves.map((leaf) => isAccepted([leaf, constrained]));
    assert.deepEqual(ours, acceptedByOpenssl(leaves, [constrained]));
    for (const verdict of ours) verdicts.add(verdict);
  }
  assert.equal(verdicts.size, 2);
});

test("ok/openssl and we agree on policies", async () => {
  const identifier = fc.constantFrom("1.3.6.1.4.1.32473.1", "1.3.6.1.4.1.32473.2", policies.anyPolicy);
  const skip = fc.constantFrom(undefined, undefined, 0, 1, 2);
  const extensions = fc
    .tuple(fc.uniqueArray(identifier, { maxLength: 3 }), skip, skip)
    .map(([identifiers, explicit, inhibit]): readonly Extension[] => [
      ...(identifiers.length === 0 ? [] : [certificatePolicies(identifiers)]),
      ...(explicit === undefined ? [] : [requireExplicitPolicy(explicit)]),
      ...(inhibit === undefined ? [] : [inhibitAnyPolicy(inhibit)]),
    ]);
  const verdicts = new Set<boolean>();
  for (const [above, below, ...ofLeaves] of fc.sample(fc.array(extensions, { minLength: 8, maxLength: 8 }), {
    seed: 5280,
    numRuns: 30,
  })) {
    const chain = [
      await ca(middle, low, { extensions: below ?? [] }),
      await ca(root, middle, { extensions: above ?? [] }),
    ];
    const leaves = await Promise.all(ofLeaves.map((each) => endEntity(low, device, { extensions: each })));
    const ours = leaves.map((leaf) => isAccepted([leaf, ...chain]));
    assert.deepEqual(
      ours,
      acceptedByOpenssl(leaves, chain, ["-policy_check", "-inhibit_map", "-policy", policies.anyPolicy]),
    );
    for (const verdict of ours) verdicts.add(verdict);
  }
  assert.equal(verdicts.size, 2);
});

function certificatePolicies(identifiers: readonly string[]): Extension {
  const informations = identifiers.map((each) => der.sequence([der.objectIdentifier(each)]));
  return { type: extensionTypes.certificatePolicies, critical: false, value: der.sequence(informations) };
}

function requireExplicitPolicy(skip: number): Extension {
  const value = der.sequence([der.implicit(0, der.integer(skip))]);
  return { type: extensionTypes.policyConstraints, critical: true, value };
}

function inhibitAnyPolicy(skip: number): Extension {
  return { type: extensionTypes.inhibitAnyPolicy, critical: true, value: der.integer(skip) };
}
