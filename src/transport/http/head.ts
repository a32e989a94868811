import type { IncomingMessage } from "node:http";
import type { Headers } from "./message.ts";
import type { RefusalCode } from "./refusals.ts";

/** Header fields in the order and spelling of the wire, repeated ones included. */
export function fieldsOf(message: Pick<IncomingMessage, "rawHeaders">): Headers {
  const raw = message.rawHeaders;
  const fields: (readonly [string, string])[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) fields.push([raw[index] as string, raw[index + 1] as string]);
  return fields;
}

/** The target in origin form: RFC 9112 section 3.2.2 demands that a server take the absolute form too. */
export function originForm(target: string): string {
  const authority = /^https?:\/\/[^/?#]*/i.exec(target);
  if (authority === null) return target;
  const rest = target.slice(authority[0].length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/**
 * What is wrong with a header block that the parser of Node let through; undefined when nothing is.
 *
 * The parser itself refuses Content-Length twice or together with Transfer-Encoding, folded lines and bare control
 * characters. For other repeated fields it would keep the first or join them, and two readers of one request could differ.
 */
export function refusalOfHead(
  message: Pick<IncomingMessage, "httpVersion" | "headers" | "rawHeaders">,
  maximumFields: number,
): RefusalCode | undefined {
  const raw = message.rawHeaders;
  if (raw.length > 2 * maximumFields) return "header-too-large";
  const seen = new Set<string>();
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase();
    if (!singular.has(name)) continue;
    if (seen.has(name)) return "field-repeated";
    seen.add(name);
  }
  if (!seen.has("host") && message.httpVersion !== "1.0") return "field-missing";
  const coding = message.headers["transfer-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "chunked") return "coding-unknown";
  return undefined;
}

const singular = new Set(["authorization", "content-length", "content-type", "host", "transfer-encoding"]);
