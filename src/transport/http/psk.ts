import { constants } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { view } from "../../core/bytes.ts";
import type { HttpLimits } from "./limits.ts";
import { adjusted, parserOptions } from "./parser.ts";

/** A key that both ends have, and the name by which the client says which. */
export interface PreSharedKey {
  readonly identity: string;
  /** 32 random bytes: whoever answers a client can try keys in peace, so that one that can be guessed is none. */
  readonly key: Uint8Array;
}

/** The server's side of pre-shared keys; it is asked within a handshake, so it must not wait. */
export interface PreSharedKeys {
  /**
   * The key of `identity`, and for one that nobody has a key that nobody has, always the same: then an unknown identity fails
   * as a wrong key does.
   */
  keyOf(identity: string): Uint8Array;
}

/**
 * An HTTPS server without any certificate, not yet listening. Who has completed its handshake has proven to hold a key, because
 * there is no other way to complete it.
 */
export function createPskServer(keys: PreSharedKeys, limits: HttpLimits): Server {
  return adjusted(
    createServer({
      pskCallback(socket: TLSSocket, identity: string) {
        // The last one asked for is the one in use: OpenSSL asks for each identity until there is a key, and asks again when
        // the client had to begin anew with another group (RFC 8446 4.1.4).
        identities.set(socket, identity);
        return view(keys.keyOf(identity));
      },
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.3",
      ciphers,
      ecdhCurve,
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
      handshakeTimeout: limits.handshakeTimeout,
      ALPNProtocols: ["http/1.1", "http/1.0"],
      allowHalfOpen: true,
      ...parserOptions(limits),
    }),
  );
}

/** TLS options of a client that trusts whoever holds the key, and shows it to nobody else. */
export function pskOptions({ identity, key }: PreSharedKey): ConnectionOptions {
  return {
    pskCallback: () => ({ identity, psk: view(key) }),
    // A server that passes the key over and shows a certificate is not the one.
    ca: [],
    rejectUnauthorized: true,
    checkServerIdentity: () => undefined,
    ciphers,
  };
}

/** Says by which key a client's handshake was completed. */
export function namePskIdentity(socket: TLSSocket, identity: string): void {
  identities.set(socket, identity);
}

/** The identity whose key both ends of this connection have proven; undefined where there is none. */
export function pskIdentityOf(socket: TLSSocket): string | undefined {
  return identities.get(socket);
}

const identities = new WeakMap<TLSSocket, string>();

// Forward secrecy and AEAD only. In TLS 1.3 OpenSSL binds such a key to SHA-256 (RFC 8446 4.2.11), which leaves these suites;
// in TLS 1.2 it knows no other one of ECDHE_PSK with AEAD (RFC 7905).
const ciphers = ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305"].join(":");
const ecdhCurve = "X25519:P-256:P-384";
