import type { KeyObject } from "node:crypto";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import type { Connection } from "../../core/link.ts";
import { reasonOf, TransportError } from "../errors.ts";
import { exchangeOn } from "./exchange.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";
import { peerOf } from "./peer.ts";
import { namePskIdentity } from "./psk.ts";
import { type Certificate, handshakeError, pemOf, type ServerTrust, trustOptions } from "./server-trust.ts";

/** Longest times in milliseconds. */
export interface ClientTimeouts {
  readonly connect: number;
  readonly handshake: number;
  /** From the request to the end of the response header. */
  readonly header: number;
  /** From there to the end of the body. */
  readonly body: number;
}

export interface ResponseLimits {
  readonly headerBytes: number;
  readonly bodyBytes: number;
}

/** What the client proves itself with. */
export interface ClientCredential {
  /** The client's certificate first, then its issuers. */
  readonly chain: readonly Certificate[];
  /** PKCS#8 in PEM, not encrypted, or a private key object that can be exported. */
  readonly key: KeyObject | string;
}

export interface DialOptions {
  /** `https://host[:port]`; a path is ignored. */
  readonly url: string;
  readonly trust: ServerTrust;
  readonly credential?: ClientCredential;
  /** The name to ask for and to find in the certificate, when it is not the host of `url`. */
  readonly serverName?: string;
  readonly timeouts?: Partial<ClientTimeouts>;
  readonly limits?: Partial<ResponseLimits>;
  readonly signal?: AbortSignal;
}

const defaultClientTimeouts: ClientTimeouts = {
  connect: 10_000,
  handshake: 10_000,
  header: 60_000,
  body: 30_000,
};

const defaultResponseLimits: ResponseLimits = { headerBytes: 16 * 1024, bodyBytes: 1024 * 1024 };

/**
 * Opens exactly one TLS 1.2 or 1.3 association for HTTP/1.1 requests one after another; a new one is never opened behind the
 * caller's back, because its channel binding would be another. With `provisional` trust nothing of the server is checked.
 *
 * Throws `connect-failed`, `timeout`, `handshake-failed`, `server-not-trusted`, `name-mismatch`, `unusable-credential` or
 * `invalid-request`; `request` throws `association-closed`, `timeout`, `response-too-large`, `broken-response`,
 * `handshake-failed` (the server refused the client's certificate, which in TLS 1.3 shows this late) or `invalid-request`.
 */
export async function dialHttps(options: DialOptions): Promise<Connection<HttpRequest, HttpResponse>> {
  const { host, port } = originOf(options.url);
  const name = options.serverName ?? host;
  const timeouts = { ...defaultClientTimeouts, ...options.timeouts };
  const limits = { ...defaultResponseLimits, ...options.limits };
  const tlsOptions = tlsOptionsOf(options, name);

  const tcp = connectTcp({ host, port });
  await settled(tcp, "connect", timeouts.connect, options.signal, {
    late: () =>
      new TransportError("timeout", `Connecting to ${host} port ${port} took longer than ${timeouts.connect} ms.`),
    failed: (cause) =>
      new TransportError("connect-failed", `Connecting to ${host} port ${port} failed: ${reasonOf(cause)}.`, {
        cause,
      }),
  });
  const socket = startTls({ ...tlsOptions, socket: tcp });
  await settled(socket, "secureConnect", timeouts.handshake, options.signal, {
    late: () =>
      new TransportError("timeout", `The TLS handshake with ${host} took longer than ${timeouts.handshake} ms.`),
    failed: (cause) => handshakeError(cause, name),
  });

  if (options.trust.kind === "psk") namePskIdentity(socket, options.trust.identity);
  const peer = peerOf(socket, "client");
  const authority = port === 443 ? bracketed(host) : `${bracketed(host)}:${port}`;
  const exchange = exchangeOn(socket, authority, timeouts, limits);
  return {
    peer,
    request: exchange,
    serve() {
      throw new TransportError("one-direction", "An HTTPS client only asks; it cannot answer requests.");
    },
    close: () => closed(socket),
  };
}

function originOf(url: string): { readonly host: string; readonly port: number } {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.protocol !== "https:")
    throw new TransportError("invalid-request", "The server's address must be a URL that begins with https://.");
  return { host: parsed.hostname.replace(/^\[|\]$/g, ""), port: parsed.port === "" ? 443 : Number(parsed.port) };
}

function tlsOptionsOf(options: DialOptions, name: string): ConnectionOptions {
  const { credential } = options;
  return {
    ...trustOptions(options.trust),
    host: name,
    // RFC 6066 section 3: an address is no server name.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    minVersion: "TLSv1.2",
    // Node's default would add 1.2 KB of ML-KEM to every handshake.
    ecdhCurve: "X25519:P-256:P-384",
    ALPNProtocols: ["http/1.1"],
    ...(credential === undefined ? {} : { cert: credential.chain.map(pemOf).join(""), key: keyPem(credential.key) }),
  };
}

function keyPem(key: KeyObject | string): string {
  return typeof key === "string" ? key : key.export({ format: "pem", type: "pkcs8" }).toString();
}

function startTls(options: ConnectionOptions & { readonly socket: Socket }): TLSSocket {
  try {
    return connectTls(options);
  } catch (cause) {
    options.socket.destroy();
    throw new TransportError(
      "unusable-credential",
      `The client certificate and its private key cannot be used together: ${reasonOf(cause)}.`,
      { cause },
    );
  }
}

interface Failures {
  readonly late: () => TransportError;
  readonly failed: (cause: unknown) => TransportError;
}

function settled(
  socket: Socket,
  event: "connect" | "secureConnect",
  milliseconds: number,
  signal: AbortSignal | undefined,
  failures: Failures,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      socket.off(event, succeed).off("error", fail).off("close", fail);
      outcome();
    };
    const giveUp = (reason: unknown) => {
      settle(() => reject(reason));
      // The socket may still report why it was torn down.
      socket.on("error", () => {});
      socket.destroy();
    };
    const succeed = () => settle(resolve);
    const fail = (cause: unknown) =>
      giveUp(failures.failed(cause instanceof Error ? cause : new Error("the server closed the connection")));
    const abort = () => giveUp(signal?.reason);
    const timer = setTimeout(() => giveUp(failures.late()), milliseconds);
    socket.once(event, succeed).once("error", fail).once("close", fail);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}

function closed(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) {
      resolve();
      return;
    }
    const timer = setTimeout(() => socket.destroy(), closeMilliseconds);
    socket.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    socket.end();
    socket.resume();
  });
}

function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

const closeMilliseconds = 1_000;
