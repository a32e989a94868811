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

test("ok/a column with a width wraps at words", () => {
  const text = table(["a", "b"], [["certificate and infrastructure", "1"]], [18, null]);
  assert.equal(text, ["a                 b", "certificate and   1", "infrastructure", ""].join("\n"));
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
  assert.equal(table(["rule"], [[words]], [40]).replace(/\s+/g, " "), `rule ${words} `);
});
