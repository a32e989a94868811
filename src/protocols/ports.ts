import type { Clock } from "../core/clock.ts";
import type { Connection, Peer } from "../core/link.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Write } from "../core/write.ts";
import type { Signer } from "../crypto/signer.ts";
import type { RunOutcome, RunRecorder } from "../knowledge/run.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { Extension } from "../pki/extensions.ts";

/**
 * All that a protocol may know of the rest of the house. A port is read; what it would change it hands back as `Write`s,
 * which the caller commits together with the session and the run.
 */

export type CredentialKind = "idevid" | "ldevid" | "password" | "anonymous";

/** What is known of the device that asks, and how well. */
export interface Evidence {
  readonly protocol: string;
  readonly variant: string;
  readonly operation: string;
  readonly credential: CredentialKind;
  /** Name of the device: its serial number, or the name that it will have in its certificate. */
  readonly name: string;
  /** False when the name was only said. */
  readonly proven: boolean;
  /** Serial number of the maker, when the credential shows one. */
  readonly serial?: string;
  /** Name of the registered anchor that vouches for the credential. */
  readonly issuer?: string;
  /** SHA-256 of the presented certificate, hex. */
  readonly certificate?: string;
  /** SHA-256 of the SubjectPublicKeyInfo to be certified, hex. */
  readonly key: string;
  /** The session that would wait for a person. */
  readonly subject: string;
  readonly address: string;
  readonly run: string;
}

export interface Decision {
  readonly verdict: "allow" | "deny" | "wait";
  /** The rule that decided, and why, in words for the operator. */
  readonly rule: string;
  readonly reason: string;
  /** The person whose decision this is, when one was asked for. */
  readonly decidedBy?: string;
  /** Inventory record of the device, when there is one. */
  readonly device?: string;
  /** Seconds after which a waiting device may ask again. */
  readonly retryAfter: number;
  readonly writes: readonly Write[];
}

/** May this device, with this evidence, be onboarded here? */
export interface Admission {
  decide(evidence: Evidence): Promise<Decision>;
}

export interface CertificateRequest {
  readonly profile: "device";
  /** Name in DER. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo in DER, already checked. */
  readonly publicKey: Uint8Array;
  readonly subjectAltName?: Extension;
  readonly device?: string;
  readonly run: string;
}

export interface Issued {
  readonly certificate: Uint8Array;
  readonly notAfter: number;
  readonly writes: readonly Write[];
}

/** The tenant's certificate authority. */
export interface Issuer {
  issue(request: CertificateRequest): Promise<Issued>;
  /** The root first, then what leads from it to issued certificates. */
  authorities(): Promise<readonly Certificate[]>;
  /** Whether the authority has issued this very certificate. Revocation is not looked at: there is none yet. */
  issued(certificate: Certificate): Promise<boolean>;
}

/** Anchors of others that the operator registered. */
export interface Trust {
  manufacturers(): Promise<readonly { readonly name: string; readonly certificate: Certificate }[]>;
}

/** Secrets and configuration of single devices or installers. */
export interface Credentials {
  /** Undefined when user or password is wrong; which of the two is not told. `address`: who guesses, without a port. */
  verifyPassword(user: string, password: string, address: string): Promise<{ readonly devices: string } | undefined>;
}

export interface Ports {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly run: RunRecorder;
  readonly admission: Admission;
  readonly issuer: Issuer;
  readonly trust: Trust;
  readonly credentials: Credentials;
}

export type StepEvent<Message> =
  | { readonly kind: "message"; readonly message: Message; readonly peer: Peer }
  | { readonly kind: "timer"; readonly name: string }
  | { readonly kind: "answer"; readonly answer: string }
  | { readonly kind: "closed" };

export type Output<Reply> =
  | { readonly kind: "send"; readonly reply: Reply }
  | { readonly kind: "timer"; readonly name: string; readonly after: number }
  | { readonly kind: "wait"; readonly reason: string }
  | { readonly kind: "done" };

export interface Step<Session, Reply> {
  /** `keep` leaves the stored session as it is; undefined removes it. */
  readonly next: { readonly session: Session; readonly expires: number } | "keep" | undefined;
  readonly writes: readonly Write[];
  readonly outputs: readonly Output<Reply>[];
  /** How the run stands now, stored in the same commit; undefined for anonymous reads and for repeats of a reply. */
  readonly run?: RunState;
}

export interface RunState {
  readonly outcome: RunOutcome;
  /** Rule of a grant, or coded reason of anything else. */
  readonly reason: string;
  /** What lists call the device. */
  readonly label: string;
  readonly device?: string;
  /** Refused before anybody was authenticated: the ledger keeps it for a while, the audit does not. */
  readonly byStranger?: boolean;
}

/** The side that is asked. `step` changes nothing by itself and may be run again on a fresh session. */
export interface Responder<Message, Session, Reply> {
  /** Name of the session that the message belongs to; undefined for anonymous reads. */
  session(message: Message, peer: Peer): string | undefined;
  step(session: Session | undefined, event: StepEvent<Message>, ports: Ports): Promise<Step<Session, Reply>>;
}

/** Opens associations for a leader. */
export type Dial<Request, Response> = (
  target: DialTarget,
  signal?: AbortSignal,
) => Promise<Connection<Request, Response>>;

export interface DialTarget {
  readonly host: string;
  readonly port: number;
  /** Explicit trust anchors in DER; nothing else is trusted. */
  readonly anchors: readonly Uint8Array[];
  readonly identity?: ClientIdentity;
}

/** A certificate chain, the end entity first, and its private key in the keeping of the environment. */
export interface ClientIdentity {
  readonly chain: readonly Uint8Array[];
  readonly key: DeviceKey;
}

/** A key pair of the device: this side signs with it, the environment stores it. */
export interface DeviceKey {
  readonly kind: KeyKind;
  readonly signer: Signer;
}

export type KeyKind = "P-256" | "P-384" | "Ed25519" | "RSA-2048" | "RSA-3072";
