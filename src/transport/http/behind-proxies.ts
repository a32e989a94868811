import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { AddressList } from "./address-list.ts";
import { addressOf, hostOf } from "./peer.ts";
import { decodeProxyHeader } from "./proxy-protocol.ts";
import { Refusal, type RefusalCode, type RefusalReport } from "./refusals.ts";
import { type Source, setSource } from "./source.ts";

/**
 * Makes `server` demand the PROXY protocol's header of every connection from `proxies`, within `milliseconds`: until then
 * nothing else hears of the connection, and from then on its address is the one in the header. A header from anybody else
 * is left where it stands, which is no TLS and no HTTP. To be called when all listeners for connections are in place.
 *
 * Returns what ends the connections that still owe their header.
 */
export function behindProxies(
  server: Server,
  proxies: AddressList,
  milliseconds: number,
  report: (refusal: RefusalReport) => void,
): () => void {
  const listeners = server.listeners("connection");
  const accept = (socket: Socket) => {
    for (const listener of listeners) listener.call(server, socket);
  };
  const waiting = new Set<Socket>();
  /** By both ends of the proxy's own connection: TLS hands over another object for it. */
  const introduced = new Map<string, Source>();

  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    if (!proxies.has(hostOf(socket))) return accept(socket);
    waiting.add(socket);
    socket.once("close", () => waiting.delete(socket));
    readHeader(socket, milliseconds, {
      refused(code) {
        report({ code, address: addressOf(socket) });
        socket.destroy();
      },
      introduced(source) {
        waiting.delete(socket);
        if (source !== undefined) {
          const ends = endsOf(socket);
          introduced.set(ends, source);
          setSource(socket, source);
          socket.once("close", () => introduced.delete(ends));
        }
        accept(socket);
      },
    });
  });
  const follow = (socket: Socket) => {
    const source = introduced.get(endsOf(socket));
    if (source !== undefined) setSource(socket, source);
  };
  server.prependListener("secureConnection", follow);
  server.prependListener("tlsClientError", (_error: unknown, socket: Socket) => follow(socket));
  return () => {
    for (const socket of waiting) socket.destroy();
  };
}

interface Outcome {
  refused(code: RefusalCode): void;
  introduced(source: Source | undefined): void;
}

function readHeader(socket: Socket, milliseconds: number, outcome: Outcome): void {
  let received: Uint8Array = Buffer.alloc(0);
  const settle = () => {
    clearTimeout(timer);
    socket.off("readable", read).off("end", ended).off("error", ended);
  };
  const refuse = (code: RefusalCode) => {
    settle();
    outcome.refused(code);
  };
  const read = () => {
    for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
      received = Buffer.concat([received, chunk]);
      const header = headerIn(received);
      if (typeof header === "string") return refuse(header);
      if (header.kind === "more") continue;
      settle();
      if (header.length < received.length) socket.unshift(received.subarray(header.length));
      return outcome.introduced(header.source);
    }
  };
  const ended = () => {
    settle();
    // A probe that connects and leaves is no failure.
    if (received.length > 0) outcome.refused("proxy-header-malformed");
    else socket.destroy();
  };
  const timer = setTimeout(() => refuse("proxy-header-missing"), milliseconds);
  socket.once("close", () => clearTimeout(timer));
  socket.on("readable", read).once("end", ended).once("error", ended);
}

function headerIn(received: Uint8Array): ReturnType<typeof decodeProxyHeader> | RefusalCode {
  try {
    return decodeProxyHeader(received);
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

function endsOf(socket: Socket): string {
  return [socket.localAddress, socket.localPort, socket.remoteAddress, socket.remotePort].join(" ");
}
