import assert from "node:assert/strict";
import { test } from "node:test";
import { Command, InvalidArgumentError } from "commander";
import { addSharedOptions, count, type Invocation, invocationOf, port, seconds } from "./options.ts";

const good = [
  [port, "0", 0],
  [port, "65535", 65_535],
  [count, "1", 1],
  [count, "1000000", 1_000_000],
  [seconds, "0", 0],
  [seconds, "2592000", 2_592_000],
] as const;

for (const [parse, text, value] of good) {
  test(`ok/${parse.name} ${text}`, () => {
    assert.equal(parse(text), value);
  });
}

const bad = [
  [port, "65536"],
  [port, "-1"],
  [port, "1e3"],
  [port, " 80"],
  [port, ""],
  [count, "0"],
  [count, "1.5"],
  [count, "99999999"],
  [seconds, "2592001"],
  [seconds, "five"],
] as const;

for (const [parse, text] of bad) {
  test(`fail/${parse.name} "${text}"`, () => {
    assert.throws(
      () => parse(text),
      (error) => error instanceof InvalidArgumentError && error.code === "commander.invalidArgument",
    );
  });
}

test("ok/shared options stand before or behind the command", () => {
  for (const argv of [
    ["--tenant", "demo", "--json", "--data", "/srv", "list"],
    ["list", "--tenant", "demo", "--json", "--data", "/srv"],
  ]) {
    assert.deepEqual(invocationWith(argv), { data: "/srv", tenant: "demo", json: true });
  }
});

test("ok/shared options have defaults", () => {
  const { tenant, json } = invocationWith(["list"]);
  assert.deepEqual({ tenant, json }, { tenant: "default", json: false });
});

function invocationWith(argv: readonly string[]): Invocation {
  let seen: Invocation | undefined;
  const root = new Command();
  addSharedOptions(root);
  root.command("list").action((_: unknown, command: Command) => {
    seen = invocationOf(command);
  });
  root.parse(argv, { from: "user" });
  assert.ok(seen);
  return seen;
}
