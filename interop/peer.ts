import { spawn } from "node:child_process";
import { HatcheryError } from "../src/core/errors.ts";

/**
 * One real peer program, default-exported by `interop/<protocol>-<peer>.interop.ts`. Nothing of it is ever simulated: a
 * program that is not there is shown as missing.
 */
export interface InteropPeer {
  /** Name of the protocol room, such as `est`. */
  readonly protocol: string;
  /** Name of the peer program, such as `strongswan-pki`. */
  readonly peer: string;
  /** False when the program is built from its sources, which not every machine can fetch: then it may be missing under CI. */
  readonly packaged?: boolean;
  /** Puts the program in place, or finds it there; throws `not-installed` with the output of the command that failed. */
  install(log: Log): Promise<void>;
  /** The version that the installed program states, on one line. */
  version(): Promise<string>;
  readonly variants: readonly InteropVariant[];
}

export interface InteropVariant {
  /** Short and unique within the peer: a column of the table. */
  readonly name: string;
  /** What Hatchery is in this variant, in the specification's words, such as `EST server`. */
  readonly role: string;
  /**
   * Onboards once. Returns one line that says what was seen on both sides, the same at every run (no times, ports or
   * serial numbers); throws when anything else happened.
   */
  run(context: InteropContext): Promise<string>;
}

export interface InteropContext {
  /** An empty directory for this variant, removed afterwards unless the variant failed. */
  readonly directory: string;
  readonly log: Log;
  /** Aborted when the variant's time is over: whoever started a process ends it then. */
  readonly signal: AbortSignal;
}

export type Log = (line: string) => void;

export interface CommandResult {
  readonly code: number;
  /** Standard output and standard error in the order in which they came, cut to the last 64 KiB. */
  readonly output: string;
  /** Standard output alone, for programs that write what was asked for there; cut likewise. */
  readonly stdout: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

/**
 * Runs a program to its end; throws `not-installed` when it cannot be started, and the signal's reason when that ends it
 * before. Does not judge the exit code.
 */
export function command(file: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: "pipe",
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    let output = "";
    let stdout = "";
    const keep = (part: string) => {
      output = (output + part).slice(-longestOutput);
    };
    child.stdout.setEncoding("utf8").on("data", (part) => {
      keep(part);
      stdout = (stdout + part).slice(-longestOutput);
    });
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", (cause) => {
      const aborted = options.signal?.aborted === true;
      reject(
        aborted ? options.signal.reason : new HatcheryError("not-installed", `${file}: ${cause.message}`, { cause }),
      );
    });
    child.on("close", (code) => resolve({ code: code ?? 1, output, stdout }));
    // A program that does not read its input closes the pipe; its exit code tells whether that was right.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input);
  });
}

/** Runs a program that must end well and returns its standard output; throws `command-failed` with all that it wrote. */
export async function succeed(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, output, stdout } = await command(file, args, options);
  if (code === 0) return stdout;
  const said = `${file} ${args.join(" ")} ended with code ${code}:\n${output.trimEnd()}`;
  throw new HatcheryError("command-failed", said);
}

/**
 * Installs Debian packages that are missing, as root or through sudo; a command that fails is run three times, because
 * mirrors fail now and then. Throws `not-installed` with the last output.
 */
export async function installDebianPackages(packages: readonly string[], log: Log): Promise<void> {
  const missing: string[] = [];
  for (const name of packages) {
    const { code, output } = await command("dpkg-query", ["-W", "-f", `\${db:Status-Status}`, name]);
    if (code !== 0 || output !== "installed") missing.push(name);
  }
  if (missing.length === 0) return;
  await attempt(["apt-get", "update"], log);
  await attempt(["apt-get", "install", "-y", "--no-install-recommends", ...missing], log);
}

async function attempt(words: readonly string[], log: Log): Promise<void> {
  const line = ["DEBIAN_FRONTEND=noninteractive", ...words];
  const root = process.getuid?.() === 0;
  const said = words.join(" ");
  for (let left = attempts; ; left -= 1) {
    log(said);
    const { code, output } = await (root ? command("env", line) : command("sudo", ["-n", "env", ...line]));
    if (code === 0) return;
    log(output.trimEnd());
    if (left === 1) throw new HatcheryError("not-installed", `${said} ended with code ${code}: ${output.trim()}`);
  }
}

const attempts = 3;
const longestOutput = 64 * 1024;
