import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The API's Unix socket with canned answers, and the command line as a process of its own against it. */
export interface FakeService {
  readonly data: string;
  /** What was asked for, in order. */
  readonly requests: readonly FakeRequest[];
  run(argv: readonly string[], options?: RunOptions): Promise<Outcome>;
  close(): Promise<void>;
}

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

export interface RunOptions {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Bodies by method and path; a status other than 200 stands beside its body. */
export type Answers = Readonly<Record<string, unknown>>;

export interface Refusal {
  readonly status: number;
  readonly refused: unknown;
}

/** Serves `answers`; a request without one is answered as the service answers an unknown path. */
export async function fakeService(answers: Answers = {}): Promise<FakeService> {
  const data = await mkdtemp(join(tmpdir(), "hatchery-cli-"));
  const requests: FakeRequest[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const text = Buffer.concat(parts).toString("utf8");
    const { method = "", url = "" } = request;
    requests.push({ method, path: url, body: text === "" ? undefined : JSON.parse(text) });
    const answer = answers[`${method} ${url}`] ?? refusal(404, "not-found", `There is no ${method} ${url}.`);
    const { status, body } = isRefusal(answer)
      ? { status: answer.status, body: answer.refused }
      : { status: 200, body: answer };
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(join(data, "api.sock"), resolve));
  return {
    data,
    requests,
    run: (argv, options) => hatchery([...argv, "--data", data], options),
    async close() {
      await new Promise((resolve) => server.close(resolve));
      await rm(data, { recursive: true });
    },
  };
}

/** An answer that refuses, in the API's form. */
export function refusal(status: number, code: string, message: string): Refusal {
  return { status, refused: { error: { code, message } } };
}

/** Runs `bin/hatchery.js` to its end. */
export function hatchery(argv: readonly string[], { input = "", environment = {} }: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const { HATCHERY_DATA: _, HATCHERY_PASSWORD: __, ...inherited } = process.env;
    const child = spawn(process.execPath, [program, ...argv], { env: { ...inherited, ...environment } });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on("data", (part: Buffer) => output.push(part));
    child.stderr.on("data", (part: Buffer) => errors.push(part));
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({ code, output: Buffer.concat(output).toString("utf8"), errors: Buffer.concat(errors).toString("utf8") }),
    );
    // A command that does not read its input may end before it is written.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** A file of a test's data directory. */
export async function fileIn(service: FakeService, name: string, content: string | Uint8Array): Promise<string> {
  const path = join(service.data, name);
  await writeFile(path, content);
  return path;
}

function isRefusal(answer: unknown): answer is Refusal {
  return typeof answer === "object" && answer !== null && "refused" in answer;
}

const program = fileURLToPath(new URL("../../bin/hatchery.js", import.meta.url));
