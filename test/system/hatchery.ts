import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** How a process ended and all that it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface HatcheryOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A module that is loaded before the program. */
  readonly preload?: URL;
  /** A command that runs the program which its further arguments name, in the same process. */
  readonly within?: readonly string[];
}

/** The program `hatchery` of this clone with `args`, as a process of its own, to its end. */
export function hatchery(args: readonly string[], options: HatcheryOptions = {}): Promise<Ended> {
  return collect(start(args, options)).ended;
}

/** A running program, or one that has ended. */
export interface Running {
  readonly pid: number;
  /** What it had written to standard output when that matched for the first time; undefined when it ended before. */
  said(pattern: RegExp): Promise<string | undefined>;
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
}

/** A running `hatchery up`. */
export interface ServiceProcess extends Running {
  /** What it said of itself when it was up; undefined when it ended before. */
  readonly up: Promise<Up | undefined>;
}

/** What `up --json` prints. */
export interface Up {
  readonly version: string;
  readonly data: string;
  readonly socket: string;
  readonly listeners: readonly {
    readonly tenant: string;
    readonly protocol: string;
    readonly url: string;
    readonly door?: string;
  }[];
  readonly demo?: { readonly run: string };
}

/** Starts `hatchery` with `args`. */
export function startHatchery(args: readonly string[], options: HatcheryOptions = {}): Running {
  const child = start(args, options);
  const { ended, stdout } = collect(child);
  return {
    pid: child.pid ?? 0,
    ended,
    said: (pattern) =>
      new Promise((resolve) => {
        const look = () => {
          if (pattern.test(stdout())) resolve(stdout());
        };
        child.stdout?.on("data", look);
        ended.then(() => resolve(undefined));
        look();
      }),
    kill: (signal) => void child.kill(signal),
  };
}

/** Starts `hatchery up --json` on any free ports. */
export function startUp(data: string, args: readonly string[] = [], options: HatcheryOptions = {}): ServiceProcess {
  const process = startHatchery(["up", "--json", ...anyPorts, "--data", data, ...args], options);
  // The value is indented: its last line is the only one that is a closing brace alone.
  const up = process.said(/^\}\n$/m).then((json) => (json === undefined ? undefined : (JSON.parse(json) as Up)));
  return { ...process, up };
}

export const anyPorts = ["--port", "0", "--demo-port", "0", "--publication-port", "0"] as const;

/** Port of a tenant's listener. */
export function portOf(up: Up, tenant: string): number {
  const url = up.listeners.find((listener) => listener.tenant === tenant)?.url ?? "";
  return Number(new URL(url).port);
}

function start(args: readonly string[], { env = {}, preload, within = [] }: HatcheryOptions): ChildProcess {
  const imports = preload === undefined ? [] : ["--import", preload.href];
  const [command = process.execPath, ...before] = [...within, process.execPath];
  const child = spawn(command, [...before, ...imports, program, ...args], {
    // The tests' own reporter settings are not the program's.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_COMPILE_CACHE: compiled, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.on("close", () => running.delete(child));
  return child;
}

function collect(child: ChildProcess): { readonly ended: Promise<Ended>; readonly stdout: () => string } {
  const parts = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    parts.stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    parts.stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, ...parts }));
  });
  return { ended, stdout: () => parts.stdout };
}

const program = fileURLToPath(new URL("../../bin/hatchery.js", import.meta.url));

/** What a failed test has left running ends with its file. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Stripped and compiled once for all processes of a test file: a start then takes half the time. */
const compiled = mkdtempSync(join(tmpdir(), "hatchery-compiled-"));
process.on("exit", () => rmSync(compiled, { recursive: true, force: true }));
