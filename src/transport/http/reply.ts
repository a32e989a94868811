import { Buffer } from "node:buffer";
import { channel } from "node:diagnostics_channel";
import { type ServerResponse, STATUS_CODES } from "node:http";
import { view } from "../../core/bytes.ts";
import type { HttpResponse } from "./message.ts";

/** What `hatchery:reply:before` and `hatchery:reply:after` publish: just before a reply goes to the socket, and after it did. */
export interface ReplyEvent {
  readonly address: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

/**
 * Writes `response` with its Content-Length in one piece, then ends the connection when `close` is set.
 *
 * Small replies leave in one TLS record: strongSwan 5.9 wants the whole header in its first read of 1,024 bytes. The
 * response must not have Content-Length, Transfer-Encoding or Connection of its own. Throws what Node throws for a field
 * that cannot be written, before a byte is sent.
 */
export function writeReply(reply: ServerResponse, response: HttpResponse, address: string, close: boolean): void {
  const fields: string[] = [];
  for (const [name, value] of response.headers) fields.push(name, value);
  // RFC 9110 section 8.6: no Content-Length in a 204, and in a 304 that of the content which is not sent.
  if (response.status !== 204 && response.status !== 304) fields.push("Content-Length", String(response.body.length));
  if (close) fields.push("Connection", "close");
  reply.writeHead(response.status, fields);
  const { method = "", url = "" } = reply.req;
  const event: ReplyEvent = { address, method, path: url, status: response.status };
  replyBefore.publish(event);
  reply.once("finish", () => replyAfter.publish(event));
  reply.end(view(response.body));
}

/** The bytes of a reply for a connection whose request could not be parsed, so that no `ServerResponse` exists. */
export function bareReply(response: HttpResponse): Uint8Array {
  const lines = [
    `HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ""}`,
    ...response.headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${response.body.length}`,
    "Connection: close",
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), response.body]);
}

const replyBefore = channel("hatchery:reply:before");
const replyAfter = channel("hatchery:reply:after");
