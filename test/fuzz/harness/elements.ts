import { concat, utf8 } from "../../../src/core/bytes.ts";
import { seededRandomness } from "../../../src/core/randomness.ts";
import { decodeDer } from "../../../src/encoding/der.ts";
import * as der from "../../../src/encoding/der-writer.ts";
import { DerError } from "../../../src/encoding/errors.ts";
import { tags } from "../../../src/encoding/tags.ts";
import { mutations } from "../../mutate.ts";

/**
 * Seeded changes of DER that leave it DER: one element gets another value or another type, is left out, doubled, moved, nested
 * or repeated many times, and the lengths around it follow. What flipped octets break at the first length gets as far as the
 * values' meaning here. Some, and as `ber` half of them, are written in the forms that BER has beside DER. The sample is DER of
 * less than 64 KiB.
 */
export function* elementMutations(
  seed: number,
  sample: Uint8Array,
  count: number,
  form: "der" | "ber",
  texts: readonly string[],
): Generator<Uint8Array> {
  const randomness = seededRandomness(`elements ${seed}`);
  const below = (limit: number) => Buffer.from(randomness.bytes(4)).readUInt32BE() % limit;
  const elements = elementsIn(sample);
  const all = flattened(elements);
  const tree: Tree = { all, texts: [...texts, ...hostileTexts], below };
  for (let i = 0; i < count; i += 1) {
    const at = { left: below(all.length) };
    const change = changes[below(changes.length)] ?? revalued;
    const changed = rewritten(elements, at, (element, siblings) => change(element, siblings, tree));
    yield below(form === "ber" ? 2 : 8) === 0 ? encodedAsBer(changed, below) : encoded(changed);
  }
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** What is in it, when there are elements in it. */
  readonly children?: readonly Element[];
}

type Below = (limit: number) => number;

/** Where changes take what they put in place of an element. */
interface Tree {
  readonly all: readonly Element[];
  readonly texts: readonly string[];
  readonly below: Below;
}

/** What takes the place of an element. */
type Change = (element: Element, siblings: readonly Element[], tree: Tree) => readonly Element[];

/** A value in the type that is there: mostly a damaged one, or a text that means something. */
const revalued: Change = ({ tag, content }, _siblings, { texts, below }) => {
  const text = texts[below(texts.length)] ?? "";
  const [damaged = content] = mutations(below(2 ** 31), content, 1);
  return [{ tag, content: below(2) === 0 ? damaged : utf8(text) }];
};
const retyped: Change = (element, _siblings, { below }) => [
  { ...element, tag: types[below(types.length)] ?? element.tag },
];
const removed: Change = () => [];
const doubled: Change = (element) => [element, element];
const replaced: Change = (element, siblings, { below }) => [siblings[below(siblings.length)] ?? element];
/** A whole subtree from anywhere else. */
const spliced: Change = (element, _siblings, { all, below }) => [all[below(all.length)] ?? element];
/** More items than lists may have. */
const repeated: Change = (element, _siblings, { below }) => {
  const most = Math.floor(mostRepeatedOctets / (element.content.length + 4));
  return new Array(Math.min(2 + below(600), Math.max(2, most))).fill(element);
};
/** Deeper than readers may go, in the element's own type. */
const nested: Change = (element, _siblings, { below }) => {
  let inner = element;
  for (let depth = below(64); depth > 0; depth -= 1) inner = { ...element, children: [inner] };
  return [inner];
};
const changes = [revalued, revalued, revalued, retyped, removed, doubled, replaced, spliced, repeated, nested];

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

/** Each before its children. */
function flattened(elements: readonly Element[]): readonly Element[] {
  return elements.flatMap((element) => [element, ...flattened(element.children ?? [])]);
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

/** Indefinite lengths, lengths with spare octets and OCTET STRINGs in pieces, here and there (X.690 8.1.3, 8.7.3). */
function encodedAsBer(elements: readonly Element[], below: Below): Uint8Array {
  return concat(
    elements.map(({ tag, content, children }) => {
      const bytes = children === undefined ? content : encodedAsBer(children, below);
      if ((tag & constructed) !== 0 && below(3) === 0) return indefinite(tag, bytes);
      if (tag === tags.octetString && below(6) === 0) {
        const middle = below(bytes.length + 1);
        const pieces = [bytes.subarray(0, middle), bytes.subarray(middle)].map(der.octetString);
        return indefinite(tag | constructed, concat(pieces));
      }
      if (below(12) !== 0) return der.element(tag, bytes);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return concat([Uint8Array.of(tag, 0x84), length, bytes]);
    }),
  );
}

function indefinite(tag: number, content: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(tag, 0x80), content, new Uint8Array(2)]);
}

const constructed = 0x20;
const types = [...Object.values(tags), 0x80, 0x81, 0x82, 0x86, 0x87, 0xa0, 0xa3, 0xa4];
const mostRepeatedOctets = 48_000;

/** What names must not hold, and names with a meaning of their own. */
const hostileTexts = [
  "",
  "*",
  "*.example",
  "a".repeat(64),
  "a".repeat(65),
  "a\0",
  "a\u202e",
  "a,CN=b",
  " a ",
  "\u001b[2J",
];
