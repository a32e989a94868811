import type { RevocationReason } from "../pki/crl-reasons.ts";
import type { Approval, Authority, IdentityKind, Lifecycle, Rule, RunOutcome, VaultKey } from "./records.ts";

/** The tables as the queries see them: one interface for each, columns in the order of `migrations.ts`. */
export interface Schema {
  readonly migrations: MigrationRow;
  readonly tenants: TenantRow;
  readonly devices: DeviceRow;
  readonly identities: IdentityRow;
  readonly anchors: AnchorRow;
  readonly rules: RuleRow;
  readonly approvals: ApprovalRow;
  readonly est_users: EstUserRow;
  readonly sealed_keys: SealedKeyRow;
  readonly vault_keys: VaultKeyRow;
  readonly authorities: AuthorityRow;
  readonly certificates: CertificateRow;
  readonly crls: CrlRow;
  readonly revocation_changes: RevocationChangesRow;
  readonly profiles: ProfileRow;
  readonly sessions: SessionRow;
  readonly runs: RunRow;
  readonly device_ledgers: DeviceLedgerRow;
  readonly audit: AuditRow;
}

export interface MigrationRow {
  readonly number: number;
  readonly name: string;
  readonly applied: number;
}

export interface TenantRow {
  readonly tenant: string;
  readonly created: number;
}

export interface DeviceRow {
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
  readonly lifecycle: Lifecycle;
  readonly created: number;
  readonly updated: number;
}

export interface IdentityRow {
  readonly tenant: string;
  readonly kind: IdentityKind;
  readonly value: string;
  readonly device: string;
  readonly proven_by: string;
  readonly issuer: string | null;
  /** As it was written, when that is not `value`. */
  readonly shown: string | null;
}

export interface AnchorRow {
  readonly tenant: string;
  readonly id: string;
  readonly name: string;
  readonly purpose: "manufacturer";
  readonly certificate: Uint8Array;
  readonly added: number;
}

export interface RuleRow {
  readonly tenant: string;
  readonly id: string;
  readonly position: number;
  readonly verdict: Rule["verdict"];
  /** JSON. */
  readonly match: string;
  readonly created: number;
}

export interface ApprovalRow {
  readonly tenant: string;
  readonly id: string;
  readonly protocol: string;
  readonly subject: string;
  /** JSON. */
  readonly evidence: string;
  readonly state: Approval["state"];
  readonly run: string;
  readonly created: number;
  readonly decided: number | null;
  readonly decided_by: string | null;
}

export interface EstUserRow {
  readonly tenant: string;
  readonly name: string;
  readonly password_hash: string;
  readonly devices: string;
  readonly created: number;
}

export interface SealedKeyRow {
  readonly tenant: string;
  readonly name: string;
  readonly sealed: Uint8Array;
}

export interface VaultKeyRow {
  readonly id: string;
  readonly state: VaultKey["state"];
  readonly key_file: string;
  readonly wrapped: Uint8Array;
  readonly created: number;
}

export interface AuthorityRow {
  readonly tenant: string;
  readonly name: string;
  readonly certificate: Uint8Array;
  readonly created: number;
  readonly key: string | null;
  readonly role: Authority["role"];
  readonly state: Authority["state"];
  readonly origin: Authority["origin"];
}

export interface CertificateRow {
  readonly tenant: string;
  readonly authority: string;
  readonly serial: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  readonly certificate: Uint8Array;
  readonly subject: string;
  readonly profile: string;
  readonly not_before: number;
  readonly not_after: number;
  readonly device: string | null;
  readonly run: string | null;
  readonly revoked_at: number | null;
  readonly revocation_reason: RevocationReason | null;
  /** SHA-256 of its SubjectPublicKeyInfo, lower-case hex. */
  readonly compromised_key: string | null;
}

export interface CrlRow {
  readonly tenant: string;
  readonly authority: string;
  readonly number: number;
  readonly this_update: number;
  readonly next_update: number;
  readonly der: Uint8Array;
  readonly changes: number;
}

export interface RevocationChangesRow {
  readonly tenant: string;
  readonly authority: string;
  readonly changes: number;
}

export interface ProfileRow {
  readonly tenant: string;
  readonly name: string;
  readonly protocol: string | null;
  readonly label: string | null;
  /** JSON. */
  readonly settings: string;
}

export interface SessionRow {
  readonly tenant: string;
  readonly protocol: string;
  readonly key: string;
  readonly version: number;
  readonly data: Uint8Array;
  readonly expires: number;
}

export interface DeviceLedgerRow {
  readonly tenant: string;
  readonly run: string;
  readonly ledger: Uint8Array;
}

export interface RunRow {
  readonly tenant: string;
  readonly id: string;
  readonly protocol: string;
  readonly variant: string;
  readonly device: string | null;
  readonly label: string;
  readonly started: number;
  readonly ended: number | null;
  readonly outcome: RunOutcome;
  readonly reason: string;
  readonly run: Uint8Array;
}

export interface AuditRow {
  readonly tenant: string;
  readonly sequence: number;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  /** JSON. */
  readonly detail: string;
  readonly hash: string;
}
