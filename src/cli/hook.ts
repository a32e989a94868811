import { type ChildProcess, spawn } from "node:child_process";
import { messageOf } from "../core/errors.ts";
import { CliError } from "./errors.ts";

/**
 * Runs a program, without a shell and without arguments, with `variables` added to the environment; what it prints goes to
 * standard error. Throws CliError `hook-failed` unless it ends with 0 within `milliseconds`. That limit and the signal end the
 * program with all that it has started, and this call at once: by SIGTERM, and `grace` milliseconds later by SIGKILL.
 */
export function runHook(
  program: string,
  variables: Readonly<Record<string, string>>,
  signal: AbortSignal,
  { milliseconds = longestHook, grace = termGrace }: { readonly milliseconds?: number; readonly grace?: number } = {},
): Promise<void> {
  const { HATCHERY_PASSWORD: _, ...inherited } = process.env;
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown) => {
      release();
      reject(new CliError("hook-failed", `${program} ${reason}`, cause === undefined ? {} : { cause }));
    };
    if (signal.aborted) {
      reject(new CliError("hook-failed", `${program} was not run: ${interrupted}`));
      return;
    }
    const child = spawn(program, [], {
      env: { ...inherited, ...variables },
      stdio: ["ignore", process.stderr, process.stderr],
      // A process group of its own, so that what a shell script waits for is ended with it.
      detached: true,
    });
    const stop = (reason: string) => {
      fail(reason);
      endGroup(child, grace);
    };
    const interrupt = () => stop(`was ended: ${interrupted}`);
    const limit = setTimeout(() => stop(`took longer than ${milliseconds / 1000} s, and was ended`), milliseconds);
    const release = () => {
      clearTimeout(limit);
      signal.removeEventListener("abort", interrupt);
    };
    signal.addEventListener("abort", interrupt, { once: true });
    child.once("error", (cause) => fail(`could not be run: ${messageOf(cause)}`, cause));
    child.once("exit", (code, killed) => {
      if (code !== 0) return fail(killed === null ? `ended with ${code}` : `was ended by ${killed}`);
      release();
      resolve();
    });
  });
}

/** A program may ignore SIGTERM, and what it has started may outlive it; this process lives until neither does. */
function endGroup(child: ChildProcess, grace: number): void {
  const { pid } = child;
  if (pid === undefined) return;
  const send = (name: NodeJS.Signals) => {
    try {
      process.kill(-pid, name);
    } catch {
      // Nobody is left in the group.
    }
  };
  const kill = () => {
    clearTimeout(timer);
    send("SIGKILL");
    // What even SIGKILL does not end holds nobody up.
    child.unref();
  };
  const timer = setTimeout(kill, grace);
  child.once("exit", kill);
  send("SIGTERM");
}

const interrupted = "this device was told to end";
/** Milliseconds. */
const longestHook = 300_000;
const termGrace = 3_000;
