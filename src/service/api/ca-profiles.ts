import { z } from "zod";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { listProfiles, removeProfile, requireProfile, setProfile } from "../ca-profiles.ts";
import { privilegeOf } from "../privilege.ts";
import type { Profile } from "../profiles.ts";
import { type ApiContext, localActor } from "./context.ts";
import { withoutUndefined } from "./devices.ts";
import { idParameters, tenantParameters } from "./schemas.ts";

const day = 24 * 3600 * 1000;
const milliseconds = (most: number) => z.number().int().min(0).max(most);
const oid = z.string().regex(/^[0-2](?:\.(?:0|[1-9]\d{0,9})){1,20}$/);

/** What a profile sets; a set that is empty would certify nothing. */
const settings = z.strictObject({
  lifetime: z
    .union([
      z.literal("endless"),
      z
        .number()
        .int()
        .min(60_000)
        .max(36_525 * day),
    ])
    .describe("milliseconds, or `endless` for certificates without a well-defined expiry"),
  backdate: milliseconds(7 * day).describe("milliseconds that a certificate begins before its issue"),
  keys: z.array(z.enum(["P-256", "P-384", "P-521", "Ed25519", "RSA"])).min(1),
  leastRsaBits: z.number().int().min(2048).max(8192),
  keyUsage: z
    .array(z.enum(["digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement"]))
    .min(1),
  extKeyUsage: z.array(oid).max(16).describe("purposes in dotted form"),
  subjectAltName: z.array(z.enum(["dNSName", "iPAddress"])).describe("kinds of names that a request may ask for"),
  subject: z
    .array(
      z.discriminatedUnion("type", [
        z.strictObject({ type: z.enum(["commonName", "serialNumber"]) }),
        z.strictObject({ type: z.literal("countryName"), value: z.string().regex(/^[A-Z]{2}$/) }),
        z.strictObject({
          type: z.enum(["stateOrProvinceName", "localityName", "organizationName", "organizationalUnitName"]),
          value: z.string().regex(/^(?! )[^\p{C}]{1,64}(?<! )$/u),
        }),
      ]),
    )
    .max(16)
    .describe("attributes of all certificates' subjects, and without a value those that devices are asked for"),
  requestExtensions: z
    .array(z.enum(["subjectAltName", "keyUsage", "extKeyUsage"]))
    .refine((extensions) => new Set(extensions).size === extensions.length, "names an extension twice")
    .describe("extensions that requests are asked to hold"),
  csrattrs: z
    .enum(["none", "attributes", "template", "both"])
    .describe("the form in which devices are told what requests are to hold (RFC 7030 4.5.2, RFC 9908)"),
  renewal: z.strictObject({
    after: z.number().min(0).max(0.95).describe("share of its validity that a certificate has to be old"),
    grace: milliseconds(3653 * day).describe("milliseconds after its end in which it may still be renewed"),
    sameKey: z.boolean().describe("whether the key may stay the same"),
  }),
  binding: z
    .enum(["accepted", "required"])
    .describe("whether a request has to hold the channel binding (RFC 7030 3.5)"),
  registrationAuthority: z
    .string()
    .max(256)
    .describe("names that holders may ask for as registration authorities; may hold `*`, empty for none"),
  serverKey: z
    .enum(["none", "P-256", "P-384", "Ed25519", "RSA-2048", "RSA-3072"])
    .describe("key that is made for a device that asks for one (RFC 7030 4.4)"),
  changeSubjectName: z
    .enum(["refused", "allowed"])
    .describe("whether a renewal may ask for other names (RFC 6402 2.8)"),
  fullcmc: z.enum(["refused", "allowed"]).describe("whether Full PKI Requests are answered (RFC 7030 4.3)"),
});

export const profile = z.object({
  name: z.string(),
  protocol: z.string().optional(),
  label: z.string().optional(),
  settings,
  privilege: z
    .string()
    .optional()
    .describe(
      "what holders are taken for besides devices: then nobody is admitted but by a rule that names the profile",
    ),
});

/** Profiles of certificates: what labels of a protocol issue. */
export function caProfileRoutes(app: ApiApp, { store, clock, requireTenant }: ApiContext): void {
  const base = "/api/v1/tenants/:tenant/ca/profiles";
  const acting = (tenant: string) => ({ tenant, actor: localActor, store, clock });

  app.get(
    base,
    {
      schema: {
        summary: "Profiles by name",
        params: tenantParameters,
        response: { 200: z.object({ items: z.array(profile) }) },
      },
    },
    async ({ params: { tenant } }) => {
      requireTenant(tenant);
      return { items: (await listProfiles(store, tenant)).map(shown) };
    },
  );

  app.get(
    `${base}/:id`,
    { schema: { summary: "One profile", params: idParameters, response: { 200: profile } } },
    async ({ params: { tenant, id } }) => {
      requireTenant(tenant);
      return shown(await requireProfile(store, tenant, id));
    },
  );

  app.put(
    `${base}/:id`,
    {
      schema: {
        summary: "Change settings of a profile, or make one that the EST label of its name asks for",
        params: idParameters,
        body: settings.partial().extend({ renewal: settings.shape.renewal.partial().optional() }),
        response: { 200: profile },
      },
    },
    async ({ params: { tenant, id }, body: { renewal, ...changes } }) => {
      requireTenant(tenant);
      const renewed = renewal === undefined ? {} : { renewal: withoutUndefined(renewal) };
      return shown(await setProfile(acting(tenant), id, { ...withoutUndefined(changes), ...renewed }));
    },
  );

  app.delete(
    `${base}/:id`,
    {
      schema: {
        summary: "Remove a profile, or give a built-in one its settings back",
        params: idParameters,
        response: { 200: z.object({ name: z.string() }) },
      },
    },
    async ({ params: { tenant, id } }) => {
      requireTenant(tenant);
      await removeProfile(acting(tenant), id);
      return { name: id };
    },
  );
}

function shown({ name, protocol, label, settings: set }: Profile): z.infer<typeof profile> {
  const place = protocol === undefined || label === undefined ? {} : { protocol, label };
  const privilege = privilegeOf(set);
  return { name, ...place, settings: settings.parse(set), ...(privilege === undefined ? {} : { privilege }) };
}
