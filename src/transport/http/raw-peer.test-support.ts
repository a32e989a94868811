import { type AddressInfo, connect as connectTcp } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { connect, createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { testCertificates } from "./fixtures.test-support.ts";

/** A response as a client without an HTTP library would cut it out of the bytes. */
export interface RawResponse {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

export interface RawConversation {
  readonly responses: readonly RawResponse[];
  /** What each read returned: at most one TLS record each. */
  readonly reads: readonly string[];
  /** The server ended the connection. */
  readonly ended: boolean;
}

export interface RawOptions {
  /** Resolves after this many responses (default 1), or at the end of the connection with `Infinity`. */
  readonly responses?: number;
  /** Send FIN and close_notify right after the text. */
  readonly end?: boolean;
  readonly tls?: ConnectionOptions;
  /** Without TLS. */
  readonly plain?: boolean;
}

/** Writes `text` in one go and collects the answers; the connection is gone when it resolves. */
export function converse(port: number, text: string, options: RawOptions = {}): Promise<RawConversation> {
  const wanted = options.responses ?? 1;
  return new Promise((resolve) => {
    const socket =
      options.plain === true
        ? connectTcp(port, "127.0.0.1")
        : connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options.tls });
    const reads: string[] = [];
    let ended = false;
    const settle = () => {
      socket.destroy();
      resolve({ responses: responsesIn(reads.join("")), reads, ended });
    };
    socket.on(options.plain === true ? "connect" : "secureConnect", () => {
      socket.write(text, "latin1");
      if (options.end === true) socket.end();
    });
    socket.on("data", (chunk: Buffer) => {
      reads.push(chunk.toString("latin1"));
      if (responsesIn(reads.join("")).length >= wanted) settle();
    });
    socket.on("end", () => {
      ended = true;
    });
    socket.on("error", () => {});
    socket.on("close", settle);
  });
}

/** A TLS connection whose handshake is complete. */
export function connected(port: number, tls: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...tls });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

export interface RawServer {
  readonly port: number;
  close(): void;
}

/** A TLS server that hands each accepted connection and its first bytes to `answer`. */
export function rawServer(answer: (socket: TLSSocket, text: string) => void, tls: TlsOptions = {}): Promise<RawServer> {
  const { server: credential } = testCertificates();
  const sockets = new Set<TLSSocket>();
  const server = createServer({ cert: credential.chain, key: credential.key, ...tls }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (chunk: Buffer) => answer(socket, chunk.toString("latin1")));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        close() {
          server.close();
          for (const socket of sockets) socket.destroy();
        },
      }),
    );
  });
}

function responsesIn(text: string): readonly RawResponse[] {
  const responses: RawResponse[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) return responses;
    const head = rest.slice(0, end + 4);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    if (rest.length < head.length + length) return responses;
    responses.push({ status, head, body: rest.slice(head.length, head.length + length) });
    rest = rest.slice(head.length + length);
  }
}
