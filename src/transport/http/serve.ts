import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type FastifyRequest, fastify } from "fastify";
import { codeOf } from "../../core/errors.ts";
import { reasonOf, TransportError } from "../errors.ts";
import type { AddressList } from "./address-list.ts";
import { behindProxies } from "./behind-proxies.ts";
import { readBody } from "./body.ts";
import { type OpenConnection, trackConnections } from "./connections.ts";
import { fieldsOf, originForm, refusalOfHead } from "./head.ts";
import { defaultHttpLimits, type HttpLimits } from "./limits.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";
import { Refusal, type RefusalReport } from "./refusals.ts";
import { refuse, refuseTunnel, refuseUnparsed } from "./refuse.ts";
import { writeReply } from "./reply.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** `ServedRoute.bodyLimit`; fastify's own option cannot be 0. */
    readonly takes?: number;
  }
}

/** One method of one path. */
export interface RoutePlace {
  readonly method: string;
  /** Literal segments and `:name` segments, such as `/.well-known/est/:label/simpleenroll`, and `*` for all of the rest. */
  readonly path: string;
  /** Bytes of the request body that are taken; more are answered with 413. */
  readonly bodyLimit: number;
}

/** What is done with a request, whatever its connection is made of. */
export interface ServedRoute<S extends Socket> extends RoutePlace {
  readonly handle: (
    request: HttpRequest,
    connection: OpenConnection<S>,
    parameters: Readonly<Record<string, string>>,
  ) => Promise<HttpResponse>;
}

/** What a listener is told apart from its routes and its keys. */
export interface ServingOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly limits?: Partial<HttpLimits>;
  /** Whose connections must begin with the PROXY protocol's header, and are then the ones of whom it names. */
  readonly proxies?: AddressList;
  /** Told of every request that the listener answered by itself or could not answer; must not throw. */
  readonly onError?: (report: RefusalReport) => void;
}

/** Something that listens. */
export interface Serving {
  readonly host: string;
  readonly port: number;
  /** Stops accepting, ends idle connections at once, and destroys what still runs after `milliseconds` (default 5,000). */
  readonly close: (milliseconds?: number) => Promise<void>;
}

/**
 * Serves `routes` by HTTP/1.1 on `server`, whose `opened` event tells of connections that can carry requests. It checks the
 * framing of requests, and replaces every answer that fastify or Node would give by itself. Throws `address-in-use` or
 * `listen-failed`.
 */
export async function serve<S extends Socket>(
  server: Server,
  opened: "connection" | "secureConnection",
  routes: readonly ServedRoute<S>[],
  options: ServingOptions,
): Promise<Serving> {
  const limits = limitsOf(options);
  const report = options.onError ?? (() => {});
  const connections = trackConnections<S>(server, opened, limits, report);

  server.on("connect", (_request, socket) => refuseTunnel(connections, report, socket));

  const limitOf = (request: FastifyRequest) => request.routeOptions.config.takes ?? limits.bodyBytes;

  const app = fastify({
    serverFactory: (handler) => withHandler(server, handler),
    clientErrorHandler: (error, socket) => refuseUnparsed(connections, report, error, socket),
    frameworkErrors(error, request, reply) {
      reply.hijack();
      const code = error.code === "FST_ERR_MAX_PARAM_LENGTH" ? "path-too-long" : "broken-request";
      void refuse(connections, report, new Refusal(code), request.raw, reply.raw);
    },
    exposeHeadRoutes: false,
    return503OnClosing: false,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: longestParameter },
  });

  // Content of a GET or HEAD has no meaning (RFC 9110 section 9.3.1), but left unread it would not be bounded.
  for (const method of ["GET", "HEAD"]) app.addHttpMethod(method, { hasBody: true, overrideExisting: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (request: FastifyRequest) => bodyOf(request.raw, limitOf(request)));

  app.addHook("onRequest", async (request, reply) => {
    const { raw } = request;
    const connection = connections.of(raw.socket);
    if (connection === undefined || connection.ending || connection.abandoned || connections.stopping) {
      // The connection is about to end, so no answer could be sent.
      reply.hijack();
      return;
    }
    await connections.begin(connection, raw, reply.raw);
    if (connection.overCapacity) throw new Refusal("too-many-connections");
    const code = refusalOfHead(raw, limits.headerFields);
    if (code !== undefined) throw new Refusal(code);
    meetExpectation(raw, reply.raw, limitOf(request));
    // fastify answers 415 to a Content-Type that it cannot parse; here the binding decides, from the fields as received.
    delete raw.headers["content-type"];
  });

  app.setErrorHandler(async (error, request, reply) => {
    reply.hijack();
    const refusal = error instanceof Refusal ? error : new Refusal("handler-failed", { cause: error });
    await refuse(connections, report, refusal, request.raw, reply.raw);
  });

  app.setNotFoundHandler(async (request) => {
    throw new Refusal(app.supportedMethods.includes(request.method) ? "not-found" : "method-unknown");
  });

  for (const route of routes) {
    app.route({
      method: route.method,
      url: route.path,
      config: { takes: route.bodyLimit },
      async handler(request, reply) {
        const { raw } = request;
        const connection = connections.of(raw.socket);
        if (connection === undefined || raw.socket.destroyed) throw new Refusal("request-aborted");
        const message: HttpRequest = {
          method: request.method,
          path: originForm(raw.url ?? "/"),
          headers: fieldsOf(raw),
          body: request.body instanceof Uint8Array ? request.body : noBody,
        };
        const parameters = request.params as Readonly<Record<string, string>>;
        const response = await route.handle(message, connection, parameters);
        if (raw.socket.destroyed || connection.abandoned) throw new Refusal("request-aborted");
        connection.ending ||= connections.stopping || connection.answered + 1 >= limits.requestsPerConnection;
        writeReply(reply.raw, response, connection.address, connection.ending);
        reply.hijack();
      },
    });
  }

  // fastify answers a wrong method with 404.
  for (const [path, taken] of methodsByPath(routes)) {
    const fields = [["Allow", taken.join(", ")]] as const;
    app.route({
      method: app.supportedMethods.filter((method) => !taken.includes(method)),
      url: path,
      async handler() {
        throw new Refusal("method-not-allowed", { fields });
      },
    });
  }

  const dropWaiting =
    options.proxies === undefined ? noop : behindProxies(server, options.proxies, limits.handshakeTimeout, report);
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (cause) {
    await app.close();
    throw listenError(cause, options.host, options.port);
  }
  const { address, port } = server.address() as AddressInfo;
  return {
    host: address,
    port,
    async close(milliseconds = 5_000) {
      const closed = app.close();
      connections.stop();
      dropWaiting();
      const deadline = setTimeout(connections.destroyAll, milliseconds);
      try {
        await closed;
      } finally {
        clearTimeout(deadline);
      }
    },
  };
}

/** The limits of a listener with these options. */
export function limitsOf({ limits }: Pick<ServingOptions, "limits">): HttpLimits {
  return { ...defaultHttpLimits, ...limits };
}

/** fastify's handler also gets the requests that Node would answer by itself. */
function withHandler(server: Server, handler: (request: IncomingMessage, reply: ServerResponse) => void): Server {
  return server.on("request", handler).on("checkContinue", handler).on("checkExpectation", handler);
}

function meetExpectation(request: IncomingMessage, reply: ServerResponse, bodyLimit: number): void {
  const expectation = request.headers.expect;
  // RFC 9110 section 10.1.1: an expectation in HTTP/1.0 is ignored.
  if (expectation === undefined || request.httpVersion === "1.0") return;
  if (expectation.toLowerCase() !== "100-continue") throw new Refusal("expectation-failed");
  if (Number(request.headers["content-length"] ?? 0) > bodyLimit) throw new Refusal("body-too-large");
  reply.writeContinue();
}

async function bodyOf(request: IncomingMessage, limit: number): Promise<Uint8Array> {
  const outcome = await readBody(request, limit);
  switch (outcome.kind) {
    case "complete":
      return outcome.body;
    case "too-large":
      throw new Refusal("body-too-large");
    case "aborted":
      throw new Refusal("request-aborted", { cause: outcome.cause });
  }
}

function methodsByPath(routes: readonly RoutePlace[]): ReadonlyMap<string, readonly string[]> {
  const methods = new Map<string, string[]>();
  for (const { path, method } of routes) methods.set(path, [...(methods.get(path) ?? []), method]);
  return methods;
}

function listenError(cause: unknown, host: string, port: number): TransportError {
  if (codeOf(cause) === "EADDRINUSE")
    return new TransportError(
      "address-in-use",
      `Another program listens on port ${port} of ${host}; stop it or choose another port.`,
      { cause, details: { port } },
    );
  return new TransportError("listen-failed", `Listening on port ${port} of ${host} failed: ${reasonOf(cause)}.`, {
    cause,
  });
}

const noop = () => {};
const noBody = new Uint8Array(0);

// A label, a serial number or a token; find-my-way's own default of 100 is short for the last.
const longestParameter = 256;
