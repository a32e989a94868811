import { Buffer } from "node:buffer";

/** The bytes of `text` in UTF-8. */
export function utf8(text: string): Uint8Array {
  return Buffer.from(text, "utf8");
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of UTF-8 `bytes`; throws a TypeError when they are not UTF-8. */
export function textOf(bytes: Uint8Array): string {
  return strictUtf8.decode(bytes);
}

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return view(bytes).toString("hex");
}

/** The bytes of an even number of hexadecimal digits; undefined when `text` is anything else. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return Buffer.from(text, "hex");
}

/** Base64 of RFC 4648 section 4 on one line, with padding. */
export function base64(bytes: Uint8Array): string {
  return view(bytes).toString("base64");
}

/** Equality of public values. Secrets are compared with `crypto/mac.ts` `equalSecret`. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && view(a).equals(view(b));
}

/** Bytewise order, the shorter first when one is the prefix of the other. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

/** One array holding all parts, in order. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

/** A Buffer over the same memory: for Node calls that want one, without a copy. */
export function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The bytes of strict base64 on one line (RFC 4648 section 4, padded, canonical); undefined when `text` is anything else. */
export function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}
