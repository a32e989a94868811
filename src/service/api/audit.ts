import { z } from "zod";
import { emptyChain } from "../../store/audit-chain.ts";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { ServiceError } from "../errors.ts";
import type { ApiContext } from "./context.ts";
import { withoutUndefined } from "./devices.ts";
import { auditEntry, auditHead, pageOf, pageQuery, tenantParameters } from "./schemas.ts";

/** The audit: its lines, and whether their chain holds. */
export function auditRoutes(app: ApiApp, { store, auditHeads, requireTenant }: ApiContext): void {
  app.get(
    "/api/v1/tenants/:tenant/audit",
    {
      schema: {
        summary: "Who did what, and why it was decided so",
        params: tenantParameters,
        querystring: pageQuery.extend({ order: z.enum(["newest-first", "oldest-first"]).default("newest-first") }),
        response: { 200: pageOf(auditEntry) },
      },
    },
    async ({ params: { tenant }, query: { order, ...page } }) => {
      requireTenant(tenant);
      return store.audit.list(tenant, order, withoutUndefined(page));
    },
  );

  app.get(
    "/api/v1/tenants/:tenant/audit/heads/:sequence",
    {
      schema: {
        summary: "The hash of one line of the audit",
        params: tenantParameters.extend({ sequence: z.coerce.number().int().min(1) }),
        response: { 200: auditHead },
      },
    },
    async ({ params: { tenant, sequence } }) => {
      requireTenant(tenant);
      const hash = await store.audit.hashAt(tenant, sequence);
      if (hash === undefined) throw new ServiceError("not-found", `the audit has no line ${sequence}`);
      return { sequence, hash };
    },
  );

  app.get(
    "/api/v1/tenants/:tenant/audit/verification",
    {
      schema: {
        summary: "Checks the next lines of the audit's chain; repeat with `head` until `done`",
        params: tenantParameters,
        querystring: z.object({
          sequence: z.coerce.number().int().min(0).default(emptyChain.sequence),
          hash: z.string().max(64).default(emptyChain.hash),
        }),
        response: {
          200: z.object({
            head: auditHead,
            done: z.boolean(),
            broken: z.object({ sequence: z.number().int(), kind: z.enum(["missing", "changed"]) }).optional(),
            noted: auditHead
              .extend({ holds: z.boolean() })
              .optional()
              .describe("the newest line that the service noted outside the database, when `done`"),
          }),
        },
      },
    },
    async ({ params: { tenant }, query }) => {
      requireTenant(tenant);
      const section = await store.audit.verify(tenant, query);
      const noted = section.done ? auditHeads.noted(tenant) : undefined;
      if (noted === undefined) return section;
      const holds = (await store.audit.hashAt(tenant, noted.sequence)) === noted.hash;
      return { ...section, noted: { ...noted, holds } };
    },
  );
}
