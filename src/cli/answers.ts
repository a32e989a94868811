import type { z } from "zod";
import type { ComparisonRow } from "../knowledge/compare.ts";
import type { Run } from "../knowledge/run.ts";
import type { caCertificate, rollover } from "../service/api/ca.ts";
import type { profile } from "../service/api/ca-profiles.ts";
import type { ServiceStatus } from "../service/api/context.ts";
import type { estKey } from "../service/api/est-keys.ts";
import type { estPsk } from "../service/api/est-psks.ts";
import type * as schemas from "../service/api/schemas.ts";

/** What the API answers, by its own schemas; types only, so that no command loads them. */

export type Device = z.infer<typeof schemas.device>;
export type RunSummary = z.infer<typeof schemas.runSummary>;
export type Approval = z.infer<typeof schemas.approval>;
export type Anchor = z.infer<typeof schemas.anchor>;
export type Rule = z.infer<typeof schemas.rule>;
export type EstUser = z.infer<typeof schemas.estUser>;
export type EstKey = z.infer<typeof estKey>;
export type EstPsk = z.infer<typeof estPsk>;
export type AuditHead = z.infer<typeof schemas.auditHead>;
export type AuditEntry = z.infer<typeof schemas.auditEntry>;

export interface Status extends ServiceStatus {
  /** Why the database cannot be used now. */
  readonly databaseProblem?: string;
}

/** How far the chain of an audit was checked. */
export interface AuditSection {
  readonly head: AuditHead;
  readonly done: boolean;
  readonly broken?: { readonly sequence: number; readonly kind: "missing" | "changed" };
  readonly noted?: AuditHead & { readonly holds: boolean };
}

export interface WholeDevice extends Device {
  readonly identities: readonly z.infer<typeof schemas.identity>[];
  readonly certificates: readonly z.infer<typeof schemas.certificate>[];
  readonly runs: readonly RunSummary[];
}

/** A sentence of the survey that the run does not confirm. */
export interface Contradiction {
  readonly statement: string;
  readonly found: string;
}

export interface WholeRun {
  readonly summary: RunSummary;
  readonly run: Run;
  readonly contradictions: readonly Contradiction[];
}

export interface Comparison {
  readonly rows: readonly ComparisonRow[];
}

export interface CaCertificates {
  readonly root: string;
  readonly issuing: string;
  readonly authorities: readonly z.infer<typeof caCertificate>[];
}

export type Certificate = z.infer<typeof schemas.certificate>;
export type ListedCertificate = z.infer<typeof schemas.listedCertificate>;
export type Profile = z.infer<typeof profile>;

export interface Rollover extends z.infer<typeof rollover> {
  /** How many devices were left behind by its end. */
  readonly left?: number;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next?: string;
}

export interface Vault {
  readonly source: string;
  readonly keys: readonly {
    readonly id: string;
    readonly state: string;
    readonly created: number;
    readonly sealed: number;
  }[];
  readonly problem?: string;
}
