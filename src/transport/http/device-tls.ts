import { constants } from "node:crypto";
import { createServer, type Server, type ServerOptions } from "node:https";
import { reasonOf, TransportError } from "../errors.ts";
import type { HttpLimits } from "./limits.ts";
import { adjusted, parserOptions } from "./parser.ts";

/** The certificate that a listener shows, in PEM. */
export interface ServerCredential {
  /** The server's certificate, then each issuer up to but without the root. */
  readonly chain: string;
  /** Private key in PKCS#8, not encrypted. */
  readonly key: string;
}

export interface TlsServer {
  readonly server: Server;
  replaceCredential(credential: ServerCredential): void;
}

/** An HTTPS server with the settings of a device listener, not yet listening; throws `unusable-credential`. */
export function createTlsServer(credential: ServerCredential, limits: HttpLimits): TlsServer {
  const server = usable(() =>
    createServer({
      ...contextOf(credential),
      requestCert: true,
      // RFC 7030 section 3.3.2 and RFC 8995 section 5.1: who issued the certificate is judged when the request is known,
      // because an alert in the handshake tells a person nothing.
      rejectUnauthorized: false,
      handshakeTimeout: limits.handshakeTimeout,
      ALPNProtocols: ["http/1.1", "http/1.0"],
      allowHalfOpen: true,
      ...parserOptions(limits),
    }),
  );
  return {
    server: adjusted(server),
    replaceCredential: (replacement) => usable(() => server.setSecureContext(contextOf(replacement))),
  };
}

function contextOf(credential: ServerCredential): ServerOptions {
  return {
    cert: credential.chain,
    key: credential.key,
    // An empty list: no certificate authority is named to the client, and the system's roots are not loaded.
    ca: [],
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    ciphers,
    ecdhCurve,
    // A resumed session shows no certificates, and renegotiation breaks tls-unique (RFC 9266 section 4).
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

function usable<Value>(make: () => Value): Value {
  try {
    return make();
  } catch (cause) {
    throw new TransportError(
      "unusable-credential",
      `The certificate chain and the private key cannot be used together: ${reasonOf(cause)}.`,
      { cause },
    );
  }
}

// RFC 9325 section 4.2 plus the CCM suite of constrained devices (RFC 7251): forward secrecy and AEAD only.
const ciphers = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_CCM_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-CCM",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

// The hybrid group comes last: it costs 1.2 KB each way, and a client that wants it offers nothing else first.
const ecdhCurve = "X25519:P-256:P-384:X25519MLKEM768";
