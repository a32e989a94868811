import type { Clock } from "../core/clock.ts";
import { codeOf, messageOf } from "../core/errors.ts";
import type { Connection } from "../core/link.ts";
import type { HttpRequest, HttpResponse } from "../transport/http/message.ts";
import { ServiceError } from "./errors.ts";
import { type FairQueue, fairQueue } from "./fair-queue.ts";

type Association = Connection<HttpRequest, HttpResponse>;

/** Requests over a few TLS associations that are kept open. */
export interface Associations {
  /** Throws `upstream-unusable`: the server is down, or `overloaded`: too many requests wait. The transport's error is its cause. */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** Ends the kept associations; requests under way end by themselves. */
  close(): Promise<void>;
}

export interface AssociationBounds {
  readonly atOnce: number;
  readonly waiting: number;
}

/**
 * Associations that `dial` opens, each for one request at a time. One that the server has closed meanwhile is replaced and
 * the request sent once more: an EST request may be repeated (RFC 7030 4.2.3). After a failure nothing is sent for a second,
 * so that requests do not queue up behind a server that is down.
 */
export function associations(
  dial: () => Promise<Association>,
  clock: Clock,
  bounds: AssociationBounds = defaultBounds,
): Associations {
  const queue: FairQueue = fairQueue({ ...bounds, work: "requests wait for the authority behind this one" });
  let idle: { readonly association: Association; readonly since: number }[] = [];
  let failure: { readonly at: number; readonly cause: unknown } | undefined;
  let closed = false;

  async function kept(): Promise<Association | undefined> {
    const youngest = idle.pop();
    if (youngest === undefined || clock.monotonic() - youngest.since < longestIdle) return youngest?.association;
    const old = [youngest, ...idle];
    idle = [];
    await Promise.all(old.map(({ association }) => association.close()));
    return undefined;
  }

  async function exchange(request: HttpRequest): Promise<HttpResponse> {
    if (failure !== undefined && clock.monotonic() - failure.at < restAfterFailure) throw failure.cause;
    try {
      const association = await kept();
      if (association !== undefined) {
        try {
          return await answered(association, request);
        } catch (error) {
          if (codeOf(error) !== "association-closed") throw error;
        }
      }
      return await answered(await dial(), request);
    } catch (cause) {
      failure = { at: clock.monotonic(), cause };
      throw cause;
    }
  }

  async function answered(association: Association, request: HttpRequest): Promise<HttpResponse> {
    const response = await association.request(request);
    if (closed) await association.close();
    else idle.push({ association, since: clock.monotonic() });
    return response;
  }

  return {
    async request(request) {
      try {
        return await queue.run("", () => exchange(request));
      } catch (cause) {
        if (codeOf(cause) === "overloaded")
          throw new ServiceError("overloaded", "too many requests wait for the upstream EST server", { cause });
        throw new ServiceError("upstream-unusable", `the upstream EST server cannot be reached: ${messageOf(cause)}`, {
          cause,
        });
      }
    },
    async close() {
      closed = true;
      await Promise.all(idle.splice(0).map(({ association }) => association.close()));
    },
  };
}

/** A CA that signs in 10 ms gets through what waits in half a minute with one connection; devices come again later. */
const defaultBounds: AssociationBounds = { atOnce: 8, waiting: 1000 };
/** Servers close an idle connection after some seconds; beyond this the attempt would mostly be in vain. */
const longestIdle = 15_000;
const restAfterFailure = 1000;
