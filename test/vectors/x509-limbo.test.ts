import assert from "node:assert/strict";
import { test } from "node:test";
import { readVectors, vectorsPresent } from "./folder.ts";
import { expectedOf, type LimboCase, outcomeOf, type Profile, profiles, tlsProfileOf } from "./x509-limbo.ts";
import { deviations } from "./x509-limbo-deviations.ts";
import { refusals } from "./x509-limbo-refusals.ts";

if (vectorsPresent) {
  const { testcases } = readVectors<{ readonly testcases: readonly LimboCase[] }>("x509-limbo/limbo.json");

  for (const profile of profiles)
    test(`ok/${profile}: each case comes to what x509-limbo says, or to a deviation with a reason`, (t) => {
      const pinned = deviationsOf(profile);
      const deviating = new Map(
        testcases
          .map((limbo) => [limbo, outcomeOf(limbo, profile)] as const)
          .filter(([limbo, { kind }]) => kind !== expectedOf(limbo, profile))
          .map(([{ id }, { kind }]) => [id, kind]),
      );
      assert.deepEqual(sorted(deviating), sorted(pinned));
      const accepted = [...deviating.values()].filter((kind) => kind === "accepted").length;
      const agreeing = testcases.length - deviating.size;
      t.diagnostic(
        `${testcases.length} cases: ${agreeing} agree, ${accepted} more are accepted, ` +
          `${deviating.size - accepted} more are refused`,
      );
    });

  test("ok/no case asks TLS for another extended key usage than its profile stands for", () => {
    const usages = { "tls-server": "serverAuth", "tls-client": "clientAuth" } as const;
    for (const limbo of testcases)
      for (const usage of limbo.extended_key_usage) assert.equal(usage, usages[tlsProfileOf(limbo)], limbo.id);
  });

  test("fail/each refusal of TLS has its code", () => {
    const found: Record<string, string[]> = {};
    for (const limbo of testcases) {
      const outcome = outcomeOf(limbo, "tls");
      if (outcome.kind === "refused" && limbo.expected_result === "FAILURE") {
        found[outcome.code] ??= [];
        found[outcome.code]?.push(limbo.id);
      }
    }
    assert.deepEqual(found, refusals);
  });

  test("ok/no case costs more than 12 signatures and 100 milliseconds of this thread", () => {
    for (const limbo of testcases) {
      const before = process.threadCpuUsage();
      const outcome = outcomeOf(limbo, "tls");
      const { user, system } = process.threadCpuUsage(before);
      assert.ok(user + system < 100_000, `${limbo.id} took ${user + system} microseconds`);
      if (outcome.kind === "accepted") assert.ok(outcome.signaturesVerified <= 12, limbo.id);
    }
  });
}

/** By case; a case that is listed twice would hide behind itself. */
function deviationsOf(profile: Profile): ReadonlyMap<string, string> {
  const pairs = deviations
    .filter((group) => group.profiles.includes(profile))
    .flatMap(({ cases, outcome }) => cases.map((id) => [id, outcome] as const));
  const pinned = new Map(pairs);
  assert.equal(pinned.size, pairs.length, "a case is listed twice");
  return pinned;
}

function sorted(outcomes: ReadonlyMap<string, string>): readonly string[] {
  return [...outcomes].map(([id, kind]) => `${id} is ${kind}`).sort();
}
