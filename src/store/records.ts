import type { RevocationReason } from "../pki/crl-reasons.ts";

/** The record types of the store. Times are integer milliseconds since 1970-01-01 UTC; every record carries its tenant. */

export interface Tenant {
  readonly tenant: string;
  readonly created: number;
}

export const lifecycles = [
  "made",
  "in-transit",
  "claimed",
  "waiting",
  "onboarding",
  "operational",
  "renewing",
  "suspended",
  "reset",
  "transferred",
  "retired",
] as const;
export type Lifecycle = (typeof lifecycles)[number];

/** One physical device. */
export interface Device {
  readonly tenant: string;
  readonly id: string;
  /** What people call it: its serial number unless somebody chose another name. */
  readonly name: string;
  readonly lifecycle: Lifecycle;
  readonly created: number;
  readonly updated: number;
}

export const identityKinds = [
  "serial",
  "certificate", // SHA-256 of an identity certificate in DER, lower-case hex
  "key", // SHA-256 of a SubjectPublicKeyInfo in DER, lower-case hex
  "name", // the name in an operational certificate or of an EST user
  "guid",
  "uuid",
  "eui64",
  "mac",
  "dpp-key",
  "deveui",
  "endpoint",
] as const;
export type IdentityKind = (typeof identityKinds)[number];

/** A name by which a device can be found; unique within its tenant and kind. */
export interface Identity {
  readonly tenant: string;
  readonly kind: IdentityKind;
  /** As it was written first; serial numbers and names are found in any case (RFC 5280 7.1), all others as they are. */
  readonly value: string;
  readonly device: string;
  /** What proved that the device has it, such as `idevid`; `claimed` when it was only said. */
  readonly provenBy: string;
  /** Name of the anchor that has to vouch for it, or did; a serial number means nothing without its manufacturer. */
  readonly issuer?: string;
}

/** A trust anchor that the tenant's operator registered. */
export interface Anchor {
  readonly tenant: string;
  readonly id: string;
  /** Short name used in rules. */
  readonly name: string;
  /** What it may vouch for: identities made by a manufacturer. */
  readonly purpose: "manufacturer";
  readonly certificate: Uint8Array;
  readonly added: number;
}

/** A policy rule; the first one that matches, by position, decides. */
export interface Rule {
  readonly tenant: string;
  readonly id: string;
  readonly position: number;
  readonly verdict: "allow" | "deny" | "wait";
  /** Absent fields match everything; texts may hold `*`. JSON in the store. */
  readonly match: RuleMatch;
  readonly created: number;
}

export interface RuleMatch {
  readonly protocol?: string;
  /** Name of a certificate profile. */
  readonly profile?: string;
  /** Name of an anchor. */
  readonly issuer?: string;
  readonly serial?: string;
  /** Name of an EST user whose password was proven, alone or beside a certificate. */
  readonly user?: string;
  readonly credential?: "idevid" | "ldevid" | "password" | "psk" | "ra" | "anonymous";
}

/** A person's decision that is asked for, or was given. */
export interface Approval {
  readonly tenant: string;
  readonly id: string;
  readonly protocol: string;
  /** The session that waits; at most one undecided or approved approval for each. */
  readonly subject: string;
  /** What the person sees. JSON in the store. */
  readonly evidence: Readonly<Record<string, unknown>>;
  /** `used`: approved, and the certificate was issued. `expired`: nobody decided in time, or nobody asked for it any more. */
  readonly state: "pending" | "approved" | "denied" | "used" | "expired";
  readonly run: string;
  readonly created: number;
  readonly decided?: number;
  readonly decidedBy?: string;
}

/** A user of EST's HTTP authentication: a device or an installer, never an operator. */
export interface EstUser {
  readonly tenant: string;
  readonly name: string;
  /** `scrypt$N$r$p$salt$hash`, base64url. */
  readonly passwordHash: string;
  /** Device names that it may enrol; may hold `*`. */
  readonly devices: string;
  readonly created: number;
}

/** H(user:realm:password) of an EST user, sealed by the vault: with it HTTP Digest is verified (RFC 7616 3.4.2). */
export interface DigestSecret {
  readonly algorithm: DigestAlgorithm;
  readonly sealed: Uint8Array;
}

/** Algorithms of HTTP Digest, the strongest first. */
export const digestAlgorithms = ["SHA-256", "MD5"] as const;
export type DigestAlgorithm = (typeof digestAlgorithms)[number];

/** A private key or other secret, sealed by the vault. */
export interface SealedKey {
  readonly tenant: string;
  readonly name: string;
  readonly sealed: Uint8Array;
}

/** A certificate of one of the tenant's CAs; at most one root and one issuing CA are active. */
export interface Authority {
  readonly tenant: string;
  /** Unique within the tenant, such as `root-1` and `issuing-2`. */
  readonly name: string;
  /** `cross`: one generation of a root certified by the other, around a roll-over (RFC 7030 4.1.3). */
  readonly role: "root" | "intermediate" | "issuing" | "cross";
  readonly state: AuthorityState;
  /** Made here, or brought along by the operator. */
  readonly origin: "own" | "imported";
  readonly certificate: Uint8Array;
  /** Reference of its key in keeping; absent when the key is elsewhere, and for cross certificates. */
  readonly key?: string;
  readonly created: number;
}

/**
 * `next` is published and issues nothing yet, `active` is in use, `retired` issues nothing any more while what it issued
 * stays good, `ended` is neither published nor trusted and kept because certificates name it.
 */
export type AuthorityState = "next" | "active" | "retired" | "ended";

/** A certificate that one of the tenant's authorities issued. */
export interface IssuedCertificate {
  readonly tenant: string;
  readonly authority: string;
  /** Serial number, lower-case hex of the INTEGER's content octets. */
  readonly serial: string;
  readonly certificate: Uint8Array;
  readonly subject: string;
  readonly profile: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Undefined for certificates of the service itself. */
  readonly device?: string;
  readonly run?: string;
  readonly revocation?: { readonly at: number; readonly reason: RevocationReason };
}

/** A CRL that an authority signed. */
export interface StoredCrl {
  readonly tenant: string;
  readonly authority: string;
  /** Its cRLNumber (RFC 5280 5.2.3). */
  readonly number: number;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly der: Uint8Array;
  /** Of `revocationChanges`, those that it takes into account. */
  readonly changes: number;
}

/** What the operator lets a label of a protocol issue, or a change of a built-in profile. */
export interface StoredProfile {
  readonly tenant: string;
  readonly name: string;
  /** Absent together with `label` for what no label names. */
  readonly protocol?: string;
  readonly label?: string;
  /** JSON in the store. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A data key of the vault, which belongs to the whole service. */
export interface VaultKey {
  /** Lower-case hex of eight octets; stands in every seal of this key. */
  readonly id: string;
  /** `current` seals and opens; `retiring` still opens what was not sealed anew yet. */
  readonly state: "current" | "retiring";
  /** Fingerprint of the key file under whose key it is wrapped. */
  readonly keyFile: string;
  readonly wrapped: Uint8Array;
  readonly created: number;
}

/** A protocol session: plain data, sealed by the vault before it gets here, saved by compare-and-set. */
export interface StoredSession {
  readonly tenant: string;
  readonly protocol: string;
  readonly key: string;
  /** 1 for a new session, then one more with each save. */
  readonly version: number;
  readonly data: Uint8Array;
  /** A session past this time does not exist. */
  readonly expires: number;
}

export type RunOutcome = "granted" | "refused" | "waiting" | "failed";

/** One onboarding in the ledger, as a list shows it. */
export interface RunSummary {
  readonly tenant: string;
  readonly id: string;
  readonly protocol: string;
  readonly variant: string;
  readonly device?: string;
  /** What the device is called in lists, even when it is in no inventory. */
  readonly label: string;
  readonly started: number;
  readonly ended?: number;
  readonly outcome: RunOutcome;
  /** Coded reason of a refusal, or the rule of a grant. */
  readonly reason: string;
}

/** One onboarding in the ledger with the bounded blob of its events. */
export interface StoredRun extends RunSummary {
  /** The `Run` of `knowledge/run.ts` in UTF-8 JSON. */
  readonly run: Uint8Array;
}

/** What the device recorded of a run: the `Run` of its end in UTF-8 JSON. */
export interface DeviceLedger {
  readonly tenant: string;
  readonly run: string;
  readonly ledger: Uint8Array;
}

/** One line of the audit: who did what to what, and why it was decided so. */
export interface AuditEntry {
  readonly tenant: string;
  /** Position in the tenant's audit, from 1; given by the store. */
  readonly sequence: number;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
  /** SHA-256 over this line and the hash of the line before, lower-case hex; given by the store (`audit-chain.ts`). */
  readonly hash: string;
}
