import { z } from "zod";
import { fromHex } from "../../core/bytes.ts";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { listEstKeys, putEstKey, removeEstKey } from "../est-keys.ts";
import { type ApiContext, localActor } from "./context.ts";
import { idParameters, tenantParameters } from "./schemas.ts";

export const estKey = z.object({ name: z.string(), devices: z.string(), created: z.number().int() });

/** Symmetric keys that serverkeygen encrypts private keys under. */
export function estKeyRoutes(app: ApiApp, { store, vault, clock, requireTenant }: ApiContext): void {
  const base = "/api/v1/tenants/:tenant/est-keys";
  const acting = (tenant: string) => ({ tenant, actor: localActor, store, vault, clock });

  app.get(
    base,
    {
      schema: {
        summary: "Keys that EST encrypts private keys under, by name; the keys themselves are not shown",
        params: tenantParameters,
        response: { 200: z.object({ items: z.array(estKey) }) },
      },
    },
    async ({ params: { tenant } }) => {
      requireTenant(tenant);
      return { items: [...(await listEstKeys(tenant, { store, vault }))] };
    },
  );

  app.put(
    `${base}/:id`,
    {
      schema: {
        summary: "Register a key that EST encrypts private keys under, or replace it",
        params: idParameters,
        body: z.strictObject({
          key: z
            .string()
            .regex(/^(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{48}|[0-9A-Fa-f]{64})$/)
            .describe("16, 24 or 32 octets, hex"),
          devices: z.string().min(1).max(256).describe("names of devices that may use it; may hold `*`"),
        }),
        response: { 200: z.object({ name: z.string() }) },
      },
    },
    async ({ params: { tenant, id: name }, body: { key, devices } }) => {
      requireTenant(tenant);
      await putEstKey(acting(tenant), { name, key: fromHex(key) ?? new Uint8Array(0), devices });
      return { name };
    },
  );

  app.delete(
    `${base}/:id`,
    {
      schema: {
        summary: "Forget a key that EST encrypts private keys under",
        params: idParameters,
        response: { 200: z.object({ name: z.string() }) },
      },
    },
    async ({ params: { tenant, id } }) => {
      requireTenant(tenant);
      await removeEstKey(acting(tenant), id);
      return { name: id };
    },
  );
}
