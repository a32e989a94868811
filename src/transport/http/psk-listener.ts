import type { TLSSocket } from "node:tls";
import { refuseForwardedChain } from "./client-cert.ts";
import type { HttpRoute } from "./listener.ts";
import { peerOf } from "./peer.ts";
import { createPskServer, type PreSharedKeys } from "./psk.ts";
import { limitsOf, type ServedRoute, type Serving, type ServingOptions, serve } from "./serve.ts";

export interface PskListenerOptions extends ServingOptions {
  readonly routes: readonly HttpRoute[];
  readonly keys: PreSharedKeys;
}

/**
 * Listens for devices without certificates (RFC 7030 3.3.3): HTTP/1.1 over TLS 1.2 and 1.3 with a pre-shared key, whose identity
 * is the peer's `pskIdentity`. It has a port of its own: beside certificates an unknown identity would show, because then TLS
 * 1.3 goes on with the certificate.
 *
 * Throws `address-in-use` or `listen-failed`.
 */
export function listenPsk(options: PskListenerOptions): Promise<Serving> {
  const server = createPskServer(options.keys, limitsOf(options));
  const routes = options.routes.map(
    ({ handle, ...place }): ServedRoute<TLSSocket> => ({
      ...place,
      async handle(request, { socket, association }, parameters) {
        refuseForwardedChain(request.headers);
        return handle(request, peerOf(socket, "server"), association, parameters);
      },
    }),
  );
  return serve(server, "secureConnection", routes, options);
}
