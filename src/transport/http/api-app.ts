import type { IncomingMessage, Server, ServerResponse } from "node:http";
import swagger from "@fastify/swagger";
import { type FastifyBaseLogger, type FastifyInstance, fastify } from "fastify";
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import { utf8 } from "../../core/bytes.ts";
import type { HttpResponse } from "./message.ts";
import { bareReply } from "./reply.ts";
import { schemaRefusal } from "./schema-refusal.ts";

/** The fastify instance that API routes are registered on; their schemas are zod's. */
export type ApiApp = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>;

/** How one error is told to a client of the API. */
export interface ApiError {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export interface ApiAppOptions {
  readonly title: string;
  readonly version: string;
  /** The answer for an error that a route threw; undefined makes it a 500 that tells nothing. */
  readonly errorOf?: (error: unknown) => ApiError | undefined;
  /** Told of each error that became a 500. */
  readonly onError?: (error: unknown) => void;
}

/**
 * A plain HTTP application with OpenAPI 3.1 at `/openapi.json` and every error as `{ error: { code, message } }`, not yet
 * listening. It authenticates nobody: `listenUnix` leaves that to the file system, any other listener needs a hook.
 */
export async function createApiApp(options: ApiAppOptions): Promise<ApiApp> {
  const app = fastify({
    bodyLimit: apiBodyLimit,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    forceCloseConnections: true,
    frameworkErrors(error, _request, reply) {
      reply.hijack();
      const answer = errorReply(400, error.message);
      const fields = [...answer.headers.flat(), "Content-Length", String(answer.body.length)];
      reply.raw.writeHead(answer.status, fields).end(answer.body);
    },
    clientErrorHandler(error, socket) {
      if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
      else if (error.code === "ERR_HTTP_REQUEST_TIMEOUT")
        socket.end(bareReply(errorReply(408, "The request did not arrive in time.")));
      else socket.end(bareReply(errorReply(400, "The request is not valid HTTP/1.1.")));
    },
  })
    .setValidatorCompiler(validatorCompiler)
    .setSerializerCompiler(serializerCompiler)
    .withTypeProvider<ZodTypeProvider>();

  app.setErrorHandler((error, _request, reply) => {
    const { status, code, message } = apiErrorOf(error, options);
    return reply.status(status).send(body(code, message));
  });
  app.setNotFoundHandler((request, reply) =>
    reply.status(404).send(body("not-found", `There is no ${request.method} ${request.url.split("?")[0]}.`)),
  );

  await app.register(swagger, {
    openapi: { openapi: "3.1.0", info: { title: options.title, version: options.version } },
    transform: jsonSchemaTransform,
  });
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
  return app;
}

function apiErrorOf(error: unknown, options: ApiAppOptions): ApiError {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [first] = error.validation;
    if (first !== undefined)
      return { status: 400, code: "invalid-request", message: schemaRefusal(first, error.validationContext) };
  }
  const known = options.errorOf?.(error);
  if (known !== undefined) return known;
  const status = statusOf(error);
  if (status !== undefined && error instanceof Error)
    return { status, code: "invalid-request", message: error.message };
  options.onError?.(error);
  return { status: 500, code: "internal", message: "The service failed; the reason is in its log." };
}

// fastify's own refusals: a body that is too large, not JSON, or of another type.
function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("statusCode" in error) || !("code" in error)) return undefined;
  const { statusCode, code } = error;
  const own = typeof code === "string" && code.startsWith("FST_ERR_");
  return own && typeof statusCode === "number" && statusCode >= 400 && statusCode < 500 ? statusCode : undefined;
}

function body(code: string, message: string): { readonly error: { readonly code: string; readonly message: string } } {
  return { error: { code, message } };
}

function errorReply(status: number, message: string): HttpResponse {
  const headers = [["Content-Type", "application/json; charset=utf-8"]] as const;
  return { status, headers, body: utf8(JSON.stringify(body("broken-request", message))) };
}

const apiBodyLimit = 1024 * 1024;
