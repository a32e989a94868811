import { codeOf } from "../../core/errors.ts";
import { decodeRequest, type EstReply, type EstRequest, encodeReply, routes } from "../../protocols/est/index.ts";
import type { HttpRoute } from "../../transport/http/listener.ts";
import { singleField } from "../../transport/http/message.ts";
import type { AssociationMemory, Host } from "../host.ts";

/** EST's routes on a device listener of one tenant. */
export function estRoutes(host: Host<EstRequest, EstReply>): readonly HttpRoute[] {
  return routes.flatMap(({ operation, method, paths, bodyLimit }) =>
    paths.map((path) => ({
      method,
      path,
      bodyLimit,
      async handle(request, peer, association, parameters) {
        const message = decodeRequest(operation, parameters["label"], request);
        const memory = memoryOf(association.memory);
        const { reply, run } = await host(message, peer, memory).catch(later);
        return encodeReply(operation, reply, {
          form: "auto",
          userAgent: singleField(request.headers, "user-agent"),
          run,
        });
      },
    })),
  );
}

/** Somebody else was first three times in a row: the device asks again, as for any other overload. */
function later(error: unknown): { readonly reply: EstReply; readonly run: undefined } {
  if (codeOf(error) !== "contended") throw error;
  return { reply: { kind: "refused", refusal: "overloaded" }, run: undefined };
}

function memoryOf(memory: Map<string, unknown>): AssociationMemory {
  const kept = (memory.get("est") ?? {}) as AssociationMemory;
  memory.set("est", kept);
  return kept;
}
