import { createServer } from "node:http";
import type { HttpRequest, HttpResponse } from "./message.ts";
import { adjusted, parserOptions } from "./parser.ts";
import { limitsOf, type RoutePlace, type Serving, type ServingOptions, serve } from "./serve.ts";

/** One method of one path. */
export interface PlainRoute extends RoutePlace {
  /** As `HttpRoute.handle`, for whoever asks: there is no peer to tell apart. */
  readonly handle: (request: HttpRequest, parameters: Readonly<Record<string, string>>) => Promise<HttpResponse>;
}

/**
 * Listens for anybody: HTTP/1.1 without TLS, for what is public and signed by itself, such as CRLs and OCSP responses (RFC 5280
 * 8, RFC 6960 A.1). Limits, refusals and closing are those of the listener for devices.
 *
 * Throws `address-in-use` or `listen-failed`.
 */
export function listenHttp(options: ServingOptions & { readonly routes: readonly PlainRoute[] }): Promise<Serving> {
  const routes = options.routes.map(({ handle, ...place }) => ({
    ...place,
    handle: (request: HttpRequest, _connection: unknown, parameters: Readonly<Record<string, string>>) =>
      handle(request, parameters),
  }));
  const server = adjusted(createServer(parserOptions(limitsOf(options))));
  return serve(server, "connection", routes, options);
}
