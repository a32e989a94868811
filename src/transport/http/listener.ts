import type { TLSSocket } from "node:tls";
import type { Peer } from "../../core/link.ts";
import { refuseForwardedChain } from "./client-cert.ts";
import type { Association } from "./connections.ts";
import { createTlsServer, type ServerCredential } from "./device-tls.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";
import { peerOf } from "./peer.ts";
import { limitsOf, type RoutePlace, type ServedRoute, type Serving, type ServingOptions, serve } from "./serve.ts";

/** One method of one path. */
export interface HttpRoute extends RoutePlace {
  /**
   * Gets the body as it came, whatever its Content-Type; `parameters` are percent-decoded. Requests of one connection are
   * handled one after another. What it throws becomes a 500 and a report; the peer learns nothing of it. It must not set
   * Content-Length, Transfer-Encoding or Connection.
   */
  readonly handle: (
    request: HttpRequest,
    peer: Peer,
    association: Association,
    parameters: Readonly<Record<string, string>>,
  ) => Promise<HttpResponse>;
}

export interface HttpListenerOptions extends ServingOptions {
  readonly credential: ServerCredential;
  readonly routes: readonly HttpRoute[];
}

export interface HttpListener extends Serving {
  /** New handshakes use `credential`; open connections go on. Throws `unusable-credential` and then changes nothing. */
  readonly replaceCredential: (credential: ServerCredential) => void;
}

/**
 * Listens for devices: HTTP/1.1 over TLS 1.2 and 1.3, client certificates asked for and accepted whoever issued them, no
 * resumption and no renegotiation. It checks the framing of requests, not who sent them: that is for the handler, by `peer`.
 *
 * Throws `address-in-use`, `listen-failed` or `unusable-credential`.
 */
export async function listenHttps(options: HttpListenerOptions): Promise<HttpListener> {
  const { server, replaceCredential } = createTlsServer(options.credential, limitsOf(options));
  const routes = options.routes.map(
    ({ handle, ...place }): ServedRoute<TLSSocket> => ({
      ...place,
      async handle(request, { socket, association }, parameters) {
        refuseForwardedChain(request.headers);
        return handle(request, peerOf(socket, "server"), association, parameters);
      },
    }),
  );
  return { ...(await serve(server, "secureConnection", routes, options)), replaceCredential };
}
