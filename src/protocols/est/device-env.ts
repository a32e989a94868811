import type { Clock } from "../../core/clock.ts";
import type { Randomness } from "../../core/randomness.ts";
import type { Run } from "../../knowledge/run.ts";
import type { HttpRequest, HttpResponse } from "../../transport/http/message.ts";
import type { ClientIdentity, DeviceKey, Dial, KeyKind } from "../ports.ts";
import type { BasicCredentials } from "./messages.ts";

/** Where the server is and how it is trusted: explicit anchors (RFC 7030 3.6.1), and nothing else. */
export interface EstServerAddress {
  readonly host: string;
  readonly port: number;
  readonly label?: string;
  /** Explicit trust anchors in DER, at least one. */
  readonly anchors: readonly Uint8Array[];
}

export interface EstDeviceSettings {
  readonly server: EstServerAddress;
  /** Certificate and key for TLS: an IDevID to enrol with, the certificate to be renewed to re-enrol with. */
  readonly identity?: ClientIdentity & { readonly credential: "idevid" | "ldevid" };
  readonly credentials?: BasicCredentials;
  /** Name in DER for a first enrolment; a renewal keeps the names of its certificate (RFC 7030 4.2.2). */
  readonly subject: Uint8Array;
  readonly keyKind: KeyKind;
  /** RFC 7030 3.5: `auto` puts the channel binding into challengePassword; `never` is for CAs that keep the field for an enrolment code. */
  readonly binding: "auto" | "never";
  /** Milliseconds to wait altogether while the server answers 202. */
  readonly patience: number;
}

/** What the device's machine does for it. */
export interface EstDeviceEnv {
  readonly dial: Dial<HttpRequest, HttpResponse>;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly keys: { generate(kind: KeyKind): Promise<DeviceKey> };
  readonly storage: EstDeviceStorage;
  /** Called once with the ledger, whatever the outcome. */
  readonly ledger?: (run: Run) => void;
  /** Told when the device has to wait, so that people see that it is alive. */
  readonly waiting?: (seconds: number, run: string | undefined) => void;
  readonly signal?: AbortSignal;
}

/** Keeps what must survive a restart. Each call is durable and all-or-nothing when it resolves. */
export interface EstDeviceStorage {
  /** The key of an enrolment that was begun and not finished. */
  pendingKey(): Promise<DeviceKey | undefined>;
  savePendingKey(key: DeviceKey): Promise<void>;
  /** Makes the pending key and its certificate current together, and forgets the pending key. */
  saveCredential(credential: {
    readonly key: DeviceKey;
    readonly certificate: Uint8Array;
    /** Issuers of the certificate below the root. */
    readonly chain: readonly Uint8Array[];
    /** What cacerts published, the root first. */
    readonly authorities: readonly Uint8Array[];
  }): Promise<void>;
}
