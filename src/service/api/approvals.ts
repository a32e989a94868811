import { z } from "zod";
import { codeOf } from "../../core/errors.ts";
import { maxPage } from "../../store/paging.ts";
import type { Approval } from "../../store/records.ts";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { ServiceError } from "../errors.ts";
import { type ApiContext, localActor } from "./context.ts";
import { withoutUndefined } from "./devices.ts";
import { approval, idParameters, pageOf, pageQuery, tenantParameters } from "./schemas.ts";

/** Decisions that wait for a person. */
export function approvalRoutes(app: ApiApp, context: ApiContext): void {
  const { store, clock, requireTenant } = context;

  app.get(
    "/api/v1/tenants/:tenant/approvals",
    {
      schema: {
        summary: "Requests that wait for a person, the oldest first",
        params: tenantParameters,
        querystring: pageQuery,
        response: { 200: pageOf(approval) },
      },
    },
    async ({ params, query }) => {
      requireTenant(params.tenant);
      const { items, ...rest } = await store.approvals.pending(params.tenant, withoutUndefined(query));
      return { items: items.map(shown), ...rest };
    },
  );

  app.post(
    "/api/v1/tenants/:tenant/approvals",
    {
      schema: {
        summary: "Deny all requests that wait now",
        params: tenantParameters,
        body: z.strictObject({ state: z.literal("denied"), all: z.literal(true) }),
        response: { 200: z.object({ denied: z.number().int() }) },
      },
    },
    async ({ params: { tenant } }) => {
      requireTenant(tenant);
      return { denied: await denyAll(tenant, context) };
    },
  );

  app.post(
    "/api/v1/tenants/:tenant/approvals/:id",
    {
      schema: {
        summary: "Approve or deny a waiting request, by its id or its run",
        params: idParameters,
        body: z.strictObject({ state: z.enum(["approved", "denied"]) }),
        response: { 200: approval },
      },
    },
    async ({ params: { tenant, id }, body: { state } }) => {
      requireTenant(tenant);
      const found = (await store.approvals.find(tenant, id)) ?? (await store.approvals.findByRun(tenant, id));
      if (found === undefined)
        throw new ServiceError("not-found", `nothing waits under ${id}; list what waits with: hatchery approve`);
      if (found.state !== "pending") throw new ServiceError("conflict", `${id} is ${found.state} already`);
      const now = clock.now();
      await store.commit([
        store.approvals.decide(tenant, found.id, { state, decided: now, decidedBy: localActor }),
        store.audit.append({
          tenant,
          at: now,
          actor: localActor,
          action: state === "approved" ? "approve" : "deny",
          subject: String(found.evidence["name"] ?? ""),
          detail: { approval: found.id, run: found.run },
        }),
      ]);
      return shown({ ...found, state, decided: now, decidedBy: localActor });
    },
  );
}

/** Denies as many requests as wait at the beginning, so that who keeps asking does not keep it busy, a page in one commit. */
async function denyAll(tenant: string, { store, clock }: ApiContext): Promise<number> {
  const waiting = await store.approvals.countPending(tenant);
  let denied = 0;
  let lost = 0;
  while (denied < waiting) {
    const { items } = await store.approvals.pending(tenant, { limit: Math.min(maxPage, waiting - denied) });
    if (items.length === 0) break;
    const now = clock.now();
    const decision = { state: "denied", decided: now, decidedBy: localActor } as const;
    try {
      await store.commit([
        ...items.map(({ id }) => store.approvals.decide(tenant, id, decision)),
        store.audit.append({
          tenant,
          at: now,
          actor: localActor,
          action: "deny-all",
          subject: `${items.length} requests`,
          detail: { approvals: items.map(({ id }) => id) },
        }),
      ]);
    } catch (error) {
      // Somebody decided one of them in the meantime, or it expired: what is left is read again.
      lost += 1;
      if (codeOf(error) !== "guard-lost" || lost >= mostAttempts) throw error;
      continue;
    }
    denied += items.length;
  }
  return denied;
}

/** Without the session's name, which holds what the device presented. */
function shown({ subject: _, tenant: __, ...rest }: Approval) {
  return rest;
}

const mostAttempts = 10;
