/**
 * The link types: everything that a protocol may know of the wire below it. Types only; every transport and every
 * simulated link implements them.
 */

export type ChannelBinding = "tls-unique" | "tls-exporter";

/** The other end of one association, as the transport saw it. Nothing in here has been validated. */
export interface Peer {
  /** Address as the transport writes it, such as `192.0.2.7:41234`. */
  readonly address: string;
  /** What protects the association, such as `TLSv1.3`; undefined when nothing does. */
  readonly security?: Security;
  /** Address of the proxy that ended the peer's TLS and vouches for its address and chain; undefined when none did. */
  readonly terminator?: string;
  /** Certificates in DER exactly as received, the peer's own first; empty when it sent none. */
  readonly chain: readonly Uint8Array[];
  readonly pskIdentity?: Uint8Array;
  /** SubjectPublicKeyInfo of a raw public key (RFC 7250). */
  readonly rawPublicKey?: Uint8Array;
  /** Channel binding bytes (RFC 5929 tls-unique on TLS 1.2 only, RFC 9266 tls-exporter); throws when the association has none. */
  binding(type: ChannelBinding): Uint8Array;
  /** Keying material exporter (RFC 5705, RFC 8446 7.5) with a zero-length context; throws when the association has none. */
  exporter(label: string, length: number): Uint8Array;
}

export interface Security {
  readonly version: "TLSv1.2" | "TLSv1.3" | "DTLSv1.2";
  readonly cipherSuite: string;
  /** The signature algorithm or key type of each side's credential is declared from version and suite, not observed. */
  readonly resumed: boolean;
}

/** Exactly one association. When it ends the connection is closed; it never silently becomes another one. */
export interface Connection<Request, Response> {
  readonly peer: Peer;
  /** Throws a coded error when the association ends before the answer is complete. */
  request(request: Request, signal?: AbortSignal): Promise<Response>;
  /** Answers requests of the peer; a binding with one direction (HTTP) throws. */
  serve(handler: (request: Request, peer: Peer) => Promise<Response>): void;
  close(): Promise<void>;
}

/** Datagrams to and from addresses: UDP, DTLS application data, relayed records, radio frames, the simulated lossy link. */
export interface Datagrams {
  /** `after` and `before` are monotonic milliseconds: not earlier, not at all when later. */
  send(address: string, bytes: Uint8Array, window?: { readonly after?: number; readonly before?: number }): void;
  receive(handler: (address: string, bytes: Uint8Array) => void): void;
  close(): Promise<void>;
}

/** Ordered frames: DPP over TCP, HCI. */
export interface Messages {
  send(frame: Uint8Array): void;
  receive(handler: (frame: Uint8Array) => void): void;
  close(): Promise<void>;
}
