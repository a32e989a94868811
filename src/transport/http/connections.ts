import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { HttpLimits } from "./limits.ts";
import { addressOf, hostOf } from "./peer.ts";
import { Refusal, type RefusalReport } from "./refusals.ts";

/** One connection, as a handler sees it: lives exactly as long as the connection. */
export interface Association {
  readonly id: string;
  /** What a protocol wants to remember for this connection only. */
  readonly memory: Map<string, unknown>;
  /** Aborted when the connection is closed; a peer that only ended its own side may still wait for its answer. */
  readonly signal: AbortSignal;
}

/** One connection that can carry requests; its handshake is complete when there is one. */
export interface OpenConnection<S extends Socket = Socket> {
  readonly socket: S;
  readonly address: string;
  readonly association: Association;
  /** Accepted only to be told that there are too many. */
  readonly overCapacity: boolean;
  answered: number;
  /** Requests begun and not yet answered. */
  active: number;
  latest: IncomingMessage | undefined;
  /** Settles when the latest request has been answered. */
  turn: Promise<void>;
  /** The answer to the running request is the last one. */
  ending: boolean;
  /** A refusal has been written past the HTTP server; nothing else may be. */
  abandoned: boolean;
}

export interface Connections<S extends Socket = Socket> {
  /** The connection of a socket, also after its end. */
  of(socket: object): OpenConnection<S> | undefined;
  /**
   * Counts `request`, whose answer will be `reply`, and resolves when the one before it has been answered: Node hands over
   * pipelined requests at once. Throws a `too-many-requests` or `request-aborted` refusal.
   */
  begin(connection: OpenConnection, request: IncomingMessage, reply: ServerResponse): Promise<void>;
  /** Ends connections that run no request and those still in their handshake, and drops new ones. */
  stop(): void;
  readonly stopping: boolean;
  destroyAll(): void;
}

/**
 * Counts and bounds the connections of `server`; those above a limit are reported and dropped or marked. `opened` is the
 * server's event for a connection that can carry requests.
 */
export function trackConnections<S extends Socket>(
  server: Server,
  opened: "connection" | "secureConnection",
  limits: HttpLimits,
  report: (refusal: RefusalReport) => void,
): Connections<S> {
  const accepted = new Set<Socket>();
  const acceptedOfHost = new Map<string, number>();
  const handshaking = new Map<string, Socket>();
  const open = new Set<OpenConnection<S>>();
  const ofSocket = new WeakMap<object, OpenConnection<S>>();
  let stopping = false;

  // A peer over the limit costs a handshake and a 503 only up to here; then it costs an accept.
  server.maxConnections = limits.connections + Math.ceil(limits.connections / 10);
  server.on("drop", (data) => {
    const address = addressOf(data ?? {});
    report({ code: "too-many-connections", address });
  });

  server.on("connection", (socket: Socket) => {
    const host = hostOf(socket);
    const count = acceptedOfHost.get(host) ?? 0;
    const address = addressOf(socket);
    if (stopping || socket.remoteAddress === undefined || count >= limits.connectionsPerAddress) {
      if (count >= limits.connectionsPerAddress) report({ code: "too-many-connections-of-address", address });
      socket.destroy();
      return;
    }
    accepted.add(socket);
    acceptedOfHost.set(host, count + 1);
    handshaking.set(address, socket);
    socket.once("close", () => {
      accepted.delete(socket);
      handshaking.delete(address);
      const left = (acceptedOfHost.get(host) ?? 1) - 1;
      if (left === 0) acceptedOfHost.delete(host);
      else acceptedOfHost.set(host, left);
    });
  });

  server.on(opened, (socket: S) => {
    if (socket.destroyed) return;
    const address = addressOf(socket);
    handshaking.delete(address);
    const closed = new AbortController();
    const connection: OpenConnection<S> = {
      socket,
      address,
      association: { id: randomUUID(), memory: new Map(), signal: closed.signal },
      overCapacity: accepted.size > limits.connections,
      answered: 0,
      active: 0,
      latest: undefined,
      turn: Promise.resolve(),
      ending: false,
      abandoned: false,
    };
    open.add(connection);
    ofSocket.set(socket, connection);
    socket.once("close", () => {
      open.delete(connection);
      closed.abort();
    });
    if (stopping) socket.destroySoon();
  });

  return {
    of: (socket) => ofSocket.get(socket),
    async begin(connection, request, reply) {
      connection.latest = request;
      const previous = connection.turn;
      connection.active += 1;
      connection.turn = new Promise((resolve) => {
        reply.once("close", () => {
          connection.active -= 1;
          connection.answered += 1;
          if (stopping && connection.active === 0) connection.socket.destroySoon();
          resolve();
        });
      });
      if (connection.active > limits.pipelinedRequests + 1) throw new Refusal("too-many-requests");
      if (connection.active === 1) return;
      await previous;
      // An answer after the last one could not be sent, so the request must not be carried out.
      if (connection.ending) throw new Refusal("request-aborted");
    },
    stop() {
      stopping = true;
      for (const socket of handshaking.values()) socket.destroy();
      for (const connection of open) if (connection.active === 0) connection.socket.destroySoon();
    },
    get stopping() {
      return stopping;
    },
    destroyAll() {
      for (const connection of open) connection.socket.destroy();
      for (const socket of accepted) socket.destroy();
    },
  };
}
