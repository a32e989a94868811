import { type Command, Option } from "commander";
import type { Vault } from "./answers.ts";
import { serviceApi } from "./api.ts";
import { CliError } from "./errors.ts";
import { shortTime } from "./format.ts";
import { example, type Invocation, invocationOf } from "./options.ts";
import { notice, print, printJson } from "./output.ts";
import { environmentKey, passphraseFrom } from "./vault-secrets.ts";

/** `hatchery vault`: the keys that seal what is secret in the store. */
export function addVault(program: Command): void {
  const vault = program
    .command("vault")
    .description("the keys that seal what is secret in the store")
    .addHelpText("after", example("hatchery vault status", "hatchery vault rekey"));

  vault
    .command("status")
    .description("show where the key comes from and what is sealed with which data key")
    .addHelpText("after", example("hatchery vault status"))
    .action(async (_: unknown, command: Command) => {
      const invocation = invocationOf(command);
      await show(await serviceApi(invocation).get<Vault>("/vault"), invocation);
    });

  vault
    .command("rekey")
    .description("seal everything with a new key while the service goes on; the old key opens nothing afterwards")
    .addOption(
      new Option("--to <source>", "where the key comes from then; as now unless given").choices([
        "file",
        "passphrase",
        "env",
      ]),
    )
    .option("--vault-passphrase-file <file>", "file whose first line is the new passphrase, instead of asking for it")
    .addHelpText(
      "after",
      example("hatchery vault rekey", "hatchery vault rekey --to passphrase", "hatchery vault rekey --to env"),
    )
    .action(async (options: RekeyOptions, command: Command) => {
      const invocation = invocationOf(command);
      const api = serviceApi(invocation);
      let state = await api.post<Vault>("/vault/rekey", await requestOf(options));
      while (state.keys.length > 1) {
        if (state.problem !== undefined) throw stuck(state.problem);
        notice(`sealing anew: ${state.keys.at(-1)?.sealed ?? 0} left`);
        await new Promise((resolve) => setTimeout(resolve, poll));
        state = await api.get<Vault>("/vault");
      }
      await show(state, invocation);
    });
}

interface RekeyOptions {
  readonly to?: "file" | "passphrase" | "env";
  readonly vaultPassphraseFile?: string;
}

async function requestOf({ to, vaultPassphraseFile }: RekeyOptions): Promise<object> {
  if (to === undefined) return {};
  switch (to) {
    case "file":
      return { source: to };
    case "passphrase": {
      const ask = passphraseFrom(vaultPassphraseFile);
      if (ask === undefined)
        throw new CliError("usage", "nobody can be asked for the passphrase here; give --vault-passphrase-file");
      return { source: to, passphrase: await ask(true) };
    }
    case "env": {
      const key = environmentKey();
      if (key === undefined)
        throw new CliError("usage", "set HATCHERY_VAULT_KEY to the new key: openssl rand -base64 32");
      return { source: to, environmentKey: key };
    }
  }
}

async function show(state: Vault, invocation: Invocation): Promise<void> {
  if (invocation.json) return printJson(state);
  const { table } = await import("./table.ts");
  print(`the vault has its key from: ${state.source}\n\n`);
  print(
    table(
      ["data key", "state", "since", "sealed values"],
      state.keys.map(({ id, state, created, sealed }) => [id, state, shortTime(created), String(sealed)]),
    ),
  );
  if (state.problem !== undefined) notice(stuck(state.problem).message);
}

function stuck(code: string): CliError {
  return new CliError(
    "interrupted",
    `a value cannot be sealed anew (${code}), so both keys are kept; the service's log names it, and a restart tries again`,
  );
}

const poll = 250;
