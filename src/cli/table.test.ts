import assert from "node:assert/strict";
import { test } from "node:test";
import { table } from "./table.ts";

test("ok/columns are as wide as their longest cell, without borders, colours or trailing spaces", () => {
  const rows = [
    ["sensor-7", "operational", ""],
    ["x", "claimed", "2026"],
  ];
  assert.equal(
    table(["device", "state", "year"], rows),
    ["device    state        year", "sensor-7  operational", "x         claimed      2026", ""].join("\n"),
  );
});

test("ok/a column that gives way wraps at words, the widest first, and the others stay whole", () => {
  const rows = [["certificate and infrastructure", "2026-03-01 14:05", "5d1c20ab77e0f493"]];
  const head = ["a", "b", "c"];
  const narrow = (columns: number) => table(head, rows, { wraps: ["a", "b"], columns }).split("\n");
  assert.deepEqual(narrow(66), narrow(100));
  assert.deepEqual(narrow(54), [
    "a                b                 c",
    "certificate and  2026-03-01 14:05  5d1c20ab77e0f493",
    "infrastructure",
    "",
  ]);
  assert.deepEqual(narrow(44), [
    "a               b           c",
    "certificate     2026-03-01  5d1c20ab77e0f493",
    "and             14:05",
    "infrastructure",
    "",
  ]);
  assert.deepEqual(narrow(30), [
    "a         b         c",
    "certific  2026-03-  5d1c20ab77e0f493",
    "ate and   01 14:05",
    "infrastr",
    "ucture",
    "",
  ]);
});

test("ok/no line is wider than the terminal, and a row of a file or a pipe is one line", () => {
  const rows = [["reason that goes on ".repeat(50).trim(), "CN=DEMO-9C7143E7,serialNumber=9C7143E7"]];
  for (const columns of [60, 80, 132]) {
    const lines = table(["why", "subject"], rows, { wraps: ["why", "subject"], columns }).split("\n");
    assert.ok(lines.every((line) => line.length <= columns) && lines.length > 3);
  }
  const piped = table(["why", "subject"], rows, { wraps: ["why"], columns: Number.POSITIVE_INFINITY });
  assert.equal(piped.split("\n").length, 3);
});

test("ok/a cell cannot drive the terminal nor break its line", () => {
  assert.equal(table(["a\u001b"], [["x\u001b[2J\ny"]]), "a\ufffd\nx\ufffd[2J\ufffdy\n");
});

test("ok/a hostile cell takes no more than a line, and what is wrapped stays whole", () => {
  const hostile = "label ".repeat(15_000);
  const [, line = "", ...rest] = table(["device", "id"], [[hostile, "d1"]]).split("\n");
  assert.deepEqual(rest, [""]);
  assert.ok(line.length < 90 && line.includes("…") && line.endsWith("d1"), line);
  const words = "condition ".repeat(12).trim();
  const wrapped = table(["rule"], [[words]], { wraps: ["rule"], columns: 40 });
  assert.equal(wrapped.replace(/\s+/g, " "), `rule ${words} `);
});
