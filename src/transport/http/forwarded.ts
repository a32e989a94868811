import { isIPv4, isIPv6 } from "node:net";
import { fieldValues, type Headers } from "./message.ts";
import { Refusal } from "./refusals.ts";
import type { Source } from "./source.ts";

/**
 * Where the request came from, as the nearest proxy says in Forwarded (RFC 7239): the `for` of the last element, which is the
 * one that this proxy wrote. Undefined when there is none, or none that is an address. What earlier elements say is whoever's
 * word, and not looked at.
 *
 * Throws a Refusal `forwarded-malformed`.
 */
export function forwardedSource(headers: Headers): Source | undefined {
  const values = fieldValues(headers, "forwarded");
  if (values.length === 0) return undefined;
  const last = elements(values.join(", ")).at(-1) ?? [];
  const nodes = last.filter(([name]) => name === "for");
  if (nodes.length > 1) throw new Refusal("forwarded-malformed");
  const node = nodes[0]?.[1];
  return node === undefined || unnamed.test(node) ? undefined : addressIn(node);
}

type Pair = readonly [name: string, value: string];

/** Section 4: elements separated by commas, pairs within them by semicolons, values that may be quoted. */
function elements(text: string): readonly (readonly Pair[])[] {
  const found: Pair[][] = [[]];
  const pairs = new RegExp(pairPattern);
  let separator = ",";
  for (let offset = 0; offset < text.length || separator !== ""; ) {
    pairs.lastIndex = offset;
    const [whole, name = "", value = "", next = ""] = pairs.exec(text) ?? [];
    if (whole === undefined || whole === "") throw new Refusal("forwarded-malformed");
    const plain = value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, "$1") : value;
    found.at(-1)?.push([name.toLowerCase(), plain]);
    if (next === ",") found.push([]);
    separator = next;
    offset += whole.length;
  }
  return found;
}

/** Section 6: IPv4, or IPv6 in brackets, with a port or without; an obfuscated port is none. */
function addressIn(node: string): Source {
  const [, v6, v4, port = "0"] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(\d{1,5}|_[\w.-]+))?$/.exec(node) ?? [];
  const host = v6 ?? v4 ?? "";
  const number = port.startsWith("_") ? 0 : Number(port);
  if (!(v6 === undefined ? isIPv4(host) : isIPv6(host)) || number > 0xffff) throw new Refusal("forwarded-malformed");
  return { host: host.toLowerCase(), port: number };
}

/** Section 6.2 and 6.3. */
const unnamed = /^(?:unknown|_[\w.-]+)(?::\d{1,5}|:_[\w.-]+)?$/;
const pairPattern =
  /[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:[^"\\]|\\.)*")[ \t]*([,;]|$)/y;
