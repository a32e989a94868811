import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { Socket } from "node:net";
import type { Peer } from "../../core/link.ts";
import { TransportError } from "../errors.ts";
import type { AddressList } from "./address-list.ts";
import { forwardedChain } from "./client-cert.ts";
import { forwardedSource } from "./forwarded.ts";
import type { HttpRoute } from "./listener.ts";
import type { HttpRequest } from "./message.ts";
import { adjusted, parserOptions } from "./parser.ts";
import { addressOf, hostOf } from "./peer.ts";
import { limitsOf, type ServedRoute, type Serving, type ServingOptions, serve } from "./serve.ts";

export interface TerminatedListenerOptions extends Omit<ServingOptions, "proxies"> {
  readonly routes: readonly HttpRoute[];
  /** Whose word is taken for who the clients are; others are not let in. */
  readonly terminators: AddressList;
}

/**
 * Listens for proxies that end the devices' TLS and say in Client-Cert (RFC 9440) which certificate a device has proven to
 * hold, and in Forwarded (RFC 7239) where it is: HTTP/1.1 without TLS. Each request is an association of its own, because a
 * proxy sends those of many devices over one connection. Such a peer has neither channel binding nor exporter.
 *
 * Throws `address-in-use` or `listen-failed`.
 */
export async function listenTerminated(options: TerminatedListenerOptions): Promise<Serving> {
  const server = adjusted(createServer(parserOptions(limitsOf(options))));
  server.prependListener("connection", (socket: Socket) => {
    if (options.terminators.has(hostOf(socket))) return;
    options.onError?.({ code: "proxy-not-listed", address: addressOf(socket) });
    socket.destroy();
  });
  const routes = options.routes.map(
    ({ handle, ...place }): ServedRoute<Socket> => ({
      ...place,
      handle: (request, { address, association }, parameters) =>
        handle(request, peerIn(request, address), { ...association, id: randomUUID(), memory: new Map() }, parameters),
    }),
  );
  return serve(server, "connection", routes, options);
}

function peerIn({ headers }: HttpRequest, proxy: string): Peer {
  const source = forwardedSource(headers);
  const host = source?.host.includes(":") ? `[${source.host}]` : source?.host;
  const none = () => {
    throw new TransportError(
      "no-binding",
      "The device's TLS association ended at a proxy, so nothing here can be bound to it; let the proxy pass TLS through.",
    );
  };
  return {
    address: source === undefined ? proxy : `${host}:${source.port}`,
    terminator: proxy,
    chain: forwardedChain(headers),
    binding: none,
    exporter: none,
  };
}
