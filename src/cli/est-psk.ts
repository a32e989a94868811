import type { Command } from "commander";
import type { EstPsk } from "./answers.ts";
import { segment, tenantApi } from "./api.ts";
import { printable, shortTime } from "./format.ts";
import { example, type Invocation, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery est psk add|list|remove`: pre-shared keys of devices that have no certificate for TLS. */
export function addEstPsks(est: Command): void {
  const keys = est.command("psk").description("pre-shared keys for TLS without certificates (hatchery up --psk-port)");

  keys
    .command("add")
    .description("make a pre-shared key, or another one in its place; it is printed once")
    .argument("<name>", "what devices name it by: its PSK identity")
    .option("--devices <pattern>", "device names that it may enrol, its own when left out; * stands for any characters")
    .addHelpText("after", example("hatchery est psk add lamp-7", "hatchery est psk add line-3 --devices 'lamp-*'"))
    .action(async (name: string, options: AddOptions, command: Command) => add(name, options, invocationOf(command)));

  keys
    .command("list")
    .description("list the keys' identities")
    .addHelpText("after", example("hatchery est psk list"))
    .action(async (_: unknown, command: Command) => list(invocationOf(command)));

  keys
    .command("remove")
    .description("forget a key; certificates that it enrolled stay valid")
    .argument("<name>", "its PSK identity")
    .addHelpText("after", example("hatchery est psk remove lamp-7"))
    .action(async (name: string, _: unknown, command: Command) => {
      const invocation = invocationOf(command);
      const removed = await tenantApi(invocation).remove<{ readonly name: string }>(`/est-psks/${segment(name)}`);
      if (invocation.json) return printJson(removed);
      print(printable(`forgot the pre-shared key ${removed.name}`));
    });
}

interface AddOptions {
  readonly devices?: string;
}

async function add(name: string, { devices = name }: AddOptions, invocation: Invocation): Promise<void> {
  const path = `/est-psks/${segment(name)}`;
  const made = await tenantApi(invocation).put<{ readonly name: string; readonly key: string }>(path, { devices });
  if (invocation.json) return printJson({ ...made, devices });
  const enrols = devices === "*" ? "any device" : `devices named ${devices}`;
  print(printable(`the pre-shared key ${made.name} may enrol ${enrols}`));
  print(`key: ${made.key}\nIt is shown this once and kept nowhere in clear; put it into the device now.`);
}

async function list(invocation: Invocation): Promise<void> {
  const { items } = await tenantApi(invocation).get<{ readonly items: readonly EstPsk[] }>("/est-psks");
  if (invocation.json) return printJson({ items });
  if (items.length === 0) return print("there are no pre-shared keys; add one with: hatchery est psk add NAME");
  const { table } = await import("./table.ts");
  print(
    table(
      ["identity", "devices", "since"],
      items.map(({ name, devices, created }) => [name, devices, shortTime(created)]),
    ),
  );
}
