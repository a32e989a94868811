import { view } from "../core/bytes.ts";
import { DerReader } from "../encoding/der.ts";
import { DerError } from "../encoding/errors.ts";
import { tags } from "../encoding/tags.ts";
import { error, type Finding } from "./explain-model.ts";

/** An element as far as its header can be believed; offsets are from the start of the block. */
export interface Element {
  readonly tag: number;
  readonly start: number;
  readonly content: number;
  /** Where it ends, or would end if it were not cut off. */
  readonly end: number;
}

/**
 * What in a block is no DER, with the place, the first few faults of it: lengths, primitive values, octets after the end. It
 * walks through all that looks like elements, without knowing what they should be.
 */
export function derFaults(bytes: Uint8Array): readonly Finding[] {
  const walk: Walk = { bytes: view(bytes), faults: [], elements: 0 };
  const first = elementAt(walk.bytes, 0, bytes.length);
  if (first === undefined) return [error("truncated", "The block ends within the header of its first element.", 0)];
  visit(walk, first, bytes.length, 0);
  if (first.end < bytes.length)
    walk.faults.push(
      error("trailing-bytes", `${bytes.length - first.end} octets follow after the end: cut them off.`, first.end),
    );
  return walk.faults;
}

/** The elements between two offsets, up to the first that cannot be read, and no more than `most`. */
export function elementsBetween(bytes: Uint8Array, start: number, end: number, most: number): readonly Element[] {
  const elements: Element[] = [];
  for (let at = start; at < end && elements.length < most; ) {
    const element = elementAt(view(bytes), at, end);
    if (element === undefined) break;
    elements.push(element);
    at = element.end;
  }
  return elements;
}

/** The element at an offset; undefined when its header is cut off, or has a form that is not read here. */
export function elementAt(bytes: Uint8Array, start: number, limit: number): Element | undefined {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined || start + 2 > limit || (tag & 0x1f) === 0x1f) return undefined;
  const count = first < 0x80 ? 0 : first & 0x7f;
  const content = start + 2 + count;
  // The end of an indefinite length is found by its end-of-contents octets only; what it is in reaches at least as far.
  if (first === 0x80) return { tag, start, content, end: limit };
  if (count > 4 || content > limit) return undefined;
  return { tag, start, content, end: content + (count === 0 ? first : view(bytes).readUIntBE(start + 2, count)) };
}

interface Walk {
  readonly bytes: Buffer;
  readonly faults: Finding[];
  elements: number;
}

function visit(walk: Walk, element: Element, limit: number, depth: number): void {
  const { bytes, faults } = walk;
  const { tag, start, content, end } = element;
  walk.elements += 1;
  const stop = faults.length >= mostFaults || walk.elements > mostElements || depth > mostDepth;
  if (stop) return;
  const fault = (code: "not-der" | "truncated" | "malformed", text: string) => faults.push(error(code, text, start));
  if (end > limit) {
    // Each element in it would be cut off as well.
    fault("truncated", `The element claims ${end - content} octets, and what holds it has ${limit - content}.`);
    return;
  }
  if (bytes[start + 1] === 0x80) {
    fault("not-der", "The element has an indefinite length, which is BER: DER writes the length.");
    return;
  }
  const isMinimal = hasMinimalLength(bytes, element);
  if (!isMinimal) fault("not-der", "The length is written with more octets than it needs.");
  if ((tag & 0x20) === 0) {
    const complaint = isMinimal ? primitiveFault(bytes, element, limit) : undefined;
    if (complaint !== undefined) fault("malformed", complaint);
    return;
  }
  for (let at = content; at < end && faults.length < mostFaults; ) {
    const child = elementAt(bytes, at, end);
    if (child === undefined) {
      faults.push(error("truncated", "No element can be read here: its header is cut off or of an unknown form.", at));
      return;
    }
    visit(walk, child, end, depth + 1);
    at = child.end;
  }
}

/** What the strict reader has against a primitive element of a universal type. */
function primitiveFault(bytes: Buffer, { tag, start, end }: Element, limit: number): string | undefined {
  const read = primitives.get(tag);
  if (read === undefined || end > limit) return undefined;
  try {
    read(new DerReader(bytes, start, end, 0));
    return undefined;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return error.message;
  }
}

function hasMinimalLength(bytes: Buffer, { start, content, end }: Element): boolean {
  const octets = content - start - 2;
  const length = end - content;
  return octets === 0 || (length >= 0x80 && length >= 0x100 ** (octets - 1) && (bytes[start + 2] ?? 0) !== 0);
}

const primitives: ReadonlyMap<number, (reader: DerReader) => unknown> = new Map<number, (reader: DerReader) => unknown>(
  [
    [tags.boolean, (reader) => reader.boolean()],
    [tags.integer, (reader) => reader.integer()],
    [tags.bitString, (reader) => reader.bitString()],
    [tags.null, (reader) => reader.null()],
    [tags.objectIdentifier, (reader) => reader.objectIdentifier()],
    [tags.utcTime, (reader) => reader.time()],
    [tags.generalizedTime, (reader) => reader.time()],
    ...[tags.utf8String, tags.printableString, tags.ia5String, tags.numericString, tags.bmpString].map(
      (type) => [type, (reader: DerReader) => reader.text(type)] as const,
    ),
  ],
);

/** Enough to see what is wrong; the rest often follows from the first. */
const mostFaults = 5;
/** The entries of a large CRL need not all be looked at. */
const mostElements = 100_000;
const mostDepth = 32;
