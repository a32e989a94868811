import { codeOf } from "../../core/errors.ts";
import {
  decodeRequest,
  type EstReply,
  type EstRequest,
  encodeReply,
  refusals,
  routes,
} from "../../protocols/est/index.ts";
import type { HttpRoute } from "../../transport/http/listener.ts";
import { singleField } from "../../transport/http/message.ts";
import type { EstCredentials } from "../est-users.ts";
import type { AssociationMemory, Host } from "../host.ts";
import { storeErrors } from "../store-failures.ts";

/**
 * EST's routes on a device listener of one tenant. `onStoreError` is told of each request that the store could not serve
 * for now; it must not throw.
 */
export function estRoutes(
  host: Host<EstRequest, EstReply>,
  credentials: Pick<EstCredentials, "challenges">,
  onStoreError: (error: unknown) => void,
): readonly HttpRoute[] {
  /**
   * What asking again may cure, when the operator has freed the disk or the service was started again: RFC 9110 15.6.4 is for
   * this, a 500 would end the device's run. Nothing of its request was kept.
   */
  function later(error: unknown): { readonly reply: EstReply; readonly run: undefined } {
    const code = codeOf(error);
    if (storeErrors.has(code)) onStoreError(error);
    else if (code !== "contended") throw error;
    return { reply: { kind: "refused", refusal: "overloaded" }, run: undefined };
  }

  /** What a 401 asks for. */
  async function challengesFor(reply: EstReply): Promise<{ readonly challenges?: readonly string[] }> {
    if (reply.kind !== "refused" || refusals[reply.refusal].status !== 401) return {};
    return { challenges: await credentials.challenges(reply.refusal === "credentials-stale") };
  }

  // RFC 9110 9.1: whoever answers GET answers HEAD; the listener sends no content with that.
  const withHead = routes.flatMap((route) =>
    route.method === "GET" ? [route, { ...route, method: "HEAD" as const }] : [route],
  );
  return withHead.flatMap(({ operation, method, paths, bodyLimit }) =>
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
          ...(await challengesFor(reply)),
        });
      },
    })),
  );
}

function memoryOf(memory: Map<string, unknown>): AssociationMemory {
  const kept = (memory.get("est") ?? {}) as AssociationMemory;
  memory.set("est", kept);
  return kept;
}
