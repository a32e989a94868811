import { join } from "node:path";
import type { Command } from "commander";
import { hex } from "../core/bytes.ts";
import { codeOf, messageOf } from "../core/errors.ts";
import { sha256 } from "../crypto/mac.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { Backoff, EstDeviceEnv, EstRenewalSettings, RenewalEvent } from "../protocols/est/index.ts";
import { CliError } from "./errors.ts";
import { writeText } from "./files.ts";
import { exactTime } from "./format.ts";
import { runHook } from "./hook.ts";
import { print } from "./output.ts";

/** Options of `device est` for a device that goes on renewing. */
export interface WatchOptions {
  readonly watch?: boolean;
  readonly exec?: string;
}

/** Adds them to a command. */
export function addWatchOptions(command: Command): Command {
  return command
    .option(
      "--watch",
      "with --renew: go on, and renew each certificate when 50 to 66 % of its life are over, until SIGTERM",
    )
    .option(
      "--exec <program>",
      "with --watch: run it, without a shell, once for each certificate; HATCHERY_CERT, HATCHERY_CHAIN, HATCHERY_KEY and HATCHERY_CA name the files",
    );
}

/** Throws CliError `usage` for options that do not go together. */
export function checkWatchOptions(
  { watch, exec }: WatchOptions,
  { renew, ledger }: { readonly renew?: boolean; readonly ledger?: string },
): void {
  if (watch === true && renew !== true) throw new CliError("usage", "--watch goes with --renew");
  if (exec !== undefined && watch !== true) throw new CliError("usage", "--exec goes with --renew --watch");
  if (watch === true && ledger !== undefined)
    throw new CliError("usage", "--ledger is for one run; leave it or --watch out");
}

/** Where the files of the credential are. */
export interface CredentialFiles {
  readonly certificate: string;
  readonly chain: string;
  readonly key: string;
  readonly authorities: string;
}

/**
 * Renews until `env.signal` is aborted, with one line for each event: JSON for programs. Beside that the program of `--exec` has run once
 * for each certificate, also for one that was there before: when it failed, or this process ended before it, it runs again.
 */
export async function watch(
  settings: EstRenewalSettings,
  env: EstDeviceEnv & { readonly signal: AbortSignal },
  {
    exec,
    directory,
    files,
    json,
  }: {
    readonly exec: string | undefined;
    readonly directory: string;
    readonly files: CredentialFiles;
    readonly json: boolean;
  },
): Promise<void> {
  const { Backoff: Pauses, renewing } = await import("../protocols/est/index.ts");
  const say = (line: Line) =>
    print(
      json ? JSON.stringify({ time: env.clock.now(), ...line.json }) : `${exactTime(env.clock.now())} ${line.text}`,
    );
  const hook =
    exec === undefined ? undefined : hookBeside({ program: exec, directory, files, env, say, Backoff: Pauses });
  for await (const event of renewing(settings, env)) {
    say(lineOf(event));
    if (event.kind === "scheduled") hook?.start(event.certificate);
  }
  await hook?.ended();
}

/**
 * The program of `--exec`, beside the renewals, which wait for nobody: however often it fails or hangs. One run at a time, and
 * when another certificate has come, no further try for the one before.
 */
function hookBeside({
  program,
  directory,
  files,
  env,
  say,
  Backoff: Pauses,
}: {
  readonly program: string;
  readonly directory: string;
  readonly files: CredentialFiles;
  readonly env: EstDeviceEnv & { readonly signal: AbortSignal };
  readonly say: (line: Line) => void;
  readonly Backoff: typeof Backoff;
}): { readonly start: (certificate: Certificate) => void; readonly ended: () => Promise<void> } {
  const doneFile = join(directory, "exec-done");
  let next = new AbortController();
  let running = Promise.resolve();
  const run = async ({ raw, notAfter, serialNumber }: Certificate, signal: AbortSignal) => {
    const fingerprint = hex(sha256(raw));
    const serial = hex(serialNumber);
    const backoff = new Pauses(hookPause, env.randomness);
    for (let left = mostHookTries; left > 0 && !signal.aborted; left -= 1) {
      try {
        if ((await fingerprintIn(doneFile)) === fingerprint) return;
        await runHook(program, variablesOf(files, notAfter), env.signal);
        await writeText(doneFile, `${fingerprint}\n`);
        return say({ text: `${program} has run`, json: { event: "executed", program, serial } });
      } catch (error) {
        if (env.signal.aborted) return;
        const [code, message] = [codeOf(error), messageOf(error)];
        say({ text: `failed: ${message}`, json: { event: "exec-failed", code, message, serial } });
        await env.clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
  };
  return {
    start(certificate) {
      next.abort();
      next = new AbortController();
      const signal = AbortSignal.any([env.signal, next.signal]);
      running = running.then(() => run(certificate, signal));
    },
    ended: () => running,
  };
}

interface Line {
  readonly text: string;
  readonly json: { readonly event: string; readonly [field: string]: string | number | boolean | undefined };
}

function lineOf(event: RenewalEvent): Line {
  switch (event.kind) {
    case "scheduled": {
      const { at } = event;
      const { notAfter, serialNumber } = event.certificate;
      const text = `the certificate is valid until ${exactTime(notAfter)}; it is renewed at ${exactTime(at)}`;
      return { text, json: { event: "scheduled", at, notAfter, serial: hex(serialNumber) } };
    }
    case "renewed": {
      const { certificate, run } = event.credential;
      const { notAfter, serialNumber } = certificate;
      const text = `renewed; valid until ${exactTime(notAfter)}`;
      return { text, json: { event: "renewed", notAfter, serial: hex(serialNumber), run } };
    }
    case "failed": {
      const { error, at, expired } = event;
      const [code, message] = [codeOf(error), messageOf(error)];
      const late = expired ? ", and the certificate has expired" : "";
      const text = `failed${late}: ${message}; tried again at ${exactTime(at)}`;
      return { text, json: { event: "failed", code, message, at, expired } };
    }
  }
}

function variablesOf({ certificate, chain, key, authorities }: CredentialFiles, notAfter: number) {
  return {
    HATCHERY_CERT: certificate,
    HATCHERY_CHAIN: chain,
    HATCHERY_KEY: key,
    HATCHERY_CA: authorities,
    HATCHERY_NOT_AFTER: new Date(notAfter).toISOString(),
  };
}

/** The SHA-256 of the certificate that the program of `--exec` has run for. */
async function fingerprintIn(doneFile: string): Promise<string | undefined> {
  const { readFileIfThere } = await import("../device/files.ts");
  return (await readFileIfThere(doneFile))?.toString("utf8").trim();
}

/** Milliseconds: five tries in some minutes; then the next start or certificate. */
const hookPause = { first: 10_000, most: 120_000 } as const;
const mostHookTries = 5;
