import { utf8, view } from "../core/bytes.ts";
import { decodeWireBase64 } from "../encoding/base64.ts";
import { Base64Error } from "../encoding/errors.ts";
import { tags } from "../encoding/tags.ts";

/** A part of a file, by what was found around it. */
export type Block =
  | {
      readonly kind: "der";
      readonly bytes: Uint8Array;
      /** Of its BEGIN line. */
      readonly label?: string;
    }
  | {
      /** Something that is not read here, or that is broken. */
      readonly kind: "unread";
      readonly reason: "damaged" | "encrypted-key" | "openssh-key" | "ssh" | "pgp" | "unknown-label";
      readonly label: string;
    };

/**
 * The blocks of a file: DER or BER as it is, base64 without armour as EST sends it, or PEM with text around and between. A
 * block that is broken does not hide the others. Empty for a file that holds none, at most 512.
 */
export function blocksIn(file: Uint8Array): readonly Block[] {
  if (file[0] === tags.sequence) return [{ kind: "der", bytes: file }];
  const text = view(file).toString("latin1");
  const armoured = armouredBlocks(text);
  if (armoured.length > 0) return armoured;
  if (sshLine.test(text)) return [{ kind: "unread", reason: "ssh", label: "SSH" }];
  const bytes = fromBase64Body(text);
  return bytes?.[0] === tags.sequence ? [{ kind: "der", bytes }] : [];
}

/** RFC 7468 2, line by line: a block ends at its own END line, and is broken when another line begins or ends one before. */
function armouredBlocks(text: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { readonly label: string; readonly lines: string[] } | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, boundary, label = ""] = boundaryLine.exec(line) ?? [];
    if (boundary === undefined) {
      open?.lines.push(line);
      continue;
    }
    if (blocks.length === mostBlocks) break;
    if (open !== undefined)
      blocks.push(
        boundary === "END" && label === open.label
          ? blockOf(open.label, open.lines)
          : { kind: "unread", reason: "damaged", label: open.label },
      );
    open = boundary === "BEGIN" ? { label, lines: [] } : undefined;
  }
  if (open !== undefined && blocks.length < mostBlocks)
    blocks.push({ kind: "unread", reason: "damaged", label: open.label });
  return blocks;
}

function blockOf(label: string, lines: readonly string[]): Block {
  const unread = (reason: (Block & { readonly kind: "unread" })["reason"]): Block => ({
    kind: "unread",
    reason,
    label,
  });
  if (label === "OPENSSH PRIVATE KEY") return unread("openssh-key");
  if (label.startsWith("SSH2 ")) return unread("ssh");
  if (label.startsWith("PGP ")) return unread("pgp");
  // RFC 1421 headers: a private key that OpenSSL encrypted in its old format.
  if (lines[0]?.includes(":")) return unread(label.endsWith("PRIVATE KEY") ? "encrypted-key" : "unknown-label");
  const bytes = fromBase64Body(lines.join("\n"));
  if (bytes === undefined || bytes.length === 0) return unread("damaged");
  return bytes[0] === tags.sequence ? { kind: "der", bytes, label } : unread("unknown-label");
}

function fromBase64Body(text: string): Uint8Array | undefined {
  try {
    return decodeWireBase64(utf8(text));
  } catch (error) {
    if (error instanceof Base64Error) return undefined;
    throw error;
  }
}

const boundaryLine = /^\s*-----(BEGIN|END) ([^\r\n]{1,64})-----\s*$/;
const sshLine = /^(ssh-|ecdsa-sha2-|sk-)[a-z0-9@.-]+ AAAA/;
const mostBlocks = 512;
