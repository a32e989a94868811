import { base64, utf8, view } from "../core/bytes.ts";
import { Base64Error } from "./errors.ts";

/**
 * The bytes of base64 (RFC 4648 section 4) as a protocol body carries it. CR, LF, space and tab are passed over unless
 * `allowWhitespace` is false (RFC 8951 3.1); padding is required, the bits after the last octet are zero, the alphabet is
 * not that of base64url. Throws Base64Error. It does not bound the length: the caller has bounded the body.
 */
export function decodeWireBase64(
  bytes: Uint8Array,
  { allowWhitespace = true }: { readonly allowWhitespace?: boolean } = {},
): Uint8Array {
  const digits = Buffer.allocUnsafe(bytes.length);
  let count = 0;
  let padding = 0;
  for (const octet of bytes) {
    const kind = kinds[octet];
    if (kind === digit) {
      if (padding > 0) throw new Base64Error("base64-padding", "base64 goes on after its padding.");
      digits[count] = octet;
      count += 1;
    } else if (kind === pad) {
      padding += 1;
    } else if (kind !== whitespace) {
      throw foreignOctet(bytes);
    } else if (!allowWhitespace) {
      throw new Base64Error("base64-whitespace", "base64 has white space where none is allowed.");
    }
  }
  if (padding > 2 || (count + padding) % 4 !== 0)
    throw new Base64Error("base64-padding", "base64 is incomplete, or its padding is missing or too long.");
  const text = digits.toString("latin1", 0, count);
  const decoded = Buffer.from(text, "base64");
  // RFC 4648 3.5: the bits that belong to no octet are zero, or many texts would stand for the same bytes.
  if (padding > 0 && !base64(decoded.subarray(-3 + padding)).startsWith(text.slice(padding - 4)))
    throw new Base64Error("base64-trailing-bits", "base64 ends with bits that are not zero.");
  return decoded;
}

/** Base64 with padding: on one line without a line feed, or in lines of 64 columns each with a line feed (libest needs it). */
export function encodeWireBase64(bytes: Uint8Array, form: "line" | "wrapped"): Uint8Array {
  const line = base64(bytes);
  return utf8(form === "line" ? line : wrapped(line));
}

/** Lines of 64 columns, each ended by a line feed, as RFC 7468 section 2 writes them. */
export function wrapped(line: string): string {
  return line.replace(/.{1,64}/g, "$&\n");
}

function foreignOctet(bytes: Uint8Array): Base64Error {
  if (view(bytes).includes("-----BEGIN"))
    return new Base64Error(
      "pem-armour",
      "The body is PEM: send only the base64 between the BEGIN and END lines, without these lines.",
    );
  return new Base64Error("base64-alphabet", "base64 holds a character that is none of A-Z, a-z, 0-9, + and /.");
}

const digit = 1;
const pad = 2;
const whitespace = 3;

/** What each octet is; zero for what base64 does not have. */
const kinds = new Uint8Array(256);
for (const octet of utf8("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")) kinds[octet] = digit;
for (const octet of utf8("=")) kinds[octet] = pad;
for (const octet of utf8(" \t\r\n")) kinds[octet] = whitespace;
