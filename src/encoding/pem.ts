import { base64, utf8 } from "../core/bytes.ts";
import { decodeWireBase64, wrapped } from "./base64.ts";
import { Base64Error, PemError } from "./errors.ts";

/** One block of RFC 7468: the label of its BEGIN line and the decoded bytes. */
export interface PemBlock {
  readonly label: string;
  readonly bytes: Uint8Array;
}

/** The PEM block of `bytes` under `label`, such as `CERTIFICATE`, with a final line feed; throws PemError `pem-bad-label`. */
export function encodePem(label: string, bytes: Uint8Array): string {
  if (!labelPattern.test(label)) throw new PemError("pem-bad-label", "PEM label is not one of RFC 7468 section 3.");
  return `-----BEGIN ${label}-----\n${wrapped(base64(bytes))}-----END ${label}-----\n`;
}

/**
 * All PEM blocks of `text`, in order; none when it holds none. Text outside of blocks is explanatory and passed over (RFC
 * 7468 section 5.2). Lines may end in CR LF and have any length. Throws PemError. It does not look at what the bytes are.
 */
export function decodePem(text: string): PemBlock[] {
  if (text.length > maximumLength)
    throw new PemError("pem-too-large", `PEM text has more than ${maximumLength} characters.`);
  const blocks: PemBlock[] = [];
  let open: { readonly label: string; readonly lines: string[] } | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, boundary, label = ""] = /^-----(BEGIN|END) (.*)-----[ \t]*$/.exec(line) ?? [];
    if (boundary === "BEGIN") {
      if (open !== undefined) throw unfinished(open.label);
      if (!labelPattern.test(label))
        throw new PemError("pem-bad-label", "PEM has a BEGIN line with a malformed label.");
      if (blocks.length === maximumBlocks)
        throw new PemError("pem-too-many-blocks", `PEM text has more than ${maximumBlocks} blocks.`);
      open = { label, lines: [] };
    } else if (open === undefined) {
      if (boundary === "END") throw new PemError("pem-unfinished", "PEM has an END line without its BEGIN line.");
    } else if (boundary === "END") {
      if (label !== open.label) throw unfinished(open.label);
      blocks.push({ label, bytes: contentOf(open.lines) });
      open = undefined;
    } else {
      open.lines.push(line);
    }
  }
  if (open !== undefined) throw unfinished(open.label);
  return blocks;
}

function contentOf(lines: readonly string[]): Uint8Array {
  if (lines[0]?.includes(":"))
    throw new PemError("pem-headers", "PEM block has headers: decrypt the key, or convert it to PKCS #8, first.");
  try {
    return decodeWireBase64(utf8(lines.join("\n")));
  } catch (error) {
    if (!(error instanceof Base64Error)) throw error;
    throw new PemError("pem-base64", "PEM block does not hold base64.", { cause: error });
  }
}

function unfinished(label: string): PemError {
  return new PemError("pem-unfinished", `PEM block ${label} has no END line of its own.`);
}

/** RFC 7468 section 3, without the empty label, and with single separators between words. */
const labelPattern = /^[!-,.-~]+([ -][!-,.-~]+)*$/;

/** A trust store of some hundred certificates; a device's or an operator's file is far smaller. */
const maximumLength = 1_048_576;
const maximumBlocks = 512;
