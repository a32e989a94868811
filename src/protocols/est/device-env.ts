import type { Clock } from "../../core/clock.ts";
import type { Randomness } from "../../core/randomness.ts";
import type { Run } from "../../knowledge/run.ts";
import type { DecryptedContent, EnvelopedData } from "../../pki/cms-enveloped-data.ts";
import type { CertificateIdentifier } from "../../pki/cms-identifier.ts";
import type { HttpRequest, HttpResponse } from "../../transport/http/message.ts";
import type { ClientIdentity, DeviceKey, Dial, FetchUnauthenticated, KeyKind } from "../ports.ts";
import type { BasicCredentials } from "./messages.ts";

/** Where the server is and how it is trusted. */
export interface EstServerAddress {
  readonly host: string;
  readonly port: number;
  readonly label?: string;
  readonly trust: EstTrust;
}

/**
 * How the device knows the right server. All but `explicit` are for the first time: what cacerts brings then is stored, and
 * from then on the device trusts that alone.
 */
export type EstTrust =
  /** RFC 7030 3.6.1: anchors of the server's CA in DER, at least one. */
  | { readonly kind: "explicit"; readonly anchors: readonly Uint8Array[] }
  /** RFC 7030 3.6.2: roots that vouch for the names of servers, in DER; the name has to be the one in `host`. */
  | { readonly kind: "implicit"; readonly anchors: readonly Uint8Array[] }
  /** RFC 7030 3.3.3: a key that only the right server has; it proves the device as well. */
  | { readonly kind: "psk"; readonly identity: string; readonly key: Uint8Array }
  /** RFC 7030 4.1.1: SHA-256 or SHA-512 of a CA certificate in DER, known beforehand. */
  | { readonly kind: "fingerprint"; readonly fingerprint: Uint8Array }
  /** RFC 7030 4.1.1: a person compares the fingerprint of the CA certificate; anything but true ends the run. */
  | { readonly kind: "confirm"; readonly confirm: (candidate: AnchorCandidate) => Promise<boolean> };

/** A CA certificate that a server without any authentication published: an attacker's, until somebody has compared it. */
export interface AnchorCandidate {
  /** In DER. */
  readonly certificate: Uint8Array;
  readonly sha256: Uint8Array;
  readonly sha512: Uint8Array;
}

export interface EstDeviceSettings {
  readonly server: EstServerAddress;
  /** Certificate and key for TLS: an IDevID to enrol with, the certificate to be renewed to re-enrol with. */
  readonly identity?: ClientIdentity & { readonly credential: "idevid" | "ldevid" };
  readonly credentials?: BasicCredentials;
  /**
   * How the password is proven (RFC 7030 3.2.3): `basic`, unless said otherwise, sends it unasked to a server that is authorized, and
   * answers Digest with SHA-256 where Basic is not taken; `digest` never sends it; `digest-md5` answers MD5 too, where a server offers no more.
   */
  readonly httpAuthentication?: "basic" | "digest" | "digest-md5";
  /** Name in DER for a first enrolment; a renewal keeps the names of its certificate (RFC 7030 4.2.2). */
  readonly subject: Uint8Array;
  /** For serverkeygen: how the key that the server makes is kept secret on its way, by TLS alone unless said otherwise. */
  readonly serverKey?: ServerKeyProtection;
  /** Kind of a new key; when it is left out the one that the CA wants, or else P-256. */
  readonly keyKind?: KeyKind;
  /** RFC 7030 4.5: whether the CA is asked what it wants in requests, `ask` unless said otherwise. */
  readonly csrattrs?: "ask" | "never";
  /** Addresses of 4 or 16 octets that the device tells when the CA asks for them. */
  readonly addresses?: readonly Uint8Array[];
  /** RFC 7030 3.5: `auto` puts the channel binding into challengePassword; `never` is for CAs that keep the field for an enrolment code. */
  readonly binding: "auto" | "never";
  /** Milliseconds to wait altogether while the server answers 202 or 503. */
  readonly patience: number;
  /**
   * RFC 7030 3.2.1: whether a request is sent to another host or port that the server names, `same-origin` unless said
   * otherwise. A GET is: it tells nothing.
   */
  readonly redirect?: "same-origin" | "other-origin";
}

/** How a key that the server makes is to be kept secret on its way, beyond TLS (RFC 7030 4.4.1). */
export type ServerKeyProtection =
  | { readonly kind: "none" }
  /** Encrypted for the certificate that the device shows in TLS. */
  | { readonly kind: "certificate" }
  /** Under a key that both sides know by this decryptKeyID: 16, 24 or 32 octets. */
  | { readonly kind: "symmetric"; readonly identifier: string; readonly key: Uint8Array };

/** What the device's machine does for it. */
export interface EstDeviceEnv {
  readonly dial: Dial<HttpRequest, HttpResponse>;
  /** For trust by fingerprint alone. */
  readonly fetchUnauthenticated: FetchUnauthenticated<HttpResponse>;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly keys: { generate(kind: KeyKind): Promise<DeviceKey> };
  /** For keys that the server makes (RFC 7030 4.4); a device that makes its own needs none of this. */
  readonly foreignKeys?: {
    /** Takes a private key in DER: PKCS #8, PKCS #1 or SEC 1. Throws HatcheryError. */
    take(privateKey: Uint8Array): DeviceKey;
    /** Decrypts with the private half of the device's own key; throws CmsError. */
    decrypt(key: DeviceKey, data: EnvelopedData, identifiers: readonly CertificateIdentifier[]): DecryptedContent;
  };
  readonly storage: EstDeviceStorage;
  /** Told what a server does otherwise than its specification says, and is tolerated. */
  readonly warning?: (sentence: string) => void;
  /** Called once with the ledger, whatever the outcome. */
  readonly ledger?: (run: Run) => void;
  /** Told when the device has to wait, so that people see that it is alive: for a decision (202), or for a busy server (503). */
  readonly waiting?: (seconds: number, run: string | undefined, why: "decision" | "busy") => void;
  readonly signal?: AbortSignal;
}

/** Keeps what must survive a restart. Each call is durable and all-or-nothing when it resolves. */
export interface EstDeviceStorage {
  /** The anchors that are explicit for this device's server: those of its credential, or else those that were saved. */
  anchors(): Promise<readonly Uint8Array[] | undefined>;
  /** What was trusted for the first time, before any request goes there. */
  saveAnchors(anchors: readonly Uint8Array[]): Promise<void>;
  /** The credential that was saved last. */
  credential(): Promise<ClientIdentity | undefined>;
  /** The key of an enrolment that was begun and not finished. */
  pendingKey(): Promise<DeviceKey | undefined>;
  savePendingKey(key: DeviceKey): Promise<void>;
  /** Makes the pending key and its certificate current together, and forgets the pending key. */
  saveCredential(credential: {
    readonly key: DeviceKey;
    /** The pending key, where another one was certified: the server's in place of the device's. */
    readonly replaces?: DeviceKey;
    readonly certificate: Uint8Array;
    /** Issuers of the certificate below the root. */
    readonly chain: readonly Uint8Array[];
    /** What cacerts published, the root first. */
    readonly authorities: readonly Uint8Array[];
    /** What the next association is trusted by, whether it was published or not. */
    readonly anchors: readonly Uint8Array[];
  }): Promise<void>;
}
