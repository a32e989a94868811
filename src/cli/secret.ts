import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { CliError } from "./errors.ts";
import { passwordFromFile } from "./password.ts";

export interface SecretSource {
  /** The file that an option names: its first line. */
  readonly file: string | undefined;
  /** The variable of the environment that is looked at without a file. */
  readonly variable: string;
  /** What the person at the terminal is asked without both. */
  readonly question: string;
  /** The option that names a file, for who sits at no terminal. */
  readonly option: string;
}

/**
 * A secret from a file, the environment or the terminal, where it is not shown; never from an argument, which other users can
 * see. Throws `file-unreadable`, `usage` without a terminal, and `interrupted`.
 */
export async function secretFrom({ file, variable, question, option }: SecretSource): Promise<string> {
  if (file !== undefined) return passwordFromFile(file);
  const found = process.env[variable];
  if (found !== undefined && found !== "") return found;
  if (!process.stdin.isTTY)
    throw new CliError("usage", `there is no terminal to ask at; give ${option} or ${variable}`);
  return asked(question);
}

async function asked(question: string): Promise<string> {
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output, terminal: true });
  try {
    process.stderr.write(question);
    return await new Promise<string>((resolve, reject) => {
      terminal.on("SIGINT", () => reject(new CliError("interrupted", "interrupted; nothing was changed")));
      terminal.on("close", () => reject(new CliError("interrupted", "the input has ended; nothing was changed")));
      terminal.question("").then(resolve, reject);
    });
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}
