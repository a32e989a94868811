import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "commander";
import { program } from "./main.ts";

for (const command of withAllBelow(program()))
  test(`ok/help fits a terminal of 80 columns: ${nameOf(command)}`, () => {
    let help = "";
    command.configureOutput({
      writeOut(text) {
        help += text;
      },
      getOutHelpWidth: () => 80,
    });
    command.outputHelp();
    assert.match(help, /^Usage: /);
    for (const line of help.split("\n")) assert.ok(line.length <= 80, line);
  });

function withAllBelow(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withAllBelow)];
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}
