import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { CliError } from "./errors.ts";
import { passwordFromFile } from "./password.ts";

/**
 * How to get the vault's passphrase: from the file, or by asking on the terminal, twice when it is chosen; undefined when
 * there is neither.
 */
export function passphraseFrom(file: string | undefined): ((chosen: boolean) => Promise<string>) | undefined {
  if (file !== undefined) return () => passwordFromFile(file);
  if (process.stdin.isTTY !== true) return undefined;
  return async (chosen) => {
    const passphrase = await ask(chosen ? "new passphrase of the vault: " : "passphrase of the vault: ");
    if (chosen && (await ask("once more: ")) !== passphrase)
      throw new CliError("usage", "the two passphrases differ; start again");
    return passphrase;
  };
}

/** The key of the environment, which is taken out of it: no child process gets it. */
export function environmentKey(): string | undefined {
  const key = process.env["HATCHERY_VAULT_KEY"];
  delete process.env["HATCHERY_VAULT_KEY"];
  return key;
}

/** How to get the token's PIN: from the file, the environment, or by asking on the terminal; undefined when there is none. */
export function pinFrom(file: string | undefined): (() => Promise<string>) | undefined {
  const pin = process.env["HATCHERY_PKCS11_PIN"];
  delete process.env["HATCHERY_PKCS11_PIN"];
  if (file !== undefined) return () => passwordFromFile(file);
  if (pin !== undefined && pin !== "") return async () => pin;
  if (process.stdin.isTTY !== true) return undefined;
  return () => ask("PIN of the token: ");
}

/** One line that is not shown while it is typed. */
async function ask(question: string): Promise<string> {
  process.stderr.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once("line", resolve);
      lines.once("SIGINT", () => reject(new CliError("interrupted", "interrupted")));
      lines.once("close", () => reject(new CliError("interrupted", "no passphrase was given")));
    });
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}
