import assert from "node:assert/strict";
import { test } from "node:test";
import * as der from "../encoding/der-writer.ts";
import { contextPrimitive } from "../encoding/tags.ts";
import type { Certificate } from "./certificate.ts";
import type { PathErrorCode } from "./errors.ts";
import type { Extension } from "./extensions.ts";
import { extensionTypes, policies } from "./oids.ts";
import { ca, endEntity, now, type Party, party, refuses } from "./path.test-support.ts";
import { type PathInput, validatePath } from "./path.ts";

const [gold, silver] = ["1.3.6.1.4.1.32473.1", "1.3.6.1.4.1.32473.2"] as const;
const any = policies.anyPolicy;

const [root, middle, low, device] = ["Root", "Middle", "Low", "Device"].map(party) as [Party, Party, Party, Party];

function extension(type: string, value: Uint8Array, critical = true): Extension {
  return { type, critical, value };
}

const certificatePolicies = (...identifiers: readonly string[]) =>
  extension(
    extensionTypes.certificatePolicies,
    der.sequence(identifiers.map((identifier) => der.sequence([der.objectIdentifier(identifier)]))),
  );
const requireExplicitPolicy = (skip: number) =>
  extension(extensionTypes.policyConstraints, der.sequence([der.implicit(0, der.integer(skip))]));
const inhibitAnyPolicy = (skip: number) => extension(extensionTypes.inhibitAnyPolicy, der.integer(skip));
const policyMappings = (from: string, to: string, critical = true) =>
  extension(
    extensionTypes.policyMappings,
    der.sequence([der.sequence([der.objectIdentifier(from), der.objectIdentifier(to)])]),
    critical,
  );

type Extensions = readonly Extension[];

/** A path of a root, two CAs and an end entity with these extensions. */
async function path(anchor: Extensions, above: Extensions, below: Extensions, leaf: Extensions): Promise<PathInput> {
  const chain = [
    await endEntity(low, device, { extensions: leaf }),
    await ca(middle, low, { extensions: below }),
    await ca(root, middle, { extensions: above }),
  ];
  return { chain, anchors: [await ca(root, root, { extensions: anchor })], at: now, profile: "tls-client" };
}

async function accepts(...extensions: readonly [Extensions, Extensions, Extensions, Extensions]): Promise<void> {
  assert.equal(validatePath(await path(...extensions)).path.length, 3);
}

async function refusesWith(
  code: PathErrorCode,
  ...extensions: readonly [Extensions, Extensions, Extensions, Extensions]
): Promise<void> {
  refuses(code, await path(...extensions));
}

test("ok/policies that nobody requires do not matter", async () => {
  await accepts([], [certificatePolicies(gold)], [certificatePolicies(silver)], []);
  await accepts([], [], [], [certificatePolicies(gold)]);
  await accepts([], [inhibitAnyPolicy(0)], [], [certificatePolicies(any)]);
  await accepts([], [policyMappings(gold, silver)], [], [certificatePolicies(silver)]);
});

test("ok/a required policy that holds for the whole path", async () => {
  const explicit = requireExplicitPolicy(0);
  const [isGold, isBoth] = [certificatePolicies(gold), certificatePolicies(gold, silver)];
  await accepts([], [explicit, isGold], [isBoth], [isGold]);
  await accepts([], [explicit, certificatePolicies(any)], [certificatePolicies(any)], [isGold]);
  await accepts([], [explicit, isGold], [certificatePolicies(any)], [certificatePolicies(any)]);
  await accepts([explicit], [isGold], [isGold], [isGold]);
  await accepts([explicit, isBoth], [isGold], [isGold], [isGold]);
});

test("fail/a required policy that does not hold", async () => {
  const explicit = requireExplicitPolicy(0);
  const [isGold, isSilver] = [certificatePolicies(gold), certificatePolicies(silver)];
  await refusesWith("no-valid-policy", [], [explicit, isGold], [isGold], []);
  await refusesWith("no-valid-policy", [], [explicit, isGold], [], [isGold]);
  await refusesWith("no-valid-policy", [], [explicit, isGold], [isGold], [isSilver]);
  await refusesWith("no-valid-policy", [], [isGold], [isGold], [explicit]);
  await refusesWith("no-valid-policy", [explicit], [isGold], [isSilver], [isSilver]);
  await refusesWith("no-valid-policy", [explicit, isGold], [isSilver], [isSilver], [isSilver]);
});

test("ok/a requirement begins after as many certificates as it says", async () => {
  const isGold = certificatePolicies(gold);
  await refusesWith("no-valid-policy", [], [requireExplicitPolicy(1)], [], []);
  await refusesWith("no-valid-policy", [], [requireExplicitPolicy(2)], [], []);
  await accepts([], [requireExplicitPolicy(3)], [], []);
  await accepts([], [requireExplicitPolicy(1), isGold], [isGold], [isGold]);
  await accepts([], [], [], [requireExplicitPolicy(1)]);
  // The least that was asked for counts.
  await refusesWith("no-valid-policy", [], [requireExplicitPolicy(9)], [requireExplicitPolicy(0)], []);
});

test("ok/a CA that changes its key is not counted", async () => {
  const rolled = party("Middle");
  const chainWith = async (extensions: Extensions): Promise<PathInput> => ({
    chain: [await endEntity(rolled, device), await ca(middle, rolled), await ca(root, middle, { extensions })],
    anchors: [await ca(root, root)],
    at: now,
    profile: "tls-client",
  });
  assert.ok(validatePath(await chainWith([requireExplicitPolicy(2)])));
  refuses("no-valid-policy", await chainWith([requireExplicitPolicy(1)]));
});

test("fail/anyPolicy where it is inhibited", async () => {
  const explicit = requireExplicitPolicy(0);
  const [isGold, isAny] = [certificatePolicies(gold), certificatePolicies(any)];
  await refusesWith("no-valid-policy", [], [explicit, isGold, inhibitAnyPolicy(0)], [isGold], [isAny]);
  await refusesWith("no-valid-policy", [], [explicit, isGold, inhibitAnyPolicy(1)], [isGold], [isAny]);
  await accepts([], [explicit, isGold, inhibitAnyPolicy(2)], [isGold], [isAny]);
  await accepts([], [explicit, isGold, inhibitAnyPolicy(0)], [isGold], [isGold]);
});

test("fail/what is mapped is lost", async () => {
  const explicit = requireExplicitPolicy(0);
  const [isGold, isSilver] = [certificatePolicies(gold), certificatePolicies(silver)];
  for (const critical of [true, false]) {
    const mapping = policyMappings(gold, silver, critical);
    await refusesWith("no-valid-policy", [], [explicit, isGold, mapping], [isSilver], [isSilver]);
    await refusesWith("no-valid-policy", [], [explicit, isGold, mapping], [isGold], [isGold]);
    const isBoth = certificatePolicies(gold, silver);
    await accepts([], [explicit, isBoth, mapping], [isSilver], [isSilver]);
  }
});

test("ok/what the first certificate maps for others is its own policy still", async () => {
  const [isGold, mapping] = [certificatePolicies(gold), policyMappings(gold, silver)];
  const chain = [
    await ca(middle, low, { extensions: [isGold, mapping] }),
    await ca(root, middle, { extensions: [isGold, requireExplicitPolicy(0)] }),
  ];
  assert.ok(validatePath({ chain, anchors: [await ca(root, root)], at: now, profile: "ca" }));
});

test("fail/malformed policies", async () => {
  const malformed = [
    extension(extensionTypes.policyConstraints, der.sequence([])),
    extension(extensionTypes.policyConstraints, der.sequence([der.element(contextPrimitive(0), Uint8Array.of(0xff))])),
    extension(extensionTypes.inhibitAnyPolicy, der.nullValue()),
    extension(extensionTypes.policyMappings, der.nullValue()),
    extension(extensionTypes.certificatePolicies, der.sequence([])),
    policyMappings(any, gold),
    policyMappings(gold, any),
  ];
  for (const each of malformed) {
    await refusesWith("malformed-extension", [], [], [each], []);
    await refusesWith("malformed-extension", [], [], [], [each]);
  }
});

test("fail/qualifiers of critical policies that nobody here understands", async () => {
  const qualified = (type: string, critical: boolean) => {
    const qualifier = der.sequence([der.objectIdentifier(type), der.ia5String("https://example.com/cps")]);
    const information = der.sequence([der.objectIdentifier(gold), der.sequence([qualifier])]);
    return extension(extensionTypes.certificatePolicies, der.sequence([information]), critical);
  };
  await accepts([], [], [qualified(policies.cps, true)], [qualified(policies.unotice, true)]);
  await accepts([], [], [], [qualified("1.3.6.1.4.1.32473.9", false)]);
  await refusesWith("critical-extension", [], [], [], [qualified("1.3.6.1.4.1.32473.9", true)]);
});

test("ok/a path that requires no policy is found beside one that does", async () => {
  const [first, second] = [party("Root"), party("Other")];
  const leaf = await endEntity(middle, device);
  const strict = await ca(first, middle, { extensions: [requireExplicitPolicy(0)] });
  const lenient = await ca(second, middle);
  const anchors: readonly Certificate[] = [await ca(first, first), await ca(second, second)];
  const found = validatePath({ chain: [leaf, strict, lenient], anchors, at: now, profile: "tls-client" });
  assert.equal(found.anchor, anchors[1]);
});
