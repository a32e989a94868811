import { DerError } from "./errors.ts";

/** The dotted form of an OBJECT IDENTIFIER's content octets (X.690 8.19); throws DerError `bad-value` or `too-large`. */
export function oidText(content: Uint8Array): string {
  if (content.length > maximumOctets)
    throw new DerError("too-large", `OBJECT IDENTIFIER has more than ${maximumOctets} octets.`);
  if (content.length === 0 || (content[content.length - 1] ?? 0) >= 0x80)
    throw new DerError("bad-value", "OBJECT IDENTIFIER ends within an arc.");
  let text = "";
  let arc: number | bigint = 0;
  let start = true;
  for (const octet of content) {
    if (start && octet === 0x80) throw new DerError("bad-value", "OBJECT IDENTIFIER has an arc with a leading zero.");
    arc = appended(arc, octet & 0x7f);
    start = octet < 0x80;
    if (!start) continue;
    text = text === "" ? firstArcs(arc) : `${text}.${arc}`;
    arc = 0;
  }
  return text;
}

/** The content octets of an OBJECT IDENTIFIER in dotted form; throws DerError `bad-value` or `too-large`. */
export function oidContent(text: string): Uint8Array {
  if (text.length > maximumOctets * 4 || !/^[012](\.(0|[1-9][0-9]*))+$/.test(text))
    throw new DerError("bad-value", "OBJECT IDENTIFIER is not in dotted form, such as 2.5.4.3.");
  const arcs = text.split(".").map(arcOf);
  const [root = 0, second = 0] = arcs;
  if (root < 2 && second > 39)
    throw new DerError("bad-value", "OBJECT IDENTIFIER has a second arc above 39 under 0 or 1.");
  const joint = typeof second === "bigint" ? BigInt(root) * 40n + second : Number(root) * 40 + second;
  const content = octetsOfArc(joint);
  for (const arc of arcs.slice(2)) {
    if (arc < 128) content.push(Number(arc));
    else content.push(...octetsOfArc(arc));
  }
  if (content.length > maximumOctets)
    throw new DerError("too-large", `OBJECT IDENTIFIER has more than ${maximumOctets} octets.`);
  return Uint8Array.from(content);
}

/** The first two arcs share one number; only under the first arc 2 may the second be above 39. */
function firstArcs(joint: number | bigint): string {
  if (joint < 80) return joint < 40 ? `0.${joint}` : `1.${Number(joint) - 40}`;
  return `2.${typeof joint === "bigint" ? joint - 80n : joint - 80}`;
}

function appended(arc: number | bigint, bits: number): number | bigint {
  if (typeof arc === "bigint") return arc * 128n + BigInt(bits);
  return arc < 2 ** 46 ? arc * 128 + bits : BigInt(arc) * 128n + BigInt(bits);
}

/** A number where that is exact, which is everywhere but under 2.25, where arcs are UUIDs. */
function arcOf(digits: string): number | bigint {
  return digits.length <= 15 ? Number(digits) : BigInt(digits);
}

function octetsOfArc(arc: number | bigint): number[] {
  if (typeof arc === "bigint") {
    const octets = [Number(arc & 0x7fn)];
    for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80);
    return octets;
  }
  const octets = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift((rest % 128) | 0x80);
  return octets;
}

/** The longest in use are those under 2.25 with a UUID of 19 octets; the limit keeps the arithmetic small. */
const maximumOctets = 64;
