import { z } from "zod";
import { hex } from "../../core/bytes.ts";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { listEstPsks, putEstPsk, removeEstPsk } from "../est-psks.ts";
import { type ApiContext, localActor } from "./context.ts";
import { idParameters, tenantParameters } from "./schemas.ts";

export const estPsk = z.object({ name: z.string(), devices: z.string(), created: z.number().int() });

/** Keys that devices without certificates share with the EST server. */
export function estPskRoutes(app: ApiApp, context: ApiContext): void {
  const { requireTenant, pskChanged } = context;
  const base = "/api/v1/tenants/:tenant/est-psks";
  const acting = (tenant: string) => ({ ...context, tenant, actor: localActor });

  app.get(
    base,
    {
      schema: {
        summary: "Pre-shared keys of EST by their identities; the keys themselves are not shown",
        params: tenantParameters,
        response: { 200: z.object({ items: z.array(estPsk) }) },
      },
    },
    async ({ params: { tenant } }) => {
      requireTenant(tenant);
      return { items: [...(await listEstPsks(tenant, context))] };
    },
  );

  app.put(
    `${base}/:id`,
    {
      schema: {
        summary: "Make a pre-shared key for EST, or another one in its place",
        params: idParameters,
        body: z.strictObject({
          devices: z.string().min(1).max(256).describe("names of devices that it may enrol; may hold `*`"),
        }),
        response: { 200: z.object({ name: z.string(), key: z.string().describe("32 octets, hex; shown this once") }) },
      },
    },
    async ({ params: { tenant, id: name }, body: { devices } }) => {
      requireTenant(tenant);
      const key = await putEstPsk(acting(tenant), { name, devices });
      await pskChanged(tenant);
      return { name, key: hex(key) };
    },
  );

  app.delete(
    `${base}/:id`,
    {
      schema: {
        summary: "Forget a pre-shared key of EST",
        params: idParameters,
        response: { 200: z.object({ name: z.string() }) },
      },
    },
    async ({ params: { tenant, id: name } }) => {
      requireTenant(tenant);
      await removeEstPsk(acting(tenant), name);
      await pskChanged(tenant);
      return { name };
    },
  );
}
