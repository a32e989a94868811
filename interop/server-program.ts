import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { HatcheryError } from "../src/core/errors.ts";
import type { Log } from "./peer.ts";

/** A server of somebody else, as a process of its own. */
export interface ServerProgram {
  readonly file: string;
  readonly args: readonly string[];
  /** Where it listens on 127.0.0.1 when it is ready. */
  readonly port: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/**
 * Runs `use` beside the program, and ends the program whatever happens. Throws `server-ended` with what it wrote when it
 * ends before it listens.
 */
export async function withServerProgram<Result>(
  { file, args, port, cwd, env, signal, log }: ServerProgram,
  use: () => Promise<Result>,
): Promise<Result> {
  const child = spawn(file, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  let written = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      written = (written + text).slice(-longestOutput);
    });
  let ended: string | undefined;
  child.on("error", ({ message }) => {
    ended = message;
  });
  const closed = new Promise<void>((resolve) =>
    child.once("close", (code) => {
      ended ??= `it ended with code ${code}`;
      resolve();
    }),
  );
  const kill = () => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    while (!(await listening(port))) {
      if (ended !== undefined) throw new HatcheryError("server-ended", `${file}: ${ended}:\n${written}`);
      await delay(poll, undefined, { signal });
    }
    return await use();
  } catch (error) {
    log(written.trimEnd());
    throw error;
  } finally {
    signal.removeEventListener("abort", kill);
    child.kill("SIGTERM");
    // A server that takes its time over kept connections is not waited for.
    const late = setTimeout(kill, patience);
    await closed;
    clearTimeout(late);
  }
}

/** A port of this machine on which nothing listens now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

function listening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => socket.destroy()).once("error", () => {});
    socket.once("close", (failed) => resolve(!failed));
  });
}

const poll = 50;
const patience = 2000;
const longestOutput = 16 * 1024;
