import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { codeOf } from "../../core/errors.ts";
import { readBody } from "./body.ts";
import type { Connections, OpenConnection } from "./connections.ts";
import { addressOf } from "./peer.ts";
import { answerTo, type Refusal, type RefusalCode, type RefusalReport } from "./refusals.ts";
import { bareReply, writeReply } from "./reply.ts";

type Report = (report: RefusalReport) => void;

/** Answers `request` with `refusal` and reports it; does nothing when the connection was already given up. */
export async function refuse(
  connections: Connections,
  report: Report,
  refusal: Refusal,
  request: IncomingMessage,
  reply: ServerResponse,
): Promise<void> {
  const connection = connections.of(request.socket);
  if (connection === undefined || connection.abandoned) return;
  const cause = refusal.cause === undefined ? {} : { cause: refusal.cause };
  report({ code: refusal.code, address: connection.address, ...cause });
  // A client that writes its whole body before it reads would get a reset instead of the answer. One that waits for
  // 100 Continue (RFC 9110 section 10.1.1) has not sent it.
  if (!request.complete && request.headers.expect === undefined) await readBody(request, discardedBytes);
  const answer = answerTo(refusal.code, refusal.fields);
  if (answer === undefined || request.socket.destroyed || connection.abandoned) {
    request.socket.destroySoon();
    return;
  }
  const close = connection.ending || connections.stopping || !request.complete || !continuable.has(refusal.code);
  connection.ending ||= close;
  writeReply(reply, answer, connection.address, close);
}

/** Answers what Node's parser refused or found too slow, and reports failed handshakes; the connection ends. */
export function refuseUnparsed(connections: Connections, report: Report, error: unknown, socket: Duplex): void {
  const connection = connections.of(socket);
  if (connection === undefined) {
    // A peer that leaves during the handshake, such as a health check, is no failure.
    if (codeOf(error) !== "ECONNRESET")
      report({ code: "handshake-failed", address: addressOf(socket as { remoteAddress?: string }), cause: error });
    socket.destroy();
    return;
  }
  if (connection.abandoned || connection.ending) return;
  const code = codeOfParserError(codeOf(error));
  report({ code, address: connection.address, cause: error });
  // What follows a complete request must not take the place of its answer.
  if (connection.active > 0 && connection.latest?.complete === true && !socket.destroyed) {
    connection.ending = true;
    return;
  }
  connection.abandoned = true;
  const answer = answerTo(code);
  if (answer === undefined || !socket.writable) {
    socket.destroy();
    return;
  }
  endSlowly(connection, bareReply(answer));
}

/** Answers a CONNECT, which Node hands over outside of the order of requests; the connection ends. */
export function refuseTunnel(connections: Connections, report: Report, socket: Duplex): void {
  const connection = connections.of(socket);
  const answer = answerTo("method-unknown");
  if (connection === undefined || connection.active > 0 || answer === undefined) {
    socket.destroy();
    return;
  }
  report({ code: "method-unknown", address: connection.address });
  connection.abandoned = true;
  socket.on("error", () => socket.destroy());
  endSlowly(connection, bareReply(answer));
}

// Closing a socket that holds unread bytes resets it, and the reset can overtake the answer.
function endSlowly(connection: OpenConnection, reply: Uint8Array): void {
  const { socket } = connection;
  socket.end(reply);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMilliseconds);
  socket.once("close", () => clearTimeout(timer));
}

function codeOfParserError(code: string): RefusalCode {
  switch (code) {
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return "request-timeout";
    case "HPE_HEADER_OVERFLOW":
      return "header-too-large";
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return "body-too-large";
    default:
      return code.startsWith("HPE_") ? "broken-request" : "request-aborted";
  }
}

// After these the next request of the connection can be told apart from the refused one.
const continuable: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  "body-too-large",
  "handler-failed",
  "method-not-allowed",
  "not-found",
]);

const discardedBytes = 256 * 1024;
const lingerMilliseconds = 1_000;
