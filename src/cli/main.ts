import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { codeOf, messageOf } from "../core/errors.ts";
import { addApprovals } from "./approve.ts";
import { addAudit } from "./audit.ts";
import { addCa } from "./ca.ts";
import { addClaim } from "./claim.ts";
import { addCompare } from "./compare.ts";
import { addDemo } from "./demo.ts";
import { addDeviceEst } from "./device-est.ts";
import { addDevices } from "./devices.ts";
import { exitCodeOf } from "./errors.ts";
import { addEstUsers } from "./est-user.ts";
import { addSharedOptions } from "./options.ts";
import { notice, printJson } from "./output.ts";
import { addPki } from "./pki.ts";
import { addRules } from "./rule.ts";
import { addRuns } from "./runs.ts";
import { addStatus } from "./status.ts";
import { addTrust } from "./trust.ts";
import { addUp } from "./up.ts";
import { addVault } from "./vault.ts";

/**
 * Runs the command that `argv` (without Node and script) names and resolves with its exit code: 0 done, 1 what was asked
 * for failed or was refused, 2 used wrongly or no service runs. Never rejects; says every failure on standard error.
 */
export async function main(argv: readonly string[]): Promise<number> {
  // The reader of a pipe may leave, as `head` does; what it did not want is no failure.
  process.stdout.on("error", ignoreClosedPipe);
  try {
    await program().parseAsync(argv, { from: "user" });
    // A command that did its work may have found that what it was asked about is not good.
    return process.exitCode === 1 ? 1 : 0;
  } catch (error) {
    // Commander has printed its sentence, or the help that was asked for.
    const usage = error instanceof CommanderError;
    if (usage && error.exitCode === 0) return 0;
    const code = usage ? "usage" : codeOf(error);
    const message = messageOf(error).replace(/^error: /, "");
    if (!usage) notice(`error: ${message}`);
    if (argv.includes("--json")) printJson({ error: { code, message } });
    return exitCodeOf(code);
  }
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
  };
  return version;
}

/** The command line as a tree of commands; what a command needs to work is loaded when it runs. */
export function program(): Command {
  const root = new Command("hatchery")
    .version(version())
    .description("Onboards IoT devices over every protocol of the survey, and keeps who knew what.")
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(add --help to see how it is used)")
    .exitOverride();
  addSharedOptions(root);
  addUp(root);
  addStatus(root);
  addDevices(root);
  addClaim(root);
  addApprovals(root);
  addRules(root);
  addTrust(root);
  addCa(root);
  addVault(root);
  addEstUsers(root);
  addRuns(root);
  addAudit(root);
  addPki(root);
  addCompare(root);
  addDemo(root);
  addDeviceEst(root.command("device").description("be a device: onboard this machine for real"));
  return root;
}

function ignoreClosedPipe(error: Error): void {
  if (codeOf(error) !== "EPIPE") throw error;
}
