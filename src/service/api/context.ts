import type { Clock } from "../../core/clock.ts";
import type { Randomness } from "../../core/randomness.ts";
import type { Survey } from "../../knowledge/survey.ts";
import type { Store } from "../../store/store.ts";
import type { AuditHeads } from "../audit-heads.ts";
import type { Authority } from "../authority.ts";
import type { KeyKeeper } from "../key-keeper.ts";
import type { Upstream } from "../upstream.ts";
import type { Rekeying } from "../vault/rekey.ts";
import type { Vault } from "../vault.ts";

/** What the API's routes work on. */
export interface ApiContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly surveys: readonly Survey[];
  readonly auditHeads: Pick<AuditHeads, "noted">;
  readonly rekeying: Pick<Rekeying, "begin" | "status">;
  readonly status: () => ServiceStatus;
  /** Throws `not-found` when the service has no such tenant. */
  readonly requireTenant: (tenant: string) => void;
  /** The tenant's CA as it runs; throws `not-found` when the service has no such tenant. */
  readonly authority: (tenant: string) => Authority;
  /** The CA behind the tenant's; throws `not-found` likewise. */
  readonly upstream: (tenant: string) => Upstream;
  /** Names and addresses in the certificate of the tenant's listener; throws `not-found` likewise. */
  readonly names: (tenant: string) => readonly string[];
  /** To be called after a change of the tenant's CAs: they are read anew, and its listener shows a certificate of the one that issues. */
  readonly authorityChanged: (tenant: string) => Promise<void>;
  readonly keys: KeyKeeper;
  readonly vault: Vault;
  /** To be called after a change of the tenant's pre-shared keys: handshakes go by them from then on. */
  readonly pskChanged: (tenant: string) => Promise<void>;
  /** Forgets the demo: its tenant's records, and its listener starts afresh. */
  readonly removeDemo: () => Promise<void>;
}

export interface ServiceStatus {
  readonly version: string;
  readonly started: number;
  readonly data: string;
  /** Path of the file, or URL without its password. */
  readonly database: string;
  readonly listeners: readonly ListenerStatus[];
  /** Base URL of CRLs and OCSP. */
  readonly publication: string;
}

export interface ListenerStatus {
  readonly tenant: string;
  readonly protocol: string;
  readonly url: string;
  /** For whom it is, when not for devices with certificates: proxies that end TLS and pass Client-Cert on, or devices with a pre-shared key. */
  readonly door?: "client-cert" | "psk";
}

/** Who acts through the Unix socket: whoever can open it is the administrator. */
export const localActor = "administrator";
