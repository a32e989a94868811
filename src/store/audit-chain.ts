import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { type Expression, type RawBuilder, sql } from "kysely";
import type { AuditEntry } from "./records.ts";

/**
 * The chain over a tenant's audit: the hash of each line covers the line and the hash of the line before it, so a line that is
 * changed, removed, added or moved breaks the chain behind it. Whoever can write the database can make the whole chain
 * anew: what shows that is a head which was noted elsewhere.
 */

/** Where a chain stands: its last line, or any line of it that somebody has noted. */
export interface AuditHead {
  readonly sequence: number;
  readonly hash: string;
}

/** Before the first line. */
export const emptyChain: AuditHead = { sequence: 0, hash: "" };

/** A line of the audit as its hash covers it: `detail` is the JSON text that the database holds. */
export interface ChainedLine extends Omit<AuditEntry, "detail"> {
  readonly detail: string;
}

/** Why `line` does not continue the chain behind `before`; undefined when it does. */
export function brokenLink(before: AuditHead, line: ChainedLine): "missing" | "changed" | undefined {
  if (line.sequence !== before.sequence + 1) return "missing";
  return lineHash(before.hash, line) === line.hash ? undefined : "changed";
}

/** The hash of a line behind one with the hash `before`, lower-case hex. */
export function lineHash(before: string, line: Omit<ChainedLine, "hash">): string {
  return hash("sha256", [before, ...covered.map((column) => measured(String(line[column])))].join(""));
}

/** The same in SQL, of columns or bound values. */
export function lineHashSql(
  sha256: (text: Expression<string>) => Expression<string>,
  before: Expression<unknown>,
  line: { readonly [column in (typeof covered)[number]]: Expression<unknown> },
): Expression<string> {
  const fields = covered.map((column) => measuredSql(line[column]));
  return sha256(sql<string>`${before} || ${sql.join(fields, sql` || `)}`);
}

/** With its length in bytes before it, so that no two lines have the same text. */
function measured(field: string): string {
  return `${Buffer.byteLength(field)}:${field}`;
}

function measuredSql(field: Expression<unknown>): RawBuilder<unknown> {
  const text = sql`cast(${field} as text)`;
  return sql`cast(octet_length(${text}) as text) || ':' || ${text}`;
}

const covered = ["tenant", "sequence", "at", "actor", "action", "subject", "detail"] as const;
