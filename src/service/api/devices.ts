import { z } from "zod";
import { encodePem } from "../../encoding/pem.ts";
import type { IssuedCertificate } from "../../store/records.ts";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { claimSerial, requireDevice } from "../inventory.ts";
import { type ApiContext, localActor } from "./context.ts";
import {
  certificate,
  device,
  identity,
  idParameters,
  pageOf,
  pageQuery,
  runSummary,
  tenantParameters,
} from "./schemas.ts";

/** Inventory: list, one device with all that belongs to it, and claims. */
export function deviceRoutes(app: ApiApp, { store, clock, randomness, requireTenant }: ApiContext): void {
  app.get(
    "/api/v1/tenants/:tenant/devices",
    {
      schema: {
        summary: "Devices by name",
        params: tenantParameters,
        querystring: pageQuery.extend({
          search: z.string().max(256).optional().describe("beginning of the name or of any identity"),
        }),
        response: { 200: pageOf(device) },
      },
    },
    async ({ params, query }) => {
      requireTenant(params.tenant);
      const { search, ...page } = query;
      return store.devices.list(params.tenant, withoutUndefined(page), search);
    },
  );

  app.get(
    "/api/v1/tenants/:tenant/devices/:id",
    {
      schema: {
        summary: "One device, by id or serial number",
        params: idParameters,
        response: {
          200: device.extend({
            identities: z.array(identity),
            certificates: z.array(certificate),
            runs: z.array(runSummary),
          }),
        },
      },
    },
    async ({ params: { tenant, id } }) => {
      requireTenant(tenant);
      const found = await requireDevice(store, tenant, id);
      const first = { limit: 100 };
      const [identities, certificates, runs] = await Promise.all([
        store.devices.identities(tenant, found.id, first),
        store.authorities.certificatesOf(tenant, found.id, first),
        store.runs.list(tenant, { device: found.id }, first),
      ]);
      return {
        ...found,
        identities: [...identities.items],
        certificates: certificates.items.map(shownCertificate),
        runs: [...runs.items],
      };
    },
  );

  app.post(
    "/api/v1/tenants/:tenant/claims",
    {
      schema: {
        summary: "Claim a device by what is printed on it",
        params: tenantParameters,
        body: z.strictObject({
          label: z.string().min(1).max(2000).describe("serial number"),
          issuer: z.string().min(1).max(64).optional().describe("name of the anchor that has to vouch for the device"),
        }),
        response: { 200: device },
      },
    },
    async ({ params: { tenant }, body: { label, issuer } }) => {
      requireTenant(tenant);
      return claimSerial(store, tenant, label, localActor, clock, randomness, issuer);
    },
  );
}

/** What the API tells of a certificate. */
export function shownCertificate(issued: IssuedCertificate) {
  return { ...issued, pem: encodePem("CERTIFICATE", issued.certificate) };
}

/** `exactOptionalPropertyTypes`: an absent query field is absent, not undefined. */
export function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
