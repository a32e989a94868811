import assert from "node:assert/strict";
import { test } from "node:test";
import type { ComparisonRow } from "../knowledge/compare.ts";
import { csvField, renderComparison } from "./comparison.ts";

const rows: readonly ComparisonRow[] = [
  {
    protocol: "est",
    variant: "est/idevid",
    title: "manufacturer's certificate",
    status: "runs",
    initial: "certificate-and-infrastructure",
    outcome: ["infrastructure"],
    manufacturerBurden: 3,
    userActions: [],
    manufacturerContacted: false,
    declaredMessages: 6,
    measured: {
      runs: 3,
      checked: 2,
      messages: 6,
      bytes: 3949,
      devicePublicKeyOperations: 6,
      coordinatorPublicKeyOperations: 6,
      milliseconds: 34,
    },
    disagreements: ['est.enroll "phase" is deliver; found: <renew> | trust, x'],
  },
  {
    protocol: "est",
    variant: "est/anonymous",
    title: "no credential, a person approves",
    status: "runs",
    initial: "blank-slate",
    outcome: ["infrastructure"],
    manufacturerBurden: 0,
    userActions: ["approve-in-console"],
    manufacturerContacted: false,
    declaredMessages: 6,
    measured: undefined,
    disagreements: [],
  },
  {
    protocol: "est",
    variant: "est/coaps",
    title: "EST over CoAP and DTLS",
    status: "declared-only",
    initial: "not declared yet",
    outcome: [],
    manufacturerBurden: 3,
    userActions: [],
    manufacturerContacted: undefined,
    declaredMessages: 0,
    measured: undefined,
    disagreements: [],
  },
];

test("ok/table", () => {
  assert.equal(renderComparison(rows, "table", 80), asTable);
});

test("ok/a row of a table in a file is one line, however long", () => {
  const lines = renderComparison(rows, "table").split("\n");
  assert.match(lines[1] ?? "", /^est\/idevid +certificate and infrastructure +infrastructure +a factory PKI +-$/);
});

test("ok/csv", () => {
  assert.equal(renderComparison(rows, "csv"), asCsv.replaceAll("\n", "\r\n"));
});

test("ok/a variant that only runs name is a row without anything declared", () => {
  const [measured] = rows as readonly [ComparisonRow];
  const row: ComparisonRow = {
    ...measured,
    variant: "est/gone",
    status: "not-declared",
    initial: "not declared",
    outcome: [],
    manufacturerBurden: undefined,
    manufacturerContacted: undefined,
    declaredMessages: undefined,
    disagreements: [],
  };
  const [, line] = renderComparison([row], "csv").split("\r\n");
  assert.equal(line, "est/gone,not declared,-,-,-,? / 6,3949,6 / 6,34,3 / 2,-,");
});

test("ok/md", () => {
  assert.equal(renderComparison(rows, "md"), asMarkdown);
});

test("ok/html is one page with every row, and what runs said is text in it", () => {
  const html = renderComparison(rows, "html");
  assert.match(html, /^<!doctype html>\n<html lang="en">/);
  assert.equal(html.match(/<tr>/g)?.length, rows.length + 1);
  assert.match(html, /<td>est\/idevid<\/td><td>certificate and infrastructure<\/td>/);
  assert.match(
    html,
    /<li>est\/idevid: est.enroll &quot;phase&quot; is deliver; found: &lt;renew&gt; \| trust, x<\/li>/,
  );
  assert.doesNotMatch(html, /<script|<link|https?:|src=/);
});

test("ok/json is the API's rows", () => {
  assert.deepEqual(JSON.parse(renderComparison(rows, "json")), {
    rows: rows.map((row) => JSON.parse(JSON.stringify(row))),
  });
});

const fields: readonly (readonly [text: string, field: string])[] = [
  ["plain", "plain"],
  ["", ""],
  ["-", "-"],
  ["6 / 6", "6 / 6"],
  ["a,b", '"a,b"'],
  ['say "yes"', '"say ""yes"""'],
  ["two\nlines", '"two\nlines"'],
  ["=1+1", "'=1+1"],
  ["@x,y", '"\'@x,y"'],
  ["-2+3", "'-2+3"],
];

for (const [text, field] of fields) {
  test(`ok/csv field ${JSON.stringify(text)}`, () => {
    assert.equal(csvField(text), field);
  });
}

const asTable = `\
variant        device starts     gains           factory        person
               with
est/idevid     certificate and   infrastructure  a factory PKI  -
               infrastructure
est/anonymous  blank slate       infrastructure  nothing        approve in
                                                                console
est/coaps      not declared yet  -               a factory PKI  -

variant        messages  bytes  pk ops  ms  runs           disagreements
est/idevid     6 / 6     3949   6 / 6   34  3 / 2          1
est/anonymous  6 / -     -      -       -   0 / 0          -
est/coaps      0 / -     -      -       -   declared only  -

Figures are medians of granted runs. Messages: declared least / measured.
Public-key operations: device / server.
Runs: granted / recorded at both ends; only the latter are held against the
survey, sentence by sentence.

Disagreements:
  est/idevid: est.enroll "phase" is deliver; found: <renew> | trust, x
`;

const asCsv = `\
variant,device starts with,gains,factory,person,messages,bytes,pk ops,ms,runs,disagreements,sentences
est/idevid,certificate and infrastructure,infrastructure,a factory PKI,-,6 / 6,3949,6 / 6,34,3 / 2,1,"est.enroll ""phase"" is deliver; found: <renew> | trust, x"
est/anonymous,blank slate,infrastructure,nothing,approve in console,6 / -,-,-,-,0 / 0,-,
est/coaps,not declared yet,-,a factory PKI,-,0 / -,-,-,-,declared only,-,
`;

const asMarkdown = `\
| variant | device starts with | gains | factory | person | messages | bytes | pk ops | ms | runs | disagreements |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| est/idevid | certificate and infrastructure | infrastructure | a factory PKI | - | 6 / 6 | 3949 | 6 / 6 | 34 | 3 / 2 | 1 |
| est/anonymous | blank slate | infrastructure | nothing | approve in console | 6 / - | - | - | - | 0 / 0 | - |
| est/coaps | not declared yet | - | a factory PKI | - | 0 / - | - | - | - | declared only | - |

Figures are medians of granted runs. Messages: declared least / measured. Public-key operations: device / server. Runs: granted / recorded at both ends; only the latter are held against the survey, sentence by sentence.

Disagreements:

- est/idevid: est.enroll "phase" is deliver; found: \\<renew\\> \\| trust, x
`;
