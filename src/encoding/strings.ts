import { view } from "../core/bytes.ts";
import { DerError } from "./errors.ts";
import { tags } from "./tags.ts";

/** Whether `textOf` knows the string type with this universal tag. */
export function isStringType(tag: number): boolean {
  return decoders.has(tag);
}

/**
 * The text of a string's content octets, by universal tag (RFC 5280 4.1.2.4, X.680 41). TeletexString is taken as Latin-1,
 * as everybody does. Throws DerError `bad-value`, or `unexpected-tag` for a type that is no string. PrintableString is not
 * held to its 74 characters, because names with `@`, `*` and `_` in it are in circulation; it is held to visible ASCII.
 */
export function textOf(tag: number, content: Uint8Array): string {
  const decode = decoders.get(tag);
  if (decode === undefined)
    throw new DerError("unexpected-tag", "DER has another element where a string is expected.", {
      details: { found: tag },
    });
  const text = decode(view(content));
  if (text === undefined) throw new DerError("bad-value", "DER string holds octets that its type does not allow.");
  return text;
}

/** Whether `text` fits a PrintableString (X.680 41.4). */
export function isPrintable(text: string): boolean {
  return /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text);
}

/** Whether `text` fits an IA5String: ASCII. */
export function isAscii(text: string): boolean {
  return Buffer.byteLength(text, "utf8") === text.length;
}

function matching(pattern: RegExp, content: Buffer): string | undefined {
  const text = content.toString("latin1");
  return pattern.test(text) ? text : undefined;
}

function utf8(content: Buffer): string | undefined {
  try {
    return strictUtf8.decode(content);
  } catch {
    return undefined;
  }
}

/** Big-endian code units of two octets. Lone surrogates are refused, so that the text survives as UTF-8. */
function bmp(content: Buffer): string | undefined {
  if (content.length % 2 !== 0) return undefined;
  const text = Buffer.from(content).swap16().toString("utf16le");
  return text.isWellFormed() ? text : undefined;
}

function universal(content: Buffer): string | undefined {
  if (content.length % 4 !== 0) return undefined;
  let text = "";
  for (let i = 0; i < content.length; i += 4) {
    const point = content.readUInt32BE(i);
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined;
    text += String.fromCodePoint(point);
  }
  return text;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const decoders: ReadonlyMap<number, (content: Buffer) => string | undefined> = new Map<
  number,
  (content: Buffer) => string | undefined
>([
  [tags.utf8String, utf8],
  [tags.numericString, (content) => matching(/^[0-9 ]*$/, content)],
  [tags.printableString, (content) => matching(/^[ -~]*$/, content)],
  [tags.visibleString, (content) => matching(/^[ -~]*$/, content)],
  [tags.ia5String, (content) => (isAscii(content.toString("latin1")) ? content.toString("latin1") : undefined)],
  [tags.teletexString, (content) => content.toString("latin1")],
  [tags.bmpString, bmp],
  [tags.universalString, universal],
]);
