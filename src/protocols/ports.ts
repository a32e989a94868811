import type { Clock } from "../core/clock.ts";
import type { Connection, Peer } from "../core/link.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Write } from "../core/write.ts";
import type { SignatureAlgorithm } from "../crypto/algorithms.ts";
import type { Signer } from "../crypto/signer.ts";
import type { RunOutcome, RunRecorder } from "../knowledge/run.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { RevocationReason } from "../pki/crl-reasons.ts";
import type { Extension } from "../pki/extensions.ts";
import type { KeyUsage } from "../pki/standard-extensions.ts";

/**
 * All that a protocol may know of the rest of the house. A port is read; what it would change it hands back as `Write`s,
 * which the caller commits together with the session and the run.
 */

/** `ra`: the certificate of a registration authority, which asks for others (RFC 7030 3.7). */
export type CredentialKind = "idevid" | "ldevid" | "password" | "psk" | "ra" | "anonymous";

/** What is known of the device that asks, and how well. */
export interface Evidence {
  readonly protocol: string;
  readonly variant: string;
  readonly operation: string;
  /** Name of the certificate profile that it asks for, by a label or by none. */
  readonly profile: string;
  readonly credential: CredentialKind;
  /** Name of the device: its serial number, or the name that it will have in its certificate. */
  readonly name: string;
  /** False when the name was only said. */
  readonly proven: boolean;
  /** The name that it wants from now on in place of `name` (RFC 6402 2.8). */
  readonly newName?: string;
  /** Common name of the certificate that it asks for, when that is not `name`. */
  readonly certifiedName?: string;
  /** Whether the certificate will have the common name as host name too. */
  readonly hostName?: true;
  /** Serial number of the maker, when the credential shows one. */
  readonly serial?: string;
  /** Name of the registered anchor that vouches for the credential. */
  readonly issuer?: string;
  /** The user whose password was proven, alone or beside a certificate. */
  readonly user?: string;
  /** Name of the registration authority that asks for the device. */
  readonly registrationAuthority?: string;
  /** SHA-256 of the presented certificate, hex. */
  readonly certificate?: string;
  /** SHA-256 of the SubjectPublicKeyInfo to be certified, hex; absent while the server has yet to make the key. */
  readonly key?: string;
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
  /** Name of the profile that the certificate is issued by. */
  readonly profile: string;
  /** Name in DER. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo in DER, already checked. */
  readonly publicKey: Uint8Array;
  readonly subjectAltName?: Extension;
  /** The PKCS #10 request as received, for an authority that hands it on. */
  readonly request?: Uint8Array;
  readonly device?: string;
  readonly run: string;
}

/** What became of a request; an authority that asks another one may have to wait for it, or be refused by it. */
export type Issuance =
  | {
      readonly kind: "issued";
      readonly certificate: Uint8Array;
      readonly notAfter: number;
      readonly writes: readonly Write[];
    }
  /** `retryAfter`: seconds after which the device may ask again. */
  | { readonly kind: "pending"; readonly retryAfter: number; readonly reason: string }
  | { readonly kind: "refused"; readonly reason: string };

export type CertificateStatus =
  /** Not one that the authority has issued. */
  | { readonly kind: "unknown" }
  /** `profile`: the name of the one that it was issued by. `writes`: committed with what is granted to its holder, they are lost when it was revoked meanwhile. */
  | { readonly kind: "good"; readonly profile: string; readonly writes: readonly Write[] }
  | { readonly kind: "revoked"; readonly reason: RevocationReason; readonly at: number };

/** What the operator lets one label of a protocol issue, as far as the protocol has to check it. Times in milliseconds. */
export interface CertificateProfile {
  readonly name: string;
  /** Kinds of key that are certified. */
  readonly keys: readonly CertifiedKeyKind[];
  readonly leastRsaBits: number;
  /** Kinds of subjectAltName that a request may ask for. */
  readonly subjectAltName: readonly RequestedNameKind[];
  readonly keyUsage: readonly KeyUsage[];
  /** Purposes in dotted form. */
  readonly extKeyUsage: readonly string[];
  /** Of the certificates' subject: with a value the same in all of them, without one the device is asked for it. */
  readonly subject: readonly SubjectAttribute[];
  /** Extensions that requests are asked to hold, of what this profile certifies. */
  readonly requestExtensions: readonly RequestedExtension[];
  /** In which form devices are told what their requests are to hold (RFC 7030 4.5.2, RFC 9908 3.4). */
  readonly csrattrs: "none" | "attributes" | "template" | "both";
  readonly renewal: RenewalRules;
  /** RFC 7030 3.5: whether a request has to hold the channel binding of its connection; one that is there is verified anyway. */
  readonly binding: "accepted" | "required";
  /** Names that the holder of a certificate of this profile with id-kp-cmcRA may ask for; may hold `*`, empty for none. */
  readonly registrationAuthority: string;
  /** The key pair that the server makes for a device that asks for one (RFC 7030 4.4). */
  readonly serverKey: "none" | KeyKind;
  /** Whether a renewal may ask for other names (RFC 6402 2.8). */
  readonly changeSubjectName: "refused" | "allowed";
  /** Whether Full PKI Requests are answered (RFC 7030 4.3). */
  readonly fullcmc: "refused" | "allowed";
}

export interface RenewalRules {
  /** Share of its validity, from 0 to 1, that a certificate has to be old before it is renewed. */
  readonly after: number;
  /** How long after its end a certificate may still be renewed. */
  readonly grace: number;
  readonly sameKey: boolean;
}

export type CertifiedKeyKind = "P-256" | "P-384" | "P-521" | "Ed25519" | "RSA";
export type RequestedNameKind = "dNSName" | "iPAddress";
export type RequestedExtension = "subjectAltName" | "keyUsage" | "extKeyUsage";

/** The device's own name has no value here. */
export type SubjectAttribute =
  | { readonly type: "commonName" | "serialNumber"; readonly value?: undefined }
  | { readonly type: SharedAttribute; readonly value: string };
export type SharedAttribute =
  | "countryName"
  | "stateOrProvinceName"
  | "localityName"
  | "organizationName"
  | "organizationalUnitName";

/** The tenant's certificate authority. */
export interface Issuer {
  issue(request: CertificateRequest): Promise<Issuance>;
  /** What devices are given to trust and to build paths with (RFC 7030 4.1.3), the root of new devices first. */
  authorities(): Promise<readonly Certificate[]>;
  /**
   * The CAs whose certificates are devices' own here, those of former generations as long as they are accepted: each is
   * trusted by itself.
   */
  issuers(): Promise<readonly Certificate[]>;
  /** Whether the authority has issued this very certificate, and whether it was revoked. Dates are not looked at. */
  status(certificate: Certificate): Promise<CertificateStatus>;
  /** Whether a certificate for this SubjectPublicKeyInfo was revoked because somebody else may have the key. */
  isCompromised(publicKey: Uint8Array): Promise<boolean>;
  /** The profile that a protocol's label names; undefined when there is no such label. */
  profile(protocol: string, label: string | undefined): Promise<CertificateProfile | undefined>;
  /** Names that holders of certificates of this profile may ask for as registration authorities; empty for none. */
  registrationAuthority(profile: string): Promise<string>;
}

/** Anchors of others that the operator registered. */
export interface Trust {
  manufacturers(): Promise<readonly { readonly name: string; readonly certificate: Certificate }[]>;
}

/** What HTTP Digest proves of a user's password (RFC 7616 3.4), as it was sent. */
export interface DigestProof {
  readonly user: string;
  readonly algorithm: "SHA-256" | "MD5";
  readonly method: string;
  readonly uri: string;
  readonly nonce: string;
  readonly nc: string;
  readonly cnonce: string;
  readonly response: string;
}

/** A user of HTTP authentication; `devices` is the pattern of names that it may enrol. */
export interface VerifiedUser {
  readonly devices: string;
}

/** Secrets and configuration of single devices or installers. */
export interface Credentials {
  /** Undefined when user or password is wrong; which of the two is not told. `address`: who guesses, without a port. */
  verifyPassword(user: string, password: string, address: string): Promise<VerifiedUser | undefined>;
  /**
   * The same by proof. `stale`: the proof is right, and its nonce is used up, too old or another service's (RFC 7616 3.3). The
   * same object may be verified again, an equal one not.
   */
  verifyDigest(proof: DigestProof, address: string): Promise<VerifiedUser | "stale" | undefined>;
  /** Whom the identity of a pre-shared key stands for, which TLS has proven; undefined when the key was removed meanwhile. */
  pskUser(identity: string): Promise<VerifiedUser | undefined>;
}

/** Key pairs that the service makes for devices, and what their sending takes (RFC 7030 4.4). */
export interface DeviceKeys {
  /** A new one; throws `overloaded` when too many are asked for at once. `source`: who asks, sources take turns. */
  generate(kind: KeyKind, source: string): Promise<GeneratedKey>;
  /** The symmetric key that the operator registered under `identifier` for devices of this name. */
  keyEncryptionKey(identifier: Uint8Array, device: string): Promise<Uint8Array | undefined>;
  /** Certificates that the authority has issued to a device of the inventory, and that are good now: the latest ones. */
  certificatesOf(device: string): Promise<readonly Certificate[]>;
  /** Signs as the service; the certificates in DER, its own first, without the root. */
  signer(): Promise<{ readonly signer: Signer; readonly chain: readonly Uint8Array[] }>;
}

/** To whom the authority has delegated to sign answers of CMC (RFC 6402 2.10). */
export interface CmcResponder {
  readonly signer: Signer;
  readonly certificate: Certificate;
  /** The CA's own certificate. */
  readonly issuer: Certificate;
}

export interface GeneratedKey {
  readonly signer: Signer;
  /** PKCS #8 in DER: for the device, and for nobody else. */
  readonly privateKey: Uint8Array;
}

export interface Ports {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly run: RunRecorder;
  readonly admission: Admission;
  readonly issuer: Issuer;
  /** Whether this service is itself reached by a host name, or by an address in text or octets. */
  readonly isOwnName: (name: string | Uint8Array) => boolean;
  readonly trust: Trust;
  readonly credentials: Credentials;
  readonly deviceKeys: DeviceKeys;
  /** Throws `overloaded` while the authority cannot delegate. */
  readonly cmcResponder: () => Promise<CmcResponder>;
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
  readonly trust: ServerAnchors;
  readonly identity?: ClientIdentity;
}

/**
 * What a server is trusted by, and nothing else: anchors in DER. `explicit` ones belong to the one CA that the device is with,
 * `implicit` ones to whoever names servers for the whole world, so that only the name tells the right server from another. Or a
 * key that both have, and then no certificate at all.
 */
export type ServerAnchors =
  | { readonly kind: "explicit"; readonly anchors: readonly Uint8Array[] }
  | { readonly kind: "implicit"; readonly anchors: readonly Uint8Array[] }
  | { readonly kind: "psk"; readonly identity: string; readonly key: Uint8Array };

/**
 * One GET to a server that nobody has authenticated, on an association of its own that ends with the answer. No header field, no
 * body and no client certificate can go with it, so nothing can be told to whoever answers.
 */
export type FetchUnauthenticated<Response> = (
  target: { readonly host: string; readonly port: number; readonly path: string },
  signal?: AbortSignal,
) => Promise<{ readonly peer: Peer; readonly answer: Response }>;

/** A certificate chain, the end entity first, and its private key in the keeping of the environment. */
export interface ClientIdentity {
  readonly chain: readonly Uint8Array[];
  readonly key: DeviceKey;
}

/** A key pair of the device: this side signs with it, the environment stores it. */
export interface DeviceKey {
  readonly kind: KeyKind;
  readonly signer: Signer;
  /** Signs by another algorithm of its type; absent where the key is kept by something that knows one alone. */
  readonly signerBy?: (algorithm: SignatureAlgorithm) => Signer;
}

export type KeyKind = "P-256" | "P-384" | "Ed25519" | "RSA-2048" | "RSA-3072" | "RSA-4096";
