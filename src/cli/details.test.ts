import assert from "node:assert/strict";
import { test } from "node:test";
import { detailText, settingRows } from "./details.ts";

const day = 24 * 3600 * 1000;

const details: readonly (readonly [detail: Readonly<Record<string, unknown>>, text: string])[] = [
  [{}, ""],
  [{ run: "5d1c", reason: "claimed", variant: "est/idevid" }, "claimed; run 5d1c; variant est/idevid"],
  [{ serials: ["463a", "463b"], device: "d1", reason: "superseded" }, "superseded; serials 463a, 463b; device d1"],
  [
    { verdict: "deny", match: { credential: "password", profile: "lamps" } },
    "verdict deny; credential password; profile lamps",
  ],
  [{ lifetime: 365 * day }, "lifetime 365 d"],
  [
    { lifetime: "endless", renewal: { after: 0.66, grace: 0 } },
    "lifetime endless; renew-after 66 % of the lifetime; grace none",
  ],
  [
    { keys: ["P-256", "RSA"], leastRsaBits: 3072, subjectAltName: [] },
    "keys P-256, RSA; least-rsa-bits 3072; alternative-names none",
  ],
  [{ extKeyUsage: ["1.3.6.1.5.5.7.3.2", "1.2.3"] }, "ext-key-usage clientAuth, 1.2.3"],
  [
    { subject: [{ type: "organizationName", value: "Acme, Inc." }, { type: "serialNumber" }], requestExtensions: [] },
    "subject organizationName=Acme, Inc., serialNumber; request-extensions none",
  ],
];

for (const [detail, text] of details)
  test(`ok/audit detail: ${text}`, () => {
    assert.equal(detailText(detail), text);
  });

test("ok/settings have the names of the options that set them", () => {
  const settings = {
    backdate: 300_000,
    keyUsage: ["digitalSignature"],
    renewal: { after: 0, grace: 7 * day, sameKey: false },
  };
  assert.deepEqual(settingRows(settings), [
    ["backdate", "5 min"],
    ["key-usage", "digitalSignature"],
    ["renew-after", "at any time"],
    ["grace", "7 d"],
    ["same-key", "refused"],
  ]);
});
