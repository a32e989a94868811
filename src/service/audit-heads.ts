import { readFileSync } from "node:fs";
import { z } from "zod";
import { codeOf } from "../core/errors.ts";
import type { AuditHead } from "../store/audit-chain.ts";
import type { Store } from "../store/store.ts";
import { replacePrivateFile } from "./private-file.ts";

/**
 * The newest line of each tenant's audit that this service has seen, noted outside the database: who can write the database
 * alone cannot cut off the end of an audit, or make all of it anew, without contradicting it.
 */
export interface AuditHeads {
  noted(tenant: string): AuditHead | undefined;
  /** Notes where the audits of `tenants` stand, unless one of them has lost the line that was noted before. */
  note(tenants: readonly string[]): Promise<void>;
  /** The tenants whose audit does not hold the line that was noted of it. */
  contradicted(): Promise<readonly string[]>;
  /** The tenant's audit is about to be removed with all else of it. */
  forget(tenant: string): void;
}

/** The heads noted in the file `path`; an unreadable file is as good as none, and the next note replaces it. */
export function auditHeads(path: string, store: Store): AuditHeads {
  const heads = read(path);
  const holds = async (tenant: string) => {
    const head = heads.get(tenant);
    return head === undefined || (await store.audit.hashAt(tenant, head.sequence)) === head.hash;
  };
  const write = () => replacePrivateFile(path, `${JSON.stringify(Object.fromEntries(heads), undefined, 2)}\n`);
  return {
    noted: (tenant) => heads.get(tenant),
    async note(tenants) {
      let changed = false;
      for (const tenant of tenants) {
        const before = heads.get(tenant);
        const head = await store.audit.head(tenant);
        if (head === undefined || head.hash === before?.hash || !(await holds(tenant))) continue;
        // The tenant may have been forgotten meanwhile, and its audit begun anew.
        if (heads.get(tenant) !== before) continue;
        heads.set(tenant, head);
        changed = true;
      }
      if (changed) write();
    },
    async contradicted() {
      const tenants: string[] = [];
      for (const tenant of heads.keys()) if (!(await holds(tenant))) tenants.push(tenant);
      return tenants;
    },
    forget(tenant) {
      if (heads.delete(tenant)) write();
    },
  };
}

function read(path: string): Map<string, AuditHead> {
  try {
    return new Map(Object.entries(file.parse(JSON.parse(readFileSync(path, "utf8")))));
  } catch (error) {
    if (codeOf(error) === "ENOENT" || error instanceof SyntaxError || error instanceof z.ZodError) return new Map();
    throw error;
  }
}

const file = z.record(
  z.string(),
  z.strictObject({ sequence: z.number().int().min(1), hash: z.string().regex(/^[0-9a-f]{64}$/) }),
);
