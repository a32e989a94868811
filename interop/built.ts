import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { HatcheryError } from "../src/core/errors.ts";
import { command, type Log } from "./peer.ts";

/** Programs that nobody packages, built from their sources. */
export interface BuiltPeer {
  /** Name of the peer and of its directory below `interop/.peers`. */
  readonly peer: string;
  /** Each program, the words that make it say what it is, and what it says: others have programs of the same name. */
  readonly programs: readonly { readonly name: string; readonly ask: readonly string[]; readonly says: RegExp }[];
  /** Packages of Go that hold the programs; without, somebody has to build them. */
  readonly goPackages?: readonly string[];
  /** What somebody has to do who builds them by hand. */
  readonly advice: string;
}

/** The program's file: the one in the peer's own directory, or else the one in the PATH. */
export function builtProgram({ peer }: Pick<BuiltPeer, "peer">, name: string): string {
  const file = join(peers, peer, name);
  return existsSync(file) ? file : name;
}

/** Finds the programs or builds them; throws `not-installed` with the output of the command that failed. */
export async function installBuilt(built: BuiltPeer, log: Log): Promise<void> {
  const missing = async () => {
    for (const { name, ask, says } of built.programs) {
      const said = await command(builtProgram(built, name), ask).then(
        ({ output }) => output,
        () => "",
      );
      if (!says.test(said)) return name;
    }
    return undefined;
  };
  if ((await missing()) === undefined) return;
  let said = "nothing packages it";
  if (built.goPackages !== undefined) {
    const directory = join(peers, built.peer);
    mkdirSync(directory, { recursive: true });
    const words = ["install", ...built.goPackages];
    log(`go ${words.join(" ")}`);
    const { output } = await command("go", words, { env: { GOBIN: directory } });
    // Where a registry is depends on the machine, and is not what is wrong.
    said = `go ${words.join(" ")} said: ${output.replaceAll(/https?:\/\/[^/\s]+/g, "").replace(/[.\s]+$/, "")}`;
  }
  const name = await missing();
  if (name !== undefined)
    throw new HatcheryError("not-installed", `${built.peer} has no ${name}: ${said}. ${built.advice}`);
}

const peers = join(dirname(fileURLToPath(import.meta.url)), ".peers");
