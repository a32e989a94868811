import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeRuns } from "../knowledge/merge.ts";
import type { FrameEvent, Run } from "../knowledge/run.ts";
import { deniedRun, deviceRun, mergedRun, serverRun } from "./run.test-support.ts";
import { chart } from "./run-chart.ts";

test("ok/a granted run that both ends recorded", () => {
  assert.equal(chart(mergedRun(), [], { columns: 80, label: "SN-2031-0007" }), granted);
});

test("ok/a denied run that the server recorded, with a contradiction", () => {
  const contradictions = [{ statement: "est.device.key held by device before: no", found: "yes" }];
  assert.equal(chart(deniedRun(), contradictions, { columns: 100, label: "sensor-9" }), denied);
});

test("ok/a terminal that is too narrow gets the labels above the arrows", () => {
  const [, sequence] = chart(deviceRun(), [], { columns: 40, label: "SN-2031-0007" }).split("\n\n");
  assert.equal(`${sequence}\n`, narrow);
});

test("ok/no line is wider than the terminal", () => {
  const long = "a reason that goes on and on ".repeat(20);
  const decided = {
    kind: "decision",
    verdict: "deny",
    rule: "x",
    reason: long,
    evidence: {},
    at: 0,
    phase: "authorize",
  } as const;
  const run = mergedRun();
  const both: Run = {
    ...run,
    events: [...run.events, { ...decided, by: "device" }, { ...decided, by: "coordinator", reason: "x".repeat(300) }],
  };
  const contradictions = [{ statement: long, found: long }];
  for (const columns of [72, 80, 100]) {
    const text = chart({ ...both, reason: long }, contradictions, { columns, label: "d" });
    for (const line of text.split("\n")) assert.ok(line.length <= columns, line);
  }
});

test("ok/three roles stand apart, and a frame between neighbours stays between them", () => {
  const relayed = (frame: FrameEvent): readonly FrameEvent[] => [
    { ...frame, to: "relay", name: "join" },
    { ...frame, from: "relay", name: "relayed join" },
  ];
  const run = deniedRun();
  const [first] = run.events;
  assert.ok(first?.kind === "frame");
  const [, sequence = ""] = chart({ ...run, events: relayed(first) }, [], { columns: 100, label: "d" }).split("\n\n");
  assert.deepEqual(sequence.split("\n")[0]?.trim().split(/ +/), ["device", "relay", "coordinator"]);
  assert.match(sequence, /│─+ join · 388 B · encrypted ─+▶│ +│/);
  assert.match(sequence, /│ +│─+ relayed join · 388 B · encrypted ─+▶│/);
});

test("ok/values that differ are marked", () => {
  const other = deviceRun();
  const events = other.events.map((event) =>
    event.kind === "fact" && event.fact === "est.device.public-key" ? { ...event, fingerprint: "00" } : event,
  );
  const text = chart(mergeRuns({ ...other, events }, serverRun()), [], { columns: 80, label: "d" });
  assert.match(text, /device public-key +key\.public\.raw +made +learned +≠\n/);
});

test("ok/a name cannot drive the terminal", () => {
  const text = chart({ ...deniedRun(), reason: "\u001b[2J\u202e" }, [], { columns: 80, label: "\u009b31m" });
  for (const control of ["\u001b", "\u009b", "\u202e"]) assert.ok(!text.includes(control));
});

test("ok/a rule is named once, as the reason and in the decision", () => {
  const run = deniedRun();
  const text = chart({ ...run, outcome: "granted", reason: "rule 1f0a93c2" }, [], { columns: 100, label: "d" });
  assert.match(text, /\n {2}reason {4}rule 1f0a93c2\n/);
  assert.match(text, /◆ wait: rule 1f0a93c2 says wait/);
  assert.doesNotMatch(text, /rule +rule|\(rule 1f0a93c2\): rule/);
});

test("ok/a run without events is only its header", () => {
  const text = chart({ ...serverRun(), events: [], outcome: "failed", omitted: 3 }, [], { columns: 80, label: "d" });
  assert.match(text, /^Run 5d1c20ab77e0f493: failed\n/);
  assert.match(text, /left out {2}3 events/);
  assert.doesNotMatch(text, /who knows what|operations/);
});

const granted = `\
Run 5d1c20ab77e0f493: granted
  device    SN-2031-0007
  variant   est/idevid
  reason    claimed
  link      TLSv1.3 TLS_AES_256_GCM_SHA384
  began     2026-03-01 14:05:07, took 34 ms
  recorded  by device and coordinator

            device                                                 coordinator
                                                                  (EST server)
trust          │                                                        │
    0.0 ms     │◀──── TLS server authentication · 812 B · encrypted ────│
    0.0 ms     │──── TLS client authentication · 455 B · encrypted ────▶│
deliver        │                                                        │
    1.5 ms     │────────── cacerts request · 0 B · encrypted ──────────▶│
    4.8 ms     │◀──────── cacerts response · 1290 B · encrypted ────────│
    5.8 ms     │────── simpleenroll request · 412 B · encrypted ───────▶│
authorize      │                                                        │
               │   ◆ allow (claimed): the serial number SN-2031-0007 is │
               │   claimed                                              │
deliver        │                                                        │
     34 ms     │◀────── simpleenroll response · 980 B · encrypted ──────│

who knows what      kind            device   coordinator  same value
server uri          loc.server-uri  had      -
ca anchor           ta.server       had      had          =
device idevid       cert.idevid     had      learned      =
device idevid-key   key.private     had      -
device serial       id.serial       had      learned      =
device key          key.private     made     -
device public-key   key.public.raw  made     learned      =
ca certificates     ta.domain       learned  had          =
device certificate  cert.ldevid     learned  learned      =
had: before and after; learned, made: only after; -: never; ?: inferred, or not
recorded by that end
=: equal keyed fingerprints, so both know the same value

operations   keygen  agree  sign   verify
device       1 / 0   0 / 1  1 / 1  1 / 1
coordinator  -       0 / 1  1 / 1  2 / 1
counted / inside TLS, as its version and suite demand

This run confirms every measurable sentence of the survey.
`;

const denied = `\
Run 5d1c20ab77e0f493: refused
  device    sensor-9
  variant   est/anonymous
  reason    not-allowed
  link      TLSv1.3 TLS_AES_256_GCM_SHA384
  began     2026-03-01 14:05:07, took 1 min 5 s
  recorded  by coordinator; what the other end knew is inferred

            device                                                                     coordinator
deliver        │                                                                            │
    0.0 ms     │──────────────── simpleenroll request · 388 B · encrypted ─────────────────▶│
authorize      │                                                                            │
    0.0 ms     │                       ◆ wait: rule 1f0a93c2 says wait to anonymous devices │
deliver        │                                                                            │
    0.0 ms     │◀───────────────── simpleenroll pending · 0 B · encrypted ──────────────────│
 1 min 5 s     │───────────── simpleenroll request again · 388 B · encrypted ──────────────▶│
authorize      │                                                                            │
 1 min 5 s     │                            ◆ deny (rule 1f0a93c2): denied by administrator │
 1 min 5 s     │                              ● administrator: approve in console (backend) │
deliver        │                                                                            │
 1 min 5 s     │◀───────────────── simpleenroll refusal · 0 B · encrypted ──────────────────│
 1 min 5 s     │                              ✗ not-allowed (sent): denied by administrator │

who knows what     kind            device  coordinator  same value
device key         key.private     made?   -
device public-key  key.public.raw  ?       learned
had: before and after; learned, made: only after; -: never; ?: inferred, or not recorded by that end
=: equal keyed fingerprints, so both know the same value

This run contradicts the survey
  est.device.key held by device before: no; found: yes
`;

const narrow = `\
            device                             coordinator
                                              (EST server)
trust          │                                    │
    0.0 ms     │  TLS server authentication · 812   │
               │  B · encrypted                     │
               │◀───────────────────────────────────│
    0.0 ms     │  TLS client authentication · 455   │
               │  B · encrypted                     │
               │───────────────────────────────────▶│
deliver        │                                    │
    1.5 ms     │  cacerts request · 0 B ·           │
               │  encrypted                         │
               │───────────────────────────────────▶│
    4.8 ms     │  cacerts response · 1290 B ·       │
               │  encrypted                         │
               │◀───────────────────────────────────│
    5.8 ms     │  simpleenroll request · 412 B ·    │
               │  encrypted                         │
               │───────────────────────────────────▶│
     34 ms     │  simpleenroll response · 980 B ·   │
               │  encrypted                         │
               │◀───────────────────────────────────│
`;
