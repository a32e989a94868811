import { HatcheryError } from "../core/errors.ts";
import { derOfBer } from "../encoding/ber.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { derFaults, type Element, elementAt, elementsBetween } from "./explain-faults.ts";
import { error, type Finding } from "./explain-model.ts";

/** What stands where in a structure, by the names of its specification. */
export interface Shape {
  readonly name: string;
  /** Identifier octets that it may begin with. */
  readonly tags: readonly number[];
  readonly optional?: true;
  /** What stands in it; left out when anything may. */
  readonly content?: readonly Shape[];
}

/** A ContentInfo (RFC 5652 3) that holds a SEQUENCE of this name. */
export function contentInfoShape(name: string, content: readonly Shape[]): Shape {
  const inner = { name, tags: [tags.sequence], content };
  return {
    name: "a CMS message",
    tags: [tags.sequence],
    content: [
      { name: "contentType", tags: [tags.objectIdentifier] },
      { name: "content", tags: [contextConstructed(0)], content: [inner] },
    ],
  };
}

export interface Tolerated<T> {
  /** What was read, of the octets themselves or after a repair that is among the findings; undefined when it is past repair. */
  readonly value: T | undefined;
  /** The octets of each part that stands where it should, by name: what can be said of a structure that is past repair. */
  readonly parts: ReadonlyMap<string, Uint8Array>;
  readonly findings: readonly Finding[];
}

/**
 * Reads a block strictly, and when that fails once more without what follows after its end, and as the DER of its BER. Says what
 * is wrong and where, with what was expected there.
 */
export function tolerated<T>(bytes: Uint8Array, shape: Shape, parse: (bytes: Uint8Array) => T): Tolerated<T> {
  const strict = attempted(() => parse(bytes));
  if (!(strict instanceof HatcheryError)) return { value: strict.value, parts: new Map(), findings: [] };
  const faults = derFaults(bytes);
  const first = elementAt(bytes, 0, bytes.length);
  const trimmed = first === undefined ? bytes : bytes.subarray(0, Math.max(first.end, 2));
  const repaired = attempted(() => derOfBer(trimmed, mostRepaired));
  const der = repaired instanceof HatcheryError ? trimmed : repaired.value;
  const again = attempted(() => parse(der));
  if (!(again instanceof HatcheryError))
    return { value: again.value, parts: new Map(), findings: withFallback(faults, strict) };
  const { parts, mismatch } = matched(der, shape);
  const place = faults.length === 0 && mismatch !== undefined ? [mismatch] : [];
  return { value: undefined, parts, findings: withFallback([...faults, ...place], again) };
}

/** The strict reader's own sentence says what no walk over elements can know. */
function withFallback(findings: readonly Finding[], refusal: HatcheryError): readonly Finding[] {
  const code =
    refusal.code === "duplicate-extension" || refusal.code === "duplicate-attribute" ? refusal.code : "malformed";
  return findings.length > 0 && code === "malformed" ? findings : [...findings, error(code, refusal.message)];
}

function attempted<T>(work: () => T): { readonly value: T } | HatcheryError {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof HatcheryError) return error;
    throw error;
  }
}

interface Match {
  readonly parts: Map<string, Uint8Array>;
  mismatch: Finding | undefined;
}

function matched(bytes: Uint8Array, shape: Shape): Match {
  const match: Match = { parts: new Map(), mismatch: undefined };
  matchAll(bytes, elementsBetween(bytes, 0, bytes.length, 1), bytes.length, [shape], match);
  return match;
}

function matchAll(
  bytes: Uint8Array,
  elements: readonly Element[],
  end: number,
  shapes: readonly Shape[],
  match: Match,
): void {
  let next = 0;
  for (const shape of shapes) {
    const element = elements[next];
    if (element === undefined || !shape.tags.includes(element.tag)) {
      if (shape.optional === true) continue;
      const found = element === undefined ? "nothing" : typeText(element.tag);
      match.mismatch ??= error(
        "malformed",
        `Here ${shape.name} is expected, ${shape.tags.map(typeText).join(" or ")}; found is ${found}.`,
        element?.start ?? end,
      );
      return;
    }
    next += 1;
    const isWhole = element.end <= bytes.length;
    if (isWhole) match.parts.set(shape.name, bytes.subarray(element.start, element.end));
    if (shape.content !== undefined) {
      const last = Math.min(element.end, bytes.length);
      matchAll(bytes, elementsBetween(bytes, element.content, last, mostElements), last, shape.content, match);
    }
    if (!isWhole) return;
  }
  const extra = elements[next];
  if (extra !== undefined)
    match.mismatch ??= error(
      "malformed",
      `Here nothing more is expected; found is ${typeText(extra.tag)}.`,
      extra.start,
    );
}

function typeText(tag: number): string {
  const name = typeNames.get(tag);
  if (name !== undefined) return name;
  return tag >= 0x80 && tag < 0xc0 ? `context tag [${tag & 0x1f}]` : `tag 0x${tag.toString(16).padStart(2, "0")}`;
}

const typeNames: ReadonlyMap<number, string> = new Map([
  [tags.boolean, "BOOLEAN"],
  [tags.integer, "INTEGER"],
  [tags.bitString, "BIT STRING"],
  [tags.octetString, "OCTET STRING"],
  [tags.null, "NULL"],
  [tags.objectIdentifier, "OBJECT IDENTIFIER"],
  [tags.utf8String, "UTF8String"],
  [tags.printableString, "PrintableString"],
  [tags.ia5String, "IA5String"],
  [tags.utcTime, "UTCTime"],
  [tags.generalizedTime, "GeneralizedTime"],
  [tags.sequence, "SEQUENCE"],
  [tags.set, "SET"],
]);

/** Octets of BER: what is rewritten takes many times its size. */
const mostRepaired = 1_048_576;

/** More than any structure of a fixed shape has. */
const mostElements = 16;
