import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { HatcheryError } from "../src/core/errors.ts";
import { requestUnix } from "../src/transport/http/unix.ts";
import { succeed } from "./peer.ts";

/** A running `hatchery up` with a data directory of its own: nothing in it can disturb another. */
export interface Hatchery {
  readonly pid: number;
  readonly data: string;
  /** Where devices of the tenant `default` reach the EST server: `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** Path of the file with the root of the tenant's CA, in PEM. */
  readonly root: string;
  /** Runs `hatchery ARGS` against this service and returns what it printed; throws `command-failed`. */
  cli(...args: readonly string[]): Promise<string>;
  /** One request to the API; throws `api-refused` for any answer but 200. */
  api<Answer>(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Ends the service as an operator would and waits for it; throws `hatchery-failed` unless it ends with code 0. */
  stop(): Promise<void>;
}

export interface HatcheryOptions {
  /** Gets the data directory, the log and the CA's root; must exist. */
  readonly directory: string;
  readonly signal?: AbortSignal;
  /** Options for Node.js itself, such as `--cpu-prof`. */
  readonly nodeOptions?: readonly string[];
  /** More options for `hatchery up`. */
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the service on any free port and resolves when it answers; throws `hatchery-failed` with the end of its log. */
export async function startHatchery({
  directory,
  signal,
  nodeOptions = [],
  options = [],
  env = {},
}: HatcheryOptions): Promise<Hatchery> {
  const data = join(directory, "data");
  const log = join(directory, "hatchery.log");
  mkdirSync(data, { mode: 0o700, recursive: true });
  const output = openSync(log, "w");
  const ports = ["--host", "127.0.0.1", "--port", "0", "--demo-port", "0", "--publication-port", "0"];
  const args = [...nodeOptions, program, "up", "--data", data, ...ports, "--no-demo", ...options];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", output, output],
    cwd: directory,
    env: { ...process.env, ...env },
  });
  closeSync(output);
  const ended = new Promise<number>((resolve) => child.once("close", (code) => resolve(code ?? 1)));
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  signal?.addEventListener("abort", kill, { once: true });
  const failure = (what: string) =>
    new HatcheryError("hatchery-failed", `${what}; the end of its log:\n${readFileSync(log, "utf8").slice(-4096)}`);

  const cli = (...words: readonly string[]) =>
    succeed(process.execPath, [program, ...words], {
      cwd: directory,
      env: { HATCHERY_DATA: data, NO_COLOR: "1" },
      ...(signal === undefined ? {} : { signal }),
    });

  async function started(): Promise<string> {
    const deadline = Date.now() + longestStart;
    for (;;) {
      const gone = await Promise.race([ended, delay(startPoll)]);
      if (gone !== undefined) throw failure(`hatchery up ended with code ${gone}`);
      const answer = await requestUnix(socketOf(data), { method: "GET", path: "/api/v1/status" }).catch(
        () => undefined,
      );
      const url = answer?.status === 200 ? estUrl(answer.body as Status) : undefined;
      if (url !== undefined) return url;
      if (Date.now() > deadline) throw failure(`hatchery up was not ready after ${longestStart} ms`);
    }
  }

  try {
    const url = await started();
    const root = join(directory, "root.pem");
    writeFileSync(root, await cli("ca", "export"));
    return {
      pid: child.pid ?? 0,
      data,
      url,
      root,
      cli,
      api: (method, path, body) => requestApi(data, method, path, body),
      async stop() {
        child.kill("SIGTERM");
        const code = await ended;
        process.off("exit", kill);
        signal?.removeEventListener("abort", kill);
        if (code !== 0) throw failure(`hatchery up ended with code ${code} after SIGTERM`);
      },
    };
  } catch (error) {
    kill();
    throw error;
  }
}

/** Runs `use` with a service of its own and ends the service, whatever happens. */
export async function withHatchery<Result>(
  options: HatcheryOptions,
  use: (hatchery: Hatchery) => Promise<Result>,
): Promise<Result> {
  const hatchery = await startHatchery(options);
  let result: Result;
  try {
    result = await use(hatchery);
  } catch (error) {
    // What went wrong in the variant is what must be seen, not how the service took its end.
    await hatchery.stop().catch(() => {});
    throw error;
  }
  await hatchery.stop();
  return result;
}

interface Status {
  readonly listeners: readonly { readonly tenant: string; readonly protocol: string; readonly url: string }[];
}

function estUrl({ listeners }: Status): string | undefined {
  const listener = listeners.find(({ tenant, protocol }) => tenant === "default" && protocol === "est");
  return listener === undefined ? undefined : new URL(listener.url).origin;
}

async function requestApi<Answer>(data: string, method: string, path: string, body: unknown): Promise<Answer> {
  const answer = await requestUnix(socketOf(data), { method, path, ...(body === undefined ? {} : { body }) });
  if (answer.status !== 200) {
    const said = JSON.stringify(answer.body);
    throw new HatcheryError("api-refused", `${method} ${path} was answered with ${answer.status}: ${said}`);
  }
  return answer.body as Answer;
}

function socketOf(data: string): string {
  try {
    return (JSON.parse(readFileSync(join(data, "api.json"), "utf8")) as { readonly socket: string }).socket;
  } catch {
    // Not written yet: the service is about to start.
    return join(data, "api.sock");
  }
}

const program = join(dirname(fileURLToPath(import.meta.url)), "..", "bin", "hatchery.js");
const longestStart = 30_000;
const startPoll = 50;
