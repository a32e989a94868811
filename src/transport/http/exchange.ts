import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { TLSSocket } from "node:tls";
import { view } from "../../core/bytes.ts";
import { codeOf } from "../../core/errors.ts";
import { reasonOf, TransportError } from "../errors.ts";
import { readBody } from "./body.ts";
import { fieldsOf } from "./head.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";

interface ExchangeTimeouts {
  readonly header: number;
  readonly body: number;
}

interface ExchangeLimits {
  readonly headerBytes: number;
  readonly bodyBytes: number;
}

/**
 * Requests on `socket`, one after another; adds Host and Content-Length. Any failure ends the association, because where the
 * next response begins is no longer known. Does not follow redirects and does not look at the status.
 */
export function exchangeOn(
  socket: TLSSocket,
  authority: string,
  timeouts: ExchangeTimeouts,
  limits: ExchangeLimits,
): (request: HttpRequest, signal?: AbortSignal) => Promise<HttpResponse> {
  const agent = singleSocketAgent(socket);
  let lastError: unknown;
  socket.on("error", (error) => {
    lastError = error;
  });
  let turn: Promise<unknown> = Promise.resolve();

  const exchange = async (request: HttpRequest, signal: AbortSignal | undefined): Promise<HttpResponse> => {
    signal?.throwIfAborted();
    if (socket.destroyed) throw closedError(lastError);
    const outgoing = start(agent, authority, request, limits.headerBytes);
    // A response that turns out broken in its body is an error of the request; the response itself only ends early.
    let failure: unknown;
    outgoing.on("error", (cause) => {
      failure ??= cause;
    });
    const abort = () => outgoing.destroy();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const incoming = await responseTo(outgoing, request.body, timeouts.header);
      return await responseOf(outgoing, incoming, timeouts.body, limits.bodyBytes);
    } catch (error) {
      outgoing.destroy();
      socket.destroy();
      signal?.throwIfAborted();
      throw failure === undefined || isSettled(error) ? error : exchangeError(failure);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  };

  return (request, signal) => {
    const answer = turn.then(() => exchange(request, signal));
    turn = answer.catch(() => {});
    return answer;
  };
}

// node:https reuses a kept connection only through an Agent, and an Agent opens another one when that is gone.
function singleSocketAgent(socket: TLSSocket): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let handedOut = false;
  agent.createConnection = (_options, done) => {
    if (handedOut || socket.destroyed) {
      done?.(closedError(undefined), socket);
      return undefined;
    }
    handedOut = true;
    return socket;
  };
  return agent;
}

function start(agent: Agent, authority: string, request: HttpRequest, maxHeaderSize: number): ClientRequest {
  const fields = ["Host", authority];
  for (const [name, value] of request.headers) fields.push(name, value);
  if (request.body.length > 0 || methodsWithContent.has(request.method))
    fields.push("Content-Length", String(request.body.length));
  try {
    return httpsRequest({ agent, method: request.method, path: request.path, headers: fields, maxHeaderSize });
  } catch (cause) {
    throw new TransportError("invalid-request", `The request cannot be written as HTTP: ${reasonOf(cause)}.`, {
      cause,
    });
  }
}

function responseTo(outgoing: ClientRequest, body: Uint8Array, milliseconds: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new TransportError("timeout", `The server sent no response within ${milliseconds} ms.`));
    }, milliseconds);
    outgoing.on("response", (incoming) => {
      clearTimeout(timer);
      resolve(incoming);
    });
    outgoing.on("error", (cause) => {
      clearTimeout(timer);
      reject(exchangeError(cause));
    });
    outgoing.on("close", () => {
      clearTimeout(timer);
      reject(closedError(undefined));
    });
    outgoing.end(view(body));
  });
}

async function responseOf(
  outgoing: ClientRequest,
  incoming: IncomingMessage,
  milliseconds: number,
  bodyLimit: number,
): Promise<HttpResponse> {
  const status = incoming.statusCode ?? 0;
  const bodiless = outgoing.method === "HEAD" || status === 204 || status === 304;
  // A sentence to a person may end with the connection (RFC 9112 6.3), as the one of libest's 202 does.
  const said = status === 202 || status >= 300;
  const { "content-length": length, "transfer-encoding": coding } = incoming.headers;
  if (!bodiless && !said && length === undefined && coding === undefined)
    throw new TransportError(
      "broken-response",
      "The response has neither Content-Length nor chunked coding, so that a cut could not be noticed.",
    );
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    incoming.destroy();
  }, milliseconds);
  const outcome = await readBody(incoming, bodyLimit);
  clearTimeout(timer);
  if (late) throw new TransportError("timeout", `The response body did not arrive within ${milliseconds} ms.`);
  switch (outcome.kind) {
    case "complete":
      return { status, headers: fieldsOf(incoming), body: outcome.body };
    case "too-large":
      throw new TransportError("response-too-large", `The response body is larger than ${bodyLimit} bytes.`);
    case "aborted":
      throw exchangeError(outcome.cause);
  }
}

function exchangeError(cause: unknown): TransportError {
  if (cause instanceof TransportError) return cause;
  const code = codeOf(cause);
  if (code === "HPE_HEADER_OVERFLOW")
    return new TransportError("response-too-large", "The response header is larger than allowed.", { cause });
  if (code.startsWith("HPE_"))
    return new TransportError("broken-response", `The response is not valid HTTP/1.1: ${reasonOf(cause)}.`, { cause });
  if (code.startsWith("ERR_SSL_"))
    return new TransportError(
      "handshake-failed",
      `The server ended the TLS association, often because it refuses the client certificate: ${reasonOf(cause)}.`,
      { cause },
    );
  return closedError(cause);
}

// An early end says less than the error behind it; any other error is already the reason.
function isSettled(error: unknown): boolean {
  return codeOf(error) !== "association-closed";
}

function closedError(cause: unknown): TransportError {
  return new TransportError(
    "association-closed",
    "The TLS association ended before the response was complete; connect again.",
    cause === undefined ? {} : { cause },
  );
}

// RFC 9110 section 8.6: these say so when their content is empty.
const methodsWithContent = new Set(["POST", "PUT", "PATCH"]);
