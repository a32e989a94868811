import { concat, utf8, view } from "../../core/bytes.ts";
import type { Headers } from "../../transport/http/message.ts";
import { EstFailed } from "./errors.ts";

/** A body part of multipart/mixed (RFC 2046 5.1). */
export interface Part {
  readonly headers: Headers;
  /** As it stands in the message, whatever its Content-Transfer-Encoding says. */
  readonly body: Uint8Array;
}

/** The body of a multipart/mixed message. `boundary` must begin no line of a part, which is not checked. */
export function encodeMultipart(parts: readonly Part[], boundary: string): Uint8Array {
  const encoded = parts.flatMap(({ headers, body }) => [
    utf8(`--${boundary}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`),
    body,
    utf8("\r\n"),
  ]);
  return concat([...encoded, utf8(`--${boundary}--\r\n`)]);
}

/**
 * The parts of a multipart/mixed body, at most 8, as views of it; lines may end with CRLF or LF alone. What stands before the
 * first boundary and behind the last is passed over (RFC 2046 5.1.1; the example of RFC 7030 A.4 has such a text). Throws
 * EstFailed `response-malformed`. It does not look into the bodies, nor at what the parts' headers say.
 */
export function decodeMultipart(body: Uint8Array, boundary: string): readonly Part[] {
  if (!boundaryPattern.test(boundary)) throw malformed("its boundary is not one of RFC 2046");
  const bytes = view(body);
  const parts: Part[] = [];
  let delimiter = nextDelimiter(bytes, boundary, 0);
  if (delimiter === undefined) throw malformed("it has no part");
  while (!delimiter.closes) {
    if (parts.length === mostParts) throw malformed(`it has more than ${mostParts} parts`);
    const next = nextDelimiter(bytes, boundary, delimiter.end);
    if (next === undefined) throw malformed("it ends without its last boundary");
    parts.push(readPart(bytes.subarray(delimiter.end, lineEndBefore(bytes, delimiter.end, next.start))));
    delimiter = next;
  }
  if (parts.length === 0) throw malformed("it has no part");
  return parts;
}

/** A line that is the boundary. */
interface Delimiter {
  readonly start: number;
  /** Behind its line end. */
  readonly end: number;
  readonly closes: boolean;
}

function nextDelimiter(bytes: Buffer, boundary: string, from: number): Delimiter | undefined {
  const dashes = `--${boundary}`;
  for (let start = bytes.indexOf(dashes, from); start >= 0; start = bytes.indexOf(dashes, start + 1)) {
    if (start > 0 && bytes[start - 1] !== lineFeed) continue;
    const lineFeedAt = bytes.indexOf(lineFeed, start);
    const end = lineFeedAt < 0 ? bytes.length : lineFeedAt + 1;
    const behind = start + dashes.length;
    // A longer line is refused before it is copied: the boundary is followed by white space at most.
    if (end - behind > mostPadding) continue;
    const rest = /^(--)?[ \t]*(\r?\n)?$/.exec(bytes.toString("latin1", behind, end));
    if (rest === null) continue;
    const closes = rest[1] !== undefined;
    if (rest[2] === undefined && !closes) continue;
    return { start, end, closes };
  }
  return undefined;
}

/** The line end before a boundary belongs to the boundary (RFC 2046 5.1.1). */
function lineEndBefore(bytes: Buffer, from: number, at: number): number {
  let end = at;
  if (end > from && bytes[end - 1] === lineFeed) end -= 1;
  if (end < at && end > from && bytes[end - 1] === carriageReturn) end -= 1;
  return end;
}

function readPart(bytes: Buffer): Part {
  const headers: [string, string][] = [];
  let at = 0;
  for (;;) {
    const lineFeedAt = bytes.indexOf(lineFeed, at);
    // A part without a body may end with its headers.
    const end = lineFeedAt < 0 ? bytes.length : lineFeedAt;
    if (end > mostHeaderBytes) throw malformed(`the headers of a part have more than ${mostHeaderBytes} octets`);
    const line = bytes.toString("latin1", at, end).replace(/\r$/, "");
    at = lineFeedAt < 0 ? bytes.length : lineFeedAt + 1;
    if (line === "") return { headers, body: bytes.subarray(at) };
    const folded = headers.at(-1);
    // RFC 5322 2.2.3: a line that begins with white space goes on with the field before.
    if (/^[ \t]/.test(line) && folded !== undefined) {
      folded[1] = `${folded[1]} ${line.trim()}`.trim();
      continue;
    }
    const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:(.*)$/.exec(line);
    if (field === null) throw malformed("a part has a header line that is none");
    if (headers.length === mostHeaders) throw malformed(`a part has more than ${mostHeaders} header fields`);
    headers.push([field[1] ?? "", (field[2] ?? "").trim()]);
  }
}

function malformed(why: string): EstFailed {
  return new EstFailed(
    "response-malformed",
    `the server's answer is not a well-formed multipart/mixed message: ${why}`,
  );
}

/** RFC 2046 5.1.1: 1 to 70 characters, the last of which is no space. */
const boundaryPattern = /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/;

/** serverkeygen has two. */
const mostParts = 8;
const mostHeaders = 16;
const mostHeaderBytes = 4096;
/** Behind the boundary on its line. */
const mostPadding = 256;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
