import { concat, view } from "../core/bytes.ts";
import { decodeDer } from "./der.ts";
import { element } from "./der-writer.ts";
import { DerError } from "./errors.ts";
import { tags } from "./tags.ts";

/**
 * The DER of BER as CMS writers make it: indefinite lengths, lengths with spare octets, OCTET STRINGs in pieces (X.690
 * 8.1.3, 8.7.3). What is DER already stays the same bytes, as a view. Throws DerError. For CMS only, and only where
 * nothing that changes was signed or hashed. It does not look into primitive elements. What is not DER may have 32,768
 * elements, or pieces of strings.
 */
export function derOfBer(bytes: Uint8Array, maximumLength: number): Uint8Array {
  if (bytes.length > maximumLength)
    throw new DerError("too-large", `BER of ${bytes.length} octets exceeds the limit of ${maximumLength}.`);
  // Most messages are DER, and seeing that costs less than taking one apart.
  if (hasDefiniteForm(view(bytes), 0, bytes.length, 0)) return bytes;
  const { der, end } = normalised({ bytes: view(bytes), elementsLeft: maximumElements }, 0, bytes.length, 0);
  if (end !== bytes.length) throw new DerError("trailing-bytes", "BER has octets after its end.");
  return der;
}

/**
 * Whether the octets are elements of definite and minimal lengths, all the way down. When it says no, `normalised` finds out
 * what they are.
 */
function hasDefiniteForm(bytes: Buffer, start: number, limit: number, depth: number): boolean {
  if (depth > maximumDepth) return false;
  for (let at = start; at < limit; ) {
    const tag = bytes[at] ?? 0;
    if ((tag & 0x1f) === 0x1f || tag === endOfContents || tag === constructedOctetString) return false;
    if (at + 1 >= limit) return false;
    const first = bytes[at + 1] ?? 0;
    const count = first < 0x80 ? 0 : first & 0x7f;
    const content = at + 2 + count;
    if (first === 0x80 || count > 4 || content > limit) return false;
    const length = count === 0 ? first : bytes.readUIntBE(at + 2, count);
    if (length > limit - content) return false;
    if (count > 0 && (length < 0x80 || length < 0x100 ** (count - 1))) return false;
    if ((tag & constructedBit) !== 0 && !hasDefiniteForm(bytes, content, content + length, depth + 1)) return false;
    at = content + length;
    if (depth === 0 && at !== limit) return false;
  }
  return limit > start || depth > 0;
}

interface Normalised {
  readonly der: Uint8Array;
  /** Where the element ended in the BER. */
  readonly end: number;
  /** Whether `der` differs from what was received. */
  readonly changed: boolean;
}

interface Source {
  readonly bytes: Buffer;
  elementsLeft: number;
}

function normalised(source: Source, start: number, limit: number, depth: number): Normalised {
  const { bytes } = source;
  source.elementsLeft -= 1;
  if (source.elementsLeft < 0) throw new DerError("too-many-items", `BER has more than ${maximumElements} elements.`);
  if (depth > maximumDepth) throw new DerError("too-deep", `BER is nested deeper than ${maximumDepth} levels.`);
  const tag = octetAt(bytes, start, limit);
  if ((tag & 0x1f) === 0x1f) throw new DerError("high-tag", "BER with a tag number above 30 is not supported.");
  if (tag === endOfContents) throw new DerError("unexpected-tag", "BER has end-of-contents octets in a wrong place.");
  const { content, end, minimal } = extentOf(bytes, start + 1, limit);

  if ((tag & constructedBit) === 0) {
    if (end === undefined) throw new DerError("indefinite-length", "BER has a primitive element of indefinite length.");
    if (minimal) return { der: bytes.subarray(start, end), end, changed: false };
    return { der: element(tag, bytes.subarray(content, end)), end, changed: true };
  }

  const children: Uint8Array[] = [];
  let changed = !minimal || end === undefined || tag === constructedOctetString;
  let offset = content;
  while (end === undefined ? octetAt(bytes, offset, limit) !== endOfContents : offset < end) {
    const child = normalised(source, offset, end ?? limit, depth + 1);
    changed ||= child.changed;
    children.push(child.der);
    offset = child.end;
  }
  if (end === undefined) {
    if (octetAt(bytes, offset + 1, limit) !== 0) throw new DerError("bad-value", "BER end-of-contents has a content.");
    offset += 2;
  }
  if (!changed) return { der: bytes.subarray(start, offset), end: offset, changed };
  if (tag !== constructedOctetString) return { der: element(tag, concat(children)), end: offset, changed };
  const pieces = children.map((piece) => decodeDer(piece, (reader) => reader.octetString(), piece.length));
  return { der: element(tags.octetString, concat(pieces)), end: offset, changed };
}

interface Extent {
  readonly content: number;
  /** Undefined when the length is indefinite. */
  readonly end: number | undefined;
  readonly minimal: boolean;
}

function extentOf(bytes: Buffer, start: number, limit: number): Extent {
  const first = octetAt(bytes, start, limit);
  if (first === 0x80) return { content: start + 1, end: undefined, minimal: false };
  const count = first < 0x80 ? 0 : first & 0x7f;
  if (count > 4) throw new DerError("too-large", "BER element has a length of more than four octets.");
  const content = start + 1 + count;
  let length = first < 0x80 ? first : 0;
  for (let i = start + 1; i < content; i += 1) length = length * 0x100 + octetAt(bytes, i, limit);
  if (length > limit - content) throw new DerError("truncated", "BER element is longer than what holds it.");
  const minimal = count === 0 || (length >= 0x80 && length >= 0x100 ** (count - 1));
  return { content, end: content + length, minimal };
}

function octetAt(bytes: Buffer, offset: number, limit: number): number {
  const octet = offset < limit ? bytes[offset] : undefined;
  if (octet === undefined) throw new DerError("truncated", "BER ends within an element.");
  return octet;
}

const endOfContents = 0x00;
const constructedBit = 0x20;
const constructedOctetString = tags.octetString | constructedBit;

/** A certificate inside SignedData stands at depth 4 and has about 10 levels of its own. */
const maximumDepth = 32;

/** Each may cost half a microsecond: a megabyte in pieces of 32 octets, or about 400 certificates. */
const maximumElements = 2 ** 15;
