import { z } from "zod";
import { codeOf } from "../../core/errors.ts";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { ServiceError } from "../errors.ts";
import { digestOf } from "../est-digest.ts";
import { putEstUser } from "../est-users.ts";
import { type ApiContext, localActor } from "./context.ts";
import { withoutUndefined } from "./devices.ts";
import { digest, estUser, idParameters, pageOf, pageQuery, tenantParameters } from "./schemas.ts";

/** What devices authenticate with: EST users. */
export function credentialRoutes(app: ApiApp, context: ApiContext): void {
  const { store, clock, requireTenant } = context;
  app.get(
    "/api/v1/tenants/:tenant/est-users",
    {
      schema: {
        summary: "Users of EST's HTTP authentication",
        params: tenantParameters,
        querystring: pageQuery,
        response: { 200: pageOf(estUser) },
      },
    },
    async ({ params, query }) => {
      requireTenant(params.tenant);
      const { items, ...rest } = await store.estUsers.list(params.tenant, withoutUndefined(query));
      const shown = items.map(async ({ name, devices, created }) =>
        withoutUndefined({ name, devices, digest: await digestOf(params.tenant, name, store), created }),
      );
      return { items: await Promise.all(shown), ...rest };
    },
  );

  app.put(
    "/api/v1/tenants/:tenant/est-users/:id",
    {
      schema: {
        summary: "Add an EST user, or give it a new password",
        params: idParameters,
        body: z.strictObject({
          password: z.string().max(256),
          devices: z.string().min(1).max(256).describe("device names that it may enrol; may hold `*`"),
          digest: digest.optional(),
        }),
        response: { 200: z.object({ name: z.string() }) },
      },
    },
    async ({ params: { tenant, id: name }, body }) => {
      requireTenant(tenant);
      await putEstUser({ tenant, name, ...withoutUndefined(body) }, localActor, context);
      return { name };
    },
  );

  app.delete(
    "/api/v1/tenants/:tenant/est-users/:id",
    {
      schema: {
        summary: "Remove an EST user",
        params: idParameters,
        response: { 200: z.object({ name: z.string() }) },
      },
    },
    async ({ params: { tenant, id: name } }) => {
      requireTenant(tenant);
      try {
        await store.commit([
          store.estUsers.remove(tenant, name),
          store.audit.append({
            tenant,
            at: clock.now(),
            actor: localActor,
            action: "est-user-remove",
            subject: name,
            detail: {},
          }),
        ]);
      } catch (cause) {
        if (codeOf(cause) === "guard-lost")
          throw new ServiceError("not-found", `there is no EST user ${name}`, { cause });
        throw cause;
      }
      return { name };
    },
  );
}
