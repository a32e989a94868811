import type { Command } from "commander";
import { hex } from "../core/bytes.ts";
import { systemRandomness } from "../core/randomness.ts";
import type { EstKey } from "./answers.ts";
import { segment, tenantApi } from "./api.ts";
import { CliError } from "./errors.ts";
import { printable, shortTime } from "./format.ts";
import { example, type Invocation, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";
import { passwordFromFile } from "./password.ts";

/** `hatchery est key add|list|remove`: symmetric keys that private keys made by the server are encrypted under. */
export function addEstKeys(est: Command): void {
  const keys = est
    .command("key")
    .description("keys that the server encrypts the private keys under which it makes for devices (serverkeygen)");

  keys
    .command("add")
    .description("register a key, or replace it; without --key-file one is made and printed once")
    .argument("<name>", "what devices name it by: its decryptKeyID")
    .option(
      "--devices <pattern>",
      "names of devices that may use it, its own when left out; * stands for any characters",
    )
    .option("--key-file <file>", "read the key from the first line of a file: 32, 48 or 64 hexadecimal digits")
    .addHelpText("after", example("hatchery est key add sensor-7", "hatchery est key add line-3 --devices 'sensor-*'"))
    .action(async (name: string, options: AddOptions, command: Command) => add(name, options, invocationOf(command)));

  keys
    .command("list")
    .description("list the keys' names")
    .addHelpText("after", example("hatchery est key list"))
    .action(async (_: unknown, command: Command) => list(invocationOf(command)));

  keys
    .command("remove")
    .description("forget a key; what was encrypted under it stays so")
    .argument("<name>", "its name")
    .addHelpText("after", example("hatchery est key remove line-3"))
    .action(async (name: string, _: unknown, command: Command) => {
      const invocation = invocationOf(command);
      const removed = await tenantApi(invocation).remove<{ readonly name: string }>(`/est-keys/${segment(name)}`);
      if (invocation.json) return printJson(removed);
      print(printable(`forgot the key ${removed.name}`));
    });
}

interface AddOptions {
  readonly devices?: string;
  readonly keyFile?: string;
}

async function add(name: string, { devices = name, keyFile }: AddOptions, invocation: Invocation): Promise<void> {
  const given = keyFile === undefined ? undefined : await keyFromFile(keyFile);
  // Made here, so that it is in no answer and no log, and shown to the one who asked for it.
  const made = given === undefined ? hex(systemRandomness.bytes(32)) : undefined;
  const body = { key: given ?? made, devices };
  const added = await tenantApi(invocation).put<{ readonly name: string }>(`/est-keys/${segment(name)}`, body);
  if (invocation.json) return printJson({ ...added, devices, ...(made === undefined ? {} : { key: made }) });
  print(printable(`keys for ${devices === "*" ? "any device" : `devices named ${devices}`} can be sent under ${name}`));
  if (made !== undefined)
    print(`key: ${made}\nIt is shown this once and kept nowhere in clear; put it into the device now.`);
}

async function list(invocation: Invocation): Promise<void> {
  const { items } = await tenantApi(invocation).get<{ readonly items: readonly EstKey[] }>("/est-keys");
  if (invocation.json) return printJson({ items });
  if (items.length === 0) return print("there are no such keys; add one with: hatchery est key add NAME");
  const { table } = await import("./table.ts");
  print(
    table(
      ["key", "devices", "since"],
      items.map(({ name, devices, created }) => [name, devices, shortTime(created)]),
    ),
  );
}

/** A symmetric key in hexadecimal from the first line of a file; throws CliError `usage`. */
export async function keyFromFile(file: string): Promise<string> {
  const text = await passwordFromFile(file);
  if (/^(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{48}|[0-9A-Fa-f]{64})$/.test(text)) return text;
  throw new CliError("usage", `the first line of ${file} is no key: 32, 48 or 64 hexadecimal digits`);
}
