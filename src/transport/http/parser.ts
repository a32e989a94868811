import type { Server, ServerOptions } from "node:http";
import type { HttpLimits } from "./limits.ts";

/** How a server of Node's has to read requests, whatever it reads them from. */
export function parserOptions(limits: HttpLimits): ServerOptions {
  return {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: Math.min(limits.headersTimeout, limits.requestTimeout),
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.headersTimeout / 4)),
    httpValidation: "strict",
    // Node would answer a missing Host by itself, without a text; `head.ts` checks it.
    requireHostHeader: false,
  };
}

/** `server` with the settings for which Node has no option. */
export function adjusted<S extends Server>(server: S): S {
  // A client may end its side right after its request; by default Node would drop the request with it. The property has no
  // type.
  Object.assign(server, { httpAllowHalfOpen: true });
  // Node silently drops fields beyond its own maximum; `head.ts` refuses them.
  server.maxHeadersCount = 0;
  return server;
}
