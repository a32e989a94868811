import { z } from "zod";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { importCa } from "../ca-import.ts";
import { ServiceError } from "../errors.ts";
import type { UpstreamStatus } from "../upstream-status.ts";
import { caImport, caImportReport, upstreamRequest, upstreamStatus } from "./ca-own-schemas.ts";
import { type ApiContext, localActor } from "./context.ts";
import { withoutUndefined } from "./devices.ts";
import { tenantParameters } from "./schemas.ts";

/** A CA of the operator's own: one that issues here, or one behind another EST server. */
export function ownCaRoutes(app: ApiApp, context: ApiContext): void {
  const { upstream, names, authority, authorityChanged, keys, store, clock, randomness } = context;

  app.get(
    "/api/v1/tenants/:tenant/ca/upstream",
    {
      schema: {
        summary: "The upstream CA",
        params: tenantParameters,
        response: { 200: upstreamStatus },
      },
    },
    async ({ params: { tenant } }) => {
      const status = await upstream(tenant).status();
      if (status === undefined)
        throw new ServiceError(
          "not-found",
          `the tenant ${tenant} has no upstream CA; set one with: hatchery ca upstream set`,
        );
      return shown(status);
    },
  );

  app.put(
    "/api/v1/tenants/:tenant/ca/upstream",
    {
      schema: {
        summary: "Let an upstream CA certify what is admitted here, once it has answered",
        params: tenantParameters,
        body: upstreamRequest,
        response: { 200: upstreamStatus },
      },
    },
    async ({ params: { tenant }, body: { force, ...request } }) =>
      shown(await upstream(tenant).set(request, localActor, force)),
  );

  app.post(
    "/api/v1/tenants/:tenant/ca/upstream/test",
    {
      schema: {
        summary: "Ask the upstream for its CA and hold it against the anchors",
        params: tenantParameters,
        body: z.strictObject({}),
        response: { 200: upstreamStatus },
      },
    },
    async ({ params: { tenant } }) => shown(await upstream(tenant).test()),
  );

  app.delete(
    "/api/v1/tenants/:tenant/ca/upstream",
    {
      schema: {
        summary: "Let the tenant's own CA issue again",
        params: tenantParameters,
        response: { 200: z.object({ url: z.string() }) },
      },
    },
    async ({ params: { tenant } }) => ({ url: await upstream(tenant).remove(localActor) }),
  );

  app.post(
    "/api/v1/tenants/:tenant/ca/import",
    {
      schema: {
        summary: "Let an issuing CA that was made elsewhere issue from now on",
        params: tenantParameters,
        body: caImport,
        response: { 200: caImportReport },
      },
    },
    async ({ params: { tenant }, body: { dryRun, ...files } }) => {
      const own = { authority: authority(tenant), names: names(tenant) };
      const acting = { ...own, tenant, actor: localActor, store, keys, clock, randomness };
      const report = await importCa(withoutUndefined(files), dryRun, acting);
      if (!dryRun) await authorityChanged(tenant);
      return { ...report, issuers: [...report.issuers] };
    },
  );
}

function shown({ anchors, authorities, failure, ...status }: UpstreamStatus): z.infer<typeof upstreamStatus> {
  return {
    ...status,
    anchors: [...anchors],
    authorities: [...authorities],
    ...(failure === undefined ? {} : { failure }),
  };
}
