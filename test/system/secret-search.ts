/** The ways in which bytes are written down; PEM is base64 on lines. */
export type Form = "raw" | "hex" | "base64" | "base64url" | "numbers";

/**
 * How `secret` stands in `material`, wherever it begins in it; undefined when it does not. Letter case of hexadecimal, line
 * ends in base64, their JSON escapes, and the alignment of base64 do not hide it. Encryption and compression do.
 */
export function formOf(secret: Uint8Array, material: Uint8Array): Form | undefined {
  if (secret.length < leastLength) throw new RangeError("so few bytes are found by chance");
  const bytes = Buffer.from(secret.buffer, secret.byteOffset, secret.length);
  const haystack = Buffer.from(material.buffer, material.byteOffset, material.length);
  if (haystack.includes(bytes)) return "raw";
  const text = haystack.toString("latin1").replace(/\\[nr]|\\(?=\/)|\s+/g, "");
  if (text.toLowerCase().includes(bytes.toString("hex"))) return "hex";
  for (const encoding of ["base64", "base64url"] as const)
    if (aligned(bytes, encoding).some((part) => text.includes(part))) return encoding;
  // What JSON makes of a Buffer, and of a Uint8Array.
  const indexed = new RegExp([...bytes].map((byte) => `"\\d+":${byte}`).join(","));
  if (text.includes([...bytes].join(",")) || indexed.test(text)) return "numbers";
  return undefined;
}

/** The characters that stand for `bytes` alone when zero, one or two other bytes stand before them in their group of three. */
function aligned(bytes: Buffer, encoding: "base64" | "base64url"): readonly string[] {
  return [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString(encoding)
      .slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6)),
  );
}

const leastLength = 12;
