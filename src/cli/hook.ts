import { spawn } from "node:child_process";
import { messageOf } from "../core/errors.ts";
import { CliError } from "./errors.ts";

/**
 * Runs a program, without a shell and without arguments, with `variables` added to the environment; what it prints goes to
 * standard error. Throws CliError `hook-failed` unless it ends with 0 within `milliseconds`; the signal ends it too.
 */
export function runHook(
  program: string,
  variables: Readonly<Record<string, string>>,
  signal: AbortSignal,
  milliseconds = longestHook,
): Promise<void> {
  const { HATCHERY_PASSWORD: _, ...inherited } = process.env;
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown) =>
      reject(new CliError("hook-failed", `${program} ${reason}`, cause === undefined ? {} : { cause }));
    const child = spawn(program, [], {
      env: { ...inherited, ...variables },
      stdio: ["ignore", process.stderr, process.stderr],
      timeout: milliseconds,
      killSignal: "SIGTERM",
      signal,
    });
    child.once("error", (cause) => fail(`could not be run: ${messageOf(cause)}`, cause));
    child.once("exit", (code, killed) => {
      if (code === 0) resolve();
      else fail(killed === null ? `ended with ${code}` : `was ended by ${killed}`);
    });
  });
}

const longestHook = 300_000;
