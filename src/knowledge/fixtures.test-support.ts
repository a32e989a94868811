import { utf8 } from "../core/bytes.ts";
import { ManualClock } from "../core/clock.ts";
import { fingerprinting } from "./fingerprint.ts";
import { RunRecorder } from "./run.ts";
import type { Survey } from "./survey.ts";
import type { Role } from "./vocabulary.ts";

export const clock = new ManualClock(1_000_000);

export function recorder(by: Role, salt = "salt"): RunRecorder {
  return new RunRecorder({
    id: "r1",
    protocol: "toy",
    variant: "toy/a",
    link: "none",
    by,
    fingerprint: fingerprinting(utf8(salt)),
    clock,
  });
}

const secret = { fact: "toy.secret", factKind: "sec.psk", crypto: "symmetric", provenance: "manufactured" } as const;
const token = {
  fact: "toy.token",
  factKind: "doc.voucher",
  crypto: "signed-document",
  provenance: "received",
} as const;
const frame = { channel: "ip.site", protection: "none" } as const;

/** A toy protocol: the device knows a secret, asks, and is given a token. Each end records it. */
export function toyRun(by: "device" | "coordinator", value = "token") {
  const run = recorder(by);
  run.phase("trust");
  run.fact({ ...secret, operation: "hold", holder: by, evidence: "observed", value: utf8("secret") });
  if (by === "coordinator") run.fact({ ...secret, operation: "hold", holder: "device", evidence: "inferred" });
  run.phase("deliver");
  run.frame({ ...frame, from: "device", to: "coordinator", name: "ask", bytes: 10, decoded: {} });
  if (by === "coordinator") run.decision({ verdict: "allow", rule: "toy", reason: "because", evidence: {} });
  run.frame({
    ...frame,
    from: "coordinator",
    to: "device",
    name: "give",
    bytes: 20,
    carries: ["toy.token"],
    decoded: {},
  });
  run.fact({ ...token, operation: "learn", holder: by, evidence: "observed", value: utf8(value) });
  run.operation({ operation: "sign", algorithm: "P-256", role: by, purpose: "toy", evidence: "counted" });
  return run.finish("granted", "toy");
}

export const toySurvey: Survey = {
  protocol: "toy",
  title: "Toy",
  specification: "none",
  variants: [
    { id: "toy/a", title: "a", status: "runs", manufacturerBurden: 2 },
    { id: "toy/b", title: "b", status: "declared-only", manufacturerBurden: 0 },
  ],
  terms: [],
  players: [],
  facts: [
    {
      id: "toy.secret",
      kind: "sec.psk",
      about: "secret",
      crypto: "symmetric",
      secrecy: "secret",
      provenance: "manufactured",
      before: ["device", "coordinator"],
      after: ["device", "coordinator"],
      uniqueness: "per-device",
      mutability: "immutable",
      variants: ["toy/a"],
      source: "none",
      evidence: "D->M",
    },
    {
      id: "toy.token",
      kind: "doc.voucher",
      about: "token",
      crypto: "signed-document",
      secrecy: "public",
      provenance: "received",
      before: [],
      after: ["device", "coordinator"],
      uniqueness: "per-run",
      mutability: "rotating",
      variants: ["toy/a"],
      source: "none",
      evidence: "D->M",
    },
  ],
  steps: [
    {
      id: "toy.exchange",
      phase: "deliver",
      actor: "device",
      action: "asks",
      channel: "ip.site",
      userActions: [],
      frames: ["ask", "give"],
      floor: 2,
      optional: false,
      variants: ["toy/a"],
      source: "none",
      evidence: "D->M",
    },
  ],
  properties: [{ property: "coordinator-decides", holds: true, variants: ["toy/a"], source: "none", evidence: "D->M" }],
};
