import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, unlink } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { FastifyInstance } from "fastify";
import { codeOf } from "../../core/errors.ts";
import { reasonOf, TransportError } from "../errors.ts";
import type { ApiApp } from "./api-app.ts";
import { readBody } from "./body.ts";

/**
 * Makes `app` listen on a Unix socket of mode 0600 in a directory of mode 0700, where opening it is the proof of being the
 * same user, and returns the path that was used: an over-long one moves to the user's runtime directory.
 *
 * A socket that nobody listens on is replaced. Throws `address-in-use` when somebody does, or `listen-failed`.
 */
export async function listenUnix(app: ApiApp | FastifyInstance, path: string): Promise<string> {
  const short = shortened(path);
  try {
    await privateDirectory(dirname(short));
    await removeDead(short);
    await app.listen({ path: short });
    await chmod(short, 0o600);
  } catch (cause) {
    if (cause instanceof TransportError) throw cause;
    throw new TransportError("listen-failed", `Listening on ${short} failed: ${reasonOf(cause)}.`, { cause });
  }
  return short;
}

export interface UnixRequest {
  readonly method: string;
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Whole exchange, default 30,000 ms. */
  readonly timeout?: number;
}

export interface UnixResponse {
  readonly status: number;
  /** What the JSON body holds; undefined when there is none. */
  readonly body: unknown;
}

/**
 * One request to the API on the Unix socket at `path` (the one that `listenUnix` was given); does not look at the status.
 *
 * Throws `service-not-running`, `timeout`, `response-too-large`, `broken-response` or `association-closed`.
 */
export async function requestUnix(path: string, request: UnixRequest): Promise<UnixResponse> {
  const content = request.body === undefined ? undefined : JSON.stringify(request.body);
  const timeout = request.timeout ?? defaultTimeout;
  const deadline = AbortSignal.timeout(timeout);
  const { status, text } = await new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    const fail = (cause: unknown) => reject(requestError(cause, deadline, timeout));
    const outgoing = httpRequest(
      {
        socketPath: shortened(path),
        agent: false,
        method: request.method,
        path: request.path,
        headers: {
          Host: "localhost",
          Accept: "application/json",
          ...(content === undefined
            ? {}
            : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(content) }),
        },
        signal: deadline,
      },
      async (incoming) => {
        const outcome = await readBody(incoming, responseLimit);
        if (outcome.kind === "complete")
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.from(outcome.body).toString("utf8") });
        else if (outcome.kind === "aborted") fail(outcome.cause);
        else
          fail(new TransportError("response-too-large", `The service answered with more than ${responseLimit} bytes.`));
        outgoing.destroy();
      },
    );
    outgoing.on("error", fail);
    outgoing.end(content);
  });
  return { status, body: text === "" ? undefined : parsed(text) };
}

function requestError(cause: unknown, deadline: AbortSignal, timeout: number): TransportError {
  if (cause instanceof TransportError) return cause;
  if (deadline.aborted)
    return new TransportError("timeout", `The service did not answer within ${timeout} ms.`, { cause });
  const code = codeOf(cause);
  if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR")
    return new TransportError("service-not-running", "No service is running here; start it with `hatchery up`.", {
      cause,
    });
  if (code === "EACCES")
    return new TransportError(
      "service-not-running",
      "The service belongs to another user; run this command as that user.",
      { cause },
    );
  if (code.startsWith("HPE_"))
    return new TransportError("broken-response", "The service answered with something that is not HTTP.", { cause });
  return new TransportError("association-closed", `The service ended the connection: ${reasonOf(cause)}.`, { cause });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TransportError("broken-response", "The service answered with something that is not JSON.", { cause });
  }
}

// Every process of one user derives the same short path from the same long one.
function shortened(path: string): string {
  if (Buffer.byteLength(path) <= longestSocketPath) return path;
  const runtime = process.env["XDG_RUNTIME_DIR"];
  const directory =
    runtime === undefined || Buffer.byteLength(runtime) > longestSocketPath - shortNameLength
      ? join(tmpdir(), `hatchery-${process.getuid?.() ?? 0}`)
      : join(runtime, "hatchery");
  const name = createHash("sha256").update(path).digest("hex").slice(0, 32);
  return join(directory, `${name}.sock`);
}

async function privateDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const found = await lstat(directory);
  // Below a shared directory somebody else may have made it first.
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o077) !== 0)
    throw new TransportError(
      "listen-failed",
      `The directory ${directory} must belong to this user alone; set its mode to 0700 or remove it.`,
    );
}

async function removeDead(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket())
    throw new TransportError("listen-failed", `${path} is in the way and is no socket; move it away.`);
  if (await isLive(path))
    throw new TransportError("address-in-use", `A service already listens on ${path}; stop it first.`);
  await unlink(path);
}

function isLive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Only a refusal proves that nobody listens; a full backlog (EAGAIN) does not.
    socket.once("error", (error) => resolve(codeOf(error) !== "ECONNREFUSED"));
  });
}

// sun_path of Linux without its final zero.
const longestSocketPath = 107;
const shortNameLength = "/hatchery/".length + 32 + ".sock".length;
const defaultTimeout = 30_000;
const responseLimit = 64 * 1024 * 1024;
