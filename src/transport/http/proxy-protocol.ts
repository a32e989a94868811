import { isIPv4, isIPv6 } from "node:net";
import { Refusal } from "./refusals.ts";
import type { Source } from "./source.ts";

/** What the first bytes of a connection are so far. */
export type ProxyHeader =
  | { readonly kind: "more" }
  /** `source` is undefined when the proxy speaks for itself, as it does in health checks. */
  | { readonly kind: "header"; readonly length: number; readonly source: Source | undefined };

/**
 * The PROXY protocol's header, version 1 or 2, at the beginning of `bytes` (The PROXY protocol, HAProxy Technologies, sections
 * 2.1 and 2.2). Only TCP over IPv4 and IPv6 is taken. The header's type-length-values must fill it and are passed over.
 *
 * Throws a Refusal `proxy-header-missing` as soon as the bytes cannot begin a header, `proxy-header-malformed` for a bad one.
 */
export function decodeProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (startsWith(bytes, signature)) return decodeBinary(bytes);
  if (startsWith(bytes, textPrefix)) return decodeText(bytes);
  throw new Refusal("proxy-header-missing");
}

/** Bytes of the longest header that is read; a version 2 header may claim 64 KiB, and nobody sends that. */
export const longestProxyHeader = 1_024;

/** Whether what is there of `bytes` agrees with `prefix`. */
function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.subarray(0, prefix.length).every((byte, index) => byte === prefix[index]);
}

function decodeText(bytes: Uint8Array): ProxyHeader {
  const end = bytes.indexOf(lineFeed);
  if (end < 0) {
    if (bytes.length >= longestText) throw new Refusal("proxy-header-malformed");
    return { kind: "more" };
  }
  const length = end + 1;
  const line = Buffer.from(bytes.subarray(0, length)).toString("latin1");
  if (length > longestText) throw new Refusal("proxy-header-malformed");
  // Section 2.1: what follows UNKNOWN on the line is to be ignored.
  if (/^PROXY UNKNOWN(?: [\x20-\x7e]*)?\r\n$/.test(line)) return { kind: "header", length, source: undefined };
  const parts = /^PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (\d{1,5}) (\d{1,5})\r\n$/.exec(line);
  const [, family, host = "", target = "", from = "", to = ""] = parts ?? [];
  const isAddress = family === "4" ? isIPv4 : isIPv6;
  if (!isAddress(host) || !isAddress(target) || !isPort(from) || !isPort(to))
    throw new Refusal("proxy-header-malformed");
  return { kind: "header", length, source: { host: canonical(host), port: Number(from) } };
}

function isPort(digits: string): boolean {
  return String(Number(digits)) === digits && Number(digits) <= 0xffff;
}

function decodeBinary(bytes: Uint8Array): ProxyHeader {
  if (bytes.length < fixedLength) return { kind: "more" };
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const command = head.getUint8(12);
  const family = head.getUint8(13);
  const length = fixedLength + head.getUint16(14);
  if ((command !== local && command !== proxied) || length > longestProxyHeader)
    throw new Refusal("proxy-header-malformed");
  if (bytes.length < length) return { kind: "more" };
  // Section 2.2: LOCAL is the proxy's own connection, and its addresses are to be ignored.
  if (command === local || family === unspecified) return { kind: "header", length, source: undefined };
  const address = family === tcp4 ? 4 : family === tcp6 ? 16 : undefined;
  const rest = address === undefined ? undefined : fixedLength + 2 * address + 4;
  if (address === undefined || rest === undefined || rest > length || !isFilled(bytes.subarray(rest, length)))
    throw new Refusal("proxy-header-malformed");
  const host = canonical(textOf(bytes.subarray(fixedLength, fixedLength + address)));
  return { kind: "header", length, source: { host, port: head.getUint16(fixedLength + 2 * address) } };
}

/** Section 2.2: what follows the addresses are values of one byte type and two bytes length. */
function isFilled(values: Uint8Array): boolean {
  let offset = 0;
  while (offset + 3 <= values.length)
    offset += 3 + (((values[offset + 1] as number) << 8) | (values[offset + 2] as number));
  return offset === values.length;
}

function textOf(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  return Array.from({ length: 8 }, (_, index) =>
    (((address[2 * index] as number) << 8) | (address[2 * index + 1] as number)).toString(16),
  ).join(":");
}

/** As the system writes addresses (RFC 5952), and an IPv4 address in IPv6 as what it is: one client, one name. */
function canonical(host: string): string {
  if (isIPv4(host)) return host;
  const address = new URL(`http://[${host}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address) ?? [];
  if (high === undefined || low === undefined) return address;
  return [high, low].flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]).join(".");
}

const textPrefix = Uint8Array.from(Buffer.from("PROXY "));
// Section 2.1: 107 bytes hold the longest line, its end included.
const longestText = 107;
const lineFeed = 0x0a;
const signature = Uint8Array.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const fixedLength = 16;
const local = 0x20;
const proxied = 0x21;
const unspecified = 0x00;
const tcp4 = 0x11;
const tcp6 = 0x21;
