import { concat, utf8 } from "../../../src/core/bytes.ts";
import { seededRandomness } from "../../../src/core/randomness.ts";
import { decodeDer } from "../../../src/encoding/der.ts";
import * as der from "../../../src/encoding/der-writer.ts";
import { DerError } from "../../../src/encoding/errors.ts";
import { tags } from "../../../src/encoding/tags.ts";
import { mutations } from "../../mutate.ts";

/**
 * Seeded changes of DER that leave it DER: one element gets another value or another type, is left out, doubled, or moved, and
 * the lengths around it follow. What flipped octets break at the first length gets as far as the values' meaning here. The
 * sample is DER of less than 64 KiB.
 */
export function* elementMutations(seed: number, sample: Uint8Array, count: number): Generator<Uint8Array> {
  const randomness = seededRandomness(`elements ${seed}`);
  const below = (limit: number) => Buffer.from(randomness.bytes(4)).readUInt32BE() % limit;
  const elements = elementsIn(sample);
  const total = countOf(elements);
  for (let i = 0; i < count; i += 1) {
    const at = { left: below(total) };
    const change = changes[below(changes.length)] ?? revalued;
    yield encoded(rewritten(elements, at, (element, siblings) => change(element, siblings, below)));
  }
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** What is in it, when there are elements in it. */
  readonly children?: readonly Element[];
}

type Below = (limit: number) => number;
/** What takes the place of an element. */
type Change = (element: Element, siblings: readonly Element[], below: Below) => readonly Element[];

/** A value in the type that is there: mostly a damaged one, or a text that means something to the server. */
const revalued: Change = ({ tag, content }, _siblings, below) => {
  const text = texts[below(texts.length)] ?? "";
  const [damaged = content] = mutations(below(2 ** 31), content, 1);
  return [{ tag, content: below(2) === 0 ? damaged : utf8(text) }];
};
const retyped: Change = (element, _siblings, below) => [{ ...element, tag: types[below(types.length)] ?? element.tag }];
const removed: Change = () => [];
const doubled: Change = (element) => [element, element];
const replaced: Change = (element, siblings, below) => [siblings[below(siblings.length)] ?? element];
const changes = [revalued, revalued, revalued, retyped, removed, doubled, replaced];

function elementsIn(bytes: Uint8Array): readonly Element[] {
  return decodeDer(bytes, (reader) => {
    const elements: Element[] = [];
    while (!reader.done) {
      const { tag, content } = reader.any();
      const children = (tag & constructed) !== 0 ? elementsIn(content) : wrapped(tag, content);
      elements.push({ tag, content, ...(children === undefined ? {} : { children }) });
    }
    return elements;
  });
}

/** The value of an extension is DER in an OCTET STRING (RFC 5280 4.1.2.9). */
function wrapped(tag: number, content: Uint8Array): readonly Element[] | undefined {
  if (tag !== tags.octetString || content[0] !== tags.sequence) return undefined;
  try {
    return elementsIn(content);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return undefined;
  }
}

function countOf(elements: readonly Element[]): number {
  return elements.reduce((sum, { children = [] }) => sum + 1 + countOf(children), 0);
}

/** The elements with one of them changed: the one before which `at.left` others stand, each before its children. */
function rewritten(
  elements: readonly Element[],
  at: { left: number },
  change: (element: Element, siblings: readonly Element[]) => readonly Element[],
): readonly Element[] {
  return elements.flatMap((element) => {
    at.left -= 1;
    if (at.left === -1) return change(element, elements);
    if (element.children === undefined || at.left < -1) return [element];
    return [{ ...element, children: rewritten(element.children, at, change) }];
  });
}

function encoded(elements: readonly Element[]): Uint8Array {
  return concat(
    elements.map(({ tag, content, children }) =>
      der.element(tag, children === undefined ? content : encoded(children)),
    ),
  );
}

const constructed = 0x20;
const types = [...Object.values(tags), 0x80, 0x81, 0x82, 0x86, 0x87, 0xa0, 0xa3, 0xa4];

/** Names of devices in `world.ts` and their look-alikes, names with a meaning of their own, and what names must not hold. */
const texts = [
  ...[
    "SN-1",
    "SN-2",
    "sn-1",
    "SN-1 ",
    " SN-1",
    "SN-1\0",
    "SN-1\u202e",
    "SN\u00ad-1",
    "line-1",
    "LINE-1",
    "line-*",
    "line-",
  ],
  ...["enrolled-1", "waiting-1", "installer", "*", "", "a".repeat(64), "a".repeat(65), "SN-1,CN=SN-2", "sn-1.example"],
];
