/**
 * The neutral words in which every protocol's onboarding is told: who takes part, what kinds of thing they know, and in
 * which phases knowledge moves. Closed lists: a protocol that does not fit is a finding, not a new word.
 */

export const roles = [
  "device",
  "manufacturer",
  "intermediary",
  "owner",
  "administrator",
  "installer",
  "coordinator",
  "relay",
  "access-point",
  "directory",
  "authority",
  "ca",
  "aaa",
  "service",
  "peer",
  "observer",
  "attacker",
] as const;
export type Role = (typeof roles)[number];

export const factKinds = [
  "id.uuid",
  "id.eui64",
  "id.eui48",
  "id.guid",
  "id.serial",
  "id.endpoint",
  "id.deveui",
  "id.joineui",
  "id.peerid",
  "id.nai",
  "id.account",
  "id.name",
  "sec.psk",
  "sec.pin.static",
  "sec.pin.dynamic",
  "sec.password",
  "sec.hmac-key",
  "sec.network-key",
  "sec.app-key",
  "sec.device-key",
  "sec.owner-psk",
  "sec.session-key",
  "key.private",
  "key.public.raw",
  "key.public.hash",
  "cert.idevid",
  "cert.ldevid",
  "ta.manufacturer",
  "ta.voucher-signer",
  "ta.domain",
  "ta.server",
  "doc.voucher",
  "doc.connector",
  "doc.csrattrs",
  "loc.server-uri",
  "loc.rendezvous",
  "loc.masa-uri",
  "net.ssid",
  "net.name",
  "st.owned",
  "st.claimed",
  "cap.algorithms",
] as const;
export type FactKind = (typeof factKinds)[number];

export const provenances = [
  "manufactured",
  "printed",
  "generated-on-device",
  "generated-by-coordinator",
  "derived",
  "received",
  "typed-by-human",
  "scanned",
  "purchased-document",
  "configured",
] as const;
export type Provenance = (typeof provenances)[number];

/** `secret`: in no frame at all; `confidential`: only in encrypted frames; `public`: carried in frames. */
export const secrecies = ["secret", "confidential", "public"] as const;
export type Secrecy = (typeof secrecies)[number];

export const cryptoKinds = [
  "none",
  "symmetric",
  "asym-private",
  "asym-public",
  "hash-of-key",
  "certificate",
  "signed-document",
  "password",
  "ephemeral",
] as const;
export type CryptoKind = (typeof cryptoKinds)[number];

export const phases = [
  "manufacture",
  "supply",
  "prepare",
  "discover",
  "trust",
  "authorize",
  "deliver",
  "configure",
  "attach",
  "renew",
  "reset",
  "transfer",
] as const;
export type Phase = (typeof phases)[number];

export const channels = [
  "oob.label",
  "oob.nfc",
  "oob.display",
  "oob.led-audio",
  "oob.keypad",
  "oob.document",
  "oob.removable",
  "physical",
  "link.broadcast",
  "link.unicast",
  "link.relayed",
  "ip.linklocal",
  "ip.site",
  "ip.internet",
  "aaa",
  "backend",
] as const;
export type Channel = (typeof channels)[number];

export const userActions = [
  "power",
  "cable",
  "press",
  "scan",
  "read",
  "type",
  "compare",
  "select-from-list",
  "confirm",
  "insert-media",
  "nfc-touch",
  "ship-document",
  "approve-in-console",
] as const;
export type UserAction = (typeof userActions)[number];

/** D: from the specification only. M: only a run can tell. D->M: declared, and every run must confirm it. */
export type Evidence = "D" | "M" | "D->M";

/** Who fills a role in one deployment. */
export interface RoleBinding {
  readonly role: Role;
  /** The specification's own word for it. */
  readonly term: string;
  readonly operatedBy: "manufacturer" | "owner" | "third-party" | "user";
  readonly locality: "on-device" | "link" | "site" | "internet";
  readonly online: "never" | "setup-only" | "always";
  readonly trusted: boolean;
}

/** The neutral meaning of a protocol's own word. */
export type Concept =
  | "whole-setup"
  | "discovery"
  | "initial-trust"
  | "authorization"
  | "credential-delivery"
  | "certificate-enrolment"
  | "configuration"
  | "network-attach"
  | "registration"
  | "manufacturing"
  | "business-relation"
  | "payload"
  | "repetition";
