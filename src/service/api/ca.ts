import { z } from "zod";
import { hex } from "../../core/bytes.ts";
import { encodePem } from "../../encoding/pem.ts";
import { formatName } from "../../pki/name.ts";
import { subjectKeyIdentifierOf } from "../../pki/standard-extensions.ts";
import type { ApiApp } from "../../transport/http/api-app.ts";
import type { CaCertificate } from "../authority-hierarchy.ts";
import { operatorReasons } from "../ca-reasons.ts";
import { revoke, unrevoke } from "../ca-revocation.ts";
import { beginRollover, finishRollover, rolloverStatus, switchRollover } from "../ca-rollover.ts";
import { ServiceError } from "../errors.ts";
import { requireDevice } from "../inventory.ts";
import { type ApiContext, localActor } from "./context.ts";
import { shownCertificate, withoutUndefined } from "./devices.ts";
import { certificate, idParameters, listedCertificate, pageOf, pageQuery, tenantParameters } from "./schemas.ts";

const base = "/api/v1/tenants/:tenant/ca";

/** A certificate of one of the CAs. */
export const caCertificate = z.object({
  name: z.string(),
  role: z.enum(["root", "intermediate", "issuing", "cross"]),
  state: z.enum(["next", "active", "retired", "ended"]),
  origin: z.enum(["own", "imported"]),
  subject: z.string(),
  keyIdentifier: z.string().describe("subjectKeyIdentifier in hexadecimal; empty when the certificate has none"),
  notAfter: z.number().int(),
  pem: z.string(),
});

export const rollover = z.object({
  phase: z.enum(["none", "begun", "switched"]),
  authorities: z.array(caCertificate).describe("all that have not ended"),
  leaving: z.array(z.string()).describe("names of the CAs that go"),
  current: z.number().int().describe("devices with a good certificate of these that they have not replaced"),
  devices: z.number().int().describe("devices with any good certificate"),
});

const revocable = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("serial"), serial: z.string().min(1).max(128) }),
  z.strictObject({ kind: z.literal("pem"), pem: z.string().min(1).max(65_536) }),
  z.strictObject({ kind: z.literal("device"), device: z.string().min(1).max(256) }),
]);

/** The tenant's CA: its certificates, what it has issued, revocation, and the roll-over to another generation. */
export function caRoutes(app: ApiApp, context: ApiContext): void {
  const { store, clock, requireTenant } = context;
  const acting = (tenant: string) => ({ ...context, tenant, actor: localActor, authority: context.authority(tenant) });

  app.get(
    base,
    {
      schema: {
        summary: "Certificates of the tenant's CA",
        params: tenantParameters,
        response: {
          200: z.object({ root: z.string(), issuing: z.string(), authorities: z.array(caCertificate) }),
        },
      },
    },
    async ({ params: { tenant } }) => {
      const { all, root, issuing } = await context.authority(tenant).hierarchy();
      return { root: pemOf(root), issuing: pemOf(issuing), authorities: all.map(shownCa) };
    },
  );

  app.get(
    `${base}/certificates`,
    {
      schema: {
        summary: "Certificates that have not expired, those that end first first",
        params: tenantParameters,
        querystring: pageQuery.extend({
          device: z.string().max(256).optional().describe("id, serial number or name of a device"),
          expiring: z.coerce.number().int().min(0).max(36_500).optional().describe("days within which they end"),
          revoked: z.literal("true").optional().describe("only those that are revoked"),
          by: z.string().max(256).optional().describe("name of the CA that issued them"),
          current: z.literal("true").optional().describe("only those that are neither revoked nor replaced"),
        }),
        response: { 200: pageOf(listedCertificate) },
      },
    },
    async ({ params: { tenant }, query: { device, expiring, revoked, by, current, ...page } }) => {
      requireTenant(tenant);
      const endsFrom = clock.now();
      if (revoked !== undefined && current !== undefined)
        throw new ServiceError("invalid", "what is revoked is not current: ask for the one or the other");
      const filter = {
        endsFrom,
        device: device === undefined ? undefined : (await requireDevice(store, tenant, device)).id,
        endsBefore: expiring === undefined ? undefined : endsFrom + expiring * day,
        revoked: revoked === undefined ? (current === undefined ? undefined : false) : true,
        authority: by,
        latestAt: current === undefined ? undefined : endsFrom,
      };
      const listed = await store.authorities.certificates(tenant, withoutUndefined(filter), withoutUndefined(page));
      const { items, ...rest } = listed;
      const replaced = await store.authorities.replacedAmong(tenant, items, endsFrom);
      const { all } = await context.authority(tenant).hierarchy();
      const ended = all.flatMap(({ record }) => (record.state === "ended" ? record.name : []));
      const shown = items.map((each) => ({
        ...shownCertificate(each),
        replaced: replaced.includes(each),
        caEnded: ended.includes(each.authority),
      }));
      return { items: shown, ...rest };
    },
  );

  app.post(
    `${base}/revocations`,
    {
      schema: {
        summary: "Revoke one certificate, or all current ones of a device",
        params: tenantParameters,
        body: z.strictObject({ which: revocable, reason: z.enum(operatorReasons) }),
        response: { 200: z.object({ revoked: z.array(certificate) }) },
      },
    },
    async ({ params: { tenant }, body }) => {
      requireTenant(tenant);
      const revoked = await revoke(acting(tenant), body.which, body.reason);
      return { revoked: revoked.map(shownCertificate) };
    },
  );

  app.delete(
    `${base}/revocations/:id`,
    {
      schema: {
        summary: "Lift the hold of a certificate, by its serial number",
        params: idParameters,
        response: { 200: certificate },
      },
    },
    async ({ params: { tenant, id } }) => {
      requireTenant(tenant);
      return shownCertificate(await unrevoke(acting(tenant), id));
    },
  );

  app.get(
    `${base}/rollover`,
    { schema: { summary: "How far the roll-over is", params: tenantParameters, response: { 200: rollover } } },
    async ({ params: { tenant } }) => shownRollover(acting(tenant)),
  );

  app.post(
    `${base}/rollover`,
    {
      schema: {
        summary: "Take the next step of a roll-over to another generation of the CA",
        params: tenantParameters,
        body: z.discriminatedUnion("step", [
          z.strictObject({ step: z.literal("begin") }),
          z.strictObject({ step: z.literal("switch") }),
          z.strictObject({ step: z.literal("finish"), force: z.boolean().default(false) }),
        ]),
        response: { 200: rollover.extend({ left: z.number().int().optional() }) },
      },
    },
    async ({ params: { tenant }, body }) => {
      const parts = acting(tenant);
      let left: number | undefined;
      switch (body.step) {
        case "begin":
          await beginRollover(parts);
          break;
        case "switch":
          await switchRollover(parts);
          break;
        case "finish":
          left = await finishRollover({ ...parts, force: body.force });
      }
      await context.authorityChanged(tenant);
      return { ...(await shownRollover(parts)), ...(left === undefined ? {} : { left }) };
    },
  );
}

async function shownRollover(parts: Parameters<typeof rolloverStatus>[0]) {
  const { phase, leaving, current, devices } = await rolloverStatus(parts);
  const { all } = await parts.authority.hierarchy();
  return {
    phase,
    authorities: all.filter(({ record }) => record.state !== "ended").map(shownCa),
    leaving: leaving.map(({ record }) => record.name),
    current,
    devices,
  };
}

function shownCa(ca: CaCertificate) {
  const { name, role, state, origin } = ca.record;
  const { subject, notAfter, extensions } = ca.certificate;
  const keyIdentifier = hex(subjectKeyIdentifierOf(extensions) ?? new Uint8Array());
  return { name, role, state, origin, subject: formatName(subject), keyIdentifier, notAfter, pem: pemOf(ca) };
}

function pemOf({ record }: CaCertificate): string {
  return encodePem("CERTIFICATE", record.certificate);
}

const day = 24 * 3600 * 1000;
