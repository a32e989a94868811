import { readFileSync } from "node:fs";
import { z } from "zod";
import { codeOf } from "../core/errors.ts";
import type { AuditHead } from "../store/audit-chain.ts";
import type { Store } from "../store/store.ts";
import { replacePrivateFile } from "./private-file.ts";

/**
 * The newest line of a tenant's audit that this service has seen, noted outside the database: who can write the database
 * alone cannot cut off the end of an audit, or make all of it anew, without contradicting it.
 */
export interface AuditHeads {
  noted(tenant: string): AuditHead | undefined;
  /** Notes where the audits stand, unless one has lost the line that was noted before. */
  note(): Promise<void>;
  /** The tenants whose audit does not hold the line that was noted of it. */
  contradicted(): Promise<readonly string[]>;
}

/** The heads of `tenants` in the file `path`; an unreadable file is as good as none, and the next note replaces it. */
export function auditHeads(path: string, store: Store, tenants: readonly string[]): AuditHeads {
  const heads = read(path, tenants);
  const holds = async (tenant: string) => {
    const head = heads.get(tenant);
    return head === undefined || (await store.audit.hashAt(tenant, head.sequence)) === head.hash;
  };
  return {
    noted: (tenant) => heads.get(tenant),
    async note() {
      let changed = false;
      for (const tenant of tenants) {
        const head = await store.audit.head(tenant);
        if (head === undefined || head.hash === heads.get(tenant)?.hash || !(await holds(tenant))) continue;
        heads.set(tenant, head);
        changed = true;
      }
      if (changed) replacePrivateFile(path, `${JSON.stringify(Object.fromEntries(heads), undefined, 2)}\n`);
    },
    async contradicted() {
      const found: string[] = [];
      for (const tenant of tenants) if (!(await holds(tenant))) found.push(tenant);
      return found;
    },
  };
}

function read(path: string, tenants: readonly string[]): Map<string, AuditHead> {
  try {
    const noted = Object.entries(file.parse(JSON.parse(readFileSync(path, "utf8"))));
    return new Map(noted.filter(([tenant]) => tenants.includes(tenant)));
  } catch (error) {
    if (codeOf(error) === "ENOENT" || error instanceof SyntaxError || error instanceof z.ZodError) return new Map();
    throw error;
  }
}

const file = z.record(
  z.string(),
  z.strictObject({ sequence: z.number().int().min(1), hash: z.string().regex(/^[0-9a-f]{64}$/) }),
);
