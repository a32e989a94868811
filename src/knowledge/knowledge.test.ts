import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../core/bytes.ts";
import { contradictions, holders, statements } from "./check.ts";
import { compareVariants } from "./compare.ts";
import { clock, recorder, toyRun, toySurvey } from "./fixtures.test-support.ts";
import { mergeRuns } from "./merge.ts";
import type { Run, RunEvent } from "./run.ts";
import { RunRecorder } from "./run.ts";
import { initialCategory, outcomeCategories, type Survey } from "./survey.ts";

const merged = mergeRuns(toyRun("device"), toyRun("coordinator"));
const names = (run: Run) => run.events.map((event) => ("name" in event ? event.name : event.kind));

test("ok/run: values become fingerprints, equal under one salt, different under another", () => {
  const print = (salt: string) => {
    const run = recorder("device", salt);
    run.fact({
      fact: "x",
      factKind: "sec.psk",
      crypto: "symmetric",
      provenance: "manufactured",
      operation: "hold",
      holder: "device",
      evidence: "observed",
      value: utf8("hunter2"),
    });
    const told = JSON.stringify(run.finish("granted", ""));
    assert.equal(told.includes("hunter2"), false);
    return /"fingerprint":"([0-9a-f]{32})"/.exec(told)?.[1];
  };
  assert.ok(print("a"));
  assert.equal(print("a"), print("a"));
  assert.notEqual(print("a"), print("b"));
});

test("ok/run: one that waited goes on in its own time", () => {
  const first = recorder("coordinator");
  first.frame({ from: "device", to: "coordinator", name: "ask", channel: "ip.site", protection: "none", decoded: {} });
  const waiting = first.finish("waiting", "rule");
  assert.equal(waiting.ended, undefined);
  clock.advance(5000);
  const second = new RunRecorder({ ...first.header }, waiting);
  second.frame({
    from: "coordinator",
    to: "device",
    name: "give",
    channel: "ip.site",
    protection: "none",
    decoded: {},
  });
  const run = second.finish("granted", "rule");
  assert.deepEqual(
    run.events.map(({ at }) => at),
    [0, 5000],
  );
  assert.equal(run.started, waiting.started);
});

test("ok/run: events beyond the bound are counted, not kept", () => {
  const run = recorder("device");
  for (let count = 0; count < 600; count += 1)
    run.user({ action: "press", who: "installer", channel: "physical", characters: 0 });
  const { events, omitted } = run.finish("failed", "too long");
  assert.deepEqual([events.length, omitted], [500, 100]);
});

test("ok/merge: one frame for each pair, in order, and no inference about an end that speaks for itself", () => {
  assert.deepEqual(names(merged), [
    "fact",
    "fact",
    "ask",
    "decision",
    "give",
    "fact",
    "operation",
    "fact",
    "operation",
  ]);
  assert.deepEqual(merged.recordedBy, ["device", "coordinator"]);
  assert.equal(
    merged.events.some((event) => event.kind === "fact" && event.evidence === "inferred"),
    false,
  );
});

test("ok/merge: frames that only one end saw stay, and none stands twice when the ends disagree on the order", () => {
  const swapped: Run = { ...toyRun("coordinator"), events: toyRun("coordinator").events.toReversed() };
  assert.deepEqual(
    names(mergeRuns(toyRun("device"), swapped)).filter((name) => name === "ask" || name === "give"),
    ["give", "ask"],
  );
  const silent: Run = { ...toyRun("coordinator"), events: [] };
  assert.deepEqual(names(mergeRuns(toyRun("device"), silent)), names(toyRun("device")));
});

test("ok/check: the toy run confirms its survey, and every inverse is contradicted", () => {
  assert.deepEqual(contradictions(toySurvey, merged), []);
  for (const statement of statements(toySurvey, "toy/a")) {
    for (const inverse of statement.inverses) assert.equal(inverse.check(merged).kind, "contradicted", inverse.id);
  }
});

test("ok/check: who holds what, before and after", () => {
  assert.deepEqual([...holders(merged, "toy.token", "before")], []);
  assert.deepEqual([...holders(merged, "toy.token", "after")].sort(), ["coordinator", "device"]);
});

function without(test: (event: RunEvent) => boolean): Run {
  return { ...merged, events: merged.events.filter((event) => !test(event)) };
}

const broken: readonly (readonly [string, Run, string])[] = [
  [
    "the ends know different values",
    mergeRuns(toyRun("device", "other"), toyRun("coordinator")),
    "toy.token is the same value on its holders",
  ],
  ["nobody decided", without(({ kind }) => kind === "decision"), "coordinator-decides is true"],
  [
    "a message is missing",
    without((event) => event.kind === "frame" && event.name === "give"),
    "toy.exchange at least 2 messages",
  ],
  [
    "the device learned nothing",
    without((event) => event.kind === "fact" && event.holder === "device" && event.operation === "learn"),
    "toy.token held by device after: yes",
  ],
  [
    "the secret stood in a frame",
    {
      ...merged,
      events: merged.events.map((event) => (event.kind === "frame" ? { ...event, carries: ["toy.secret"] } : event)),
    },
    "toy.secret secrecy is secret",
  ],
  [
    "a person was needed",
    {
      ...merged,
      events: [
        ...merged.events,
        {
          kind: "user",
          action: "press",
          who: "installer",
          channel: "physical",
          characters: 0,
          at: 1,
          phase: "deliver",
          by: "device",
        },
      ],
    },
    "toy.exchange needs no user: yes",
  ],
  ["only one end recorded", toyRun("coordinator"), "toy.token held by device after: yes"],
];

for (const [name, run, statement] of broken) {
  test(`fail/check: ${name}`, () => {
    assert.ok(
      contradictions(toySurvey, run).some((found) => found.statement.id === statement),
      statement,
    );
  });
}

test("ok/compare: declared and measured side by side, disagreements told once", () => {
  const rows = compareVariants(
    [toySurvey],
    [
      merged,
      { ...merged, variant: "toy/x" },
      { ...merged, outcome: "refused" },
      { ...merged, variant: "toy/y", outcome: "refused" },
      without(({ kind }) => kind === "decision"),
    ],
  );
  assert.deepEqual(
    rows.map(({ variant }) => variant),
    ["toy/a", "toy/b", "toy/x"],
  );
  const [a, b, x] = rows;
  assert.deepEqual(a?.measured, {
    runs: 2,
    checked: 2,
    messages: 2,
    bytes: 30,
    devicePublicKeyOperations: 1,
    coordinatorPublicKeyOperations: 1,
    milliseconds: 0,
  });
  assert.equal(a?.declaredMessages, 2);
  assert.deepEqual(a?.disagreements, ["coordinator-decides: yes; found: coordinator-decides is false"]);
  assert.equal(b?.measured, undefined);
  assert.deepEqual([x?.status, x?.initial, x?.measured?.runs], ["not-declared", "not declared", 1]);
});

test("ok/categories: computed from what the device holds and gains", () => {
  assert.equal(initialCategory(toySurvey, "toy/a"), "static-symmetric");
  assert.equal(initialCategory(toySurvey, "toy/b"), "blank-slate");
  const [secret, token] = toySurvey.facts;
  assert.ok(secret && token);
  const gaining = (kind: typeof token.kind): Survey => ({ ...toySurvey, facts: [{ ...token, kind }] });
  assert.deepEqual(outcomeCategories(gaining("cert.ldevid"), "toy/a"), ["infrastructure"]);
  assert.deepEqual(outcomeCategories(gaining("sec.network-key"), "toy/a"), ["network"]);
  assert.deepEqual(outcomeCategories(gaining("st.owned"), "toy/a"), ["service"]);
  assert.deepEqual(outcomeCategories(toySurvey, "toy/a"), []);
  const keyed = { ...secret, kind: "key.private" } as const;
  assert.equal(initialCategory({ ...toySurvey, facts: [keyed] }, "toy/a"), "raw-asymmetric");
  const certified = [
    { ...secret, kind: "cert.idevid" },
    { ...secret, kind: "ta.server" },
  ] as const;
  assert.equal(initialCategory({ ...toySurvey, facts: certified }, "toy/a"), "certificate-and-infrastructure");
});
