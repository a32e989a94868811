import { z } from "zod";
import { hex } from "../../core/bytes.ts";
import { codeOf } from "../../core/errors.ts";
import { parseCertificate } from "../../pki/certificate.ts";
import { formatName } from "../../pki/name.ts";
import type { Anchor, Rule } from "../../store/records.ts";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { ServiceError } from "../errors.ts";
import { describeMatch } from "../rules.ts";
import { addAnchor } from "../trust.ts";
import { type ApiContext, localActor } from "./context.ts";
import { withoutUndefined } from "./devices.ts";
import { anchor, idParameters, pageOf, pageQuery, rule, ruleMatch, tenantParameters, verdict } from "./schemas.ts";

/** Who may be onboarded: rules, and manufacturers' anchors. */
export function policyRoutes(app: ApiApp, context: ApiContext): void {
  const { store, clock, randomness, requireTenant, upstream } = context;
  app.get(
    "/api/v1/tenants/:tenant/rules",
    {
      schema: {
        summary: "Rules in the order in which they are tried",
        params: tenantParameters,
        querystring: pageQuery,
        response: { 200: pageOf(rule) },
      },
    },
    async ({ params, query }) => {
      requireTenant(params.tenant);
      const { items, ...rest } = await store.policy.rules(params.tenant, withoutUndefined(query));
      return { items: items.map(shownRule), ...rest };
    },
  );

  app.post(
    "/api/v1/tenants/:tenant/rules",
    {
      schema: {
        summary: "Add a rule behind all others",
        params: tenantParameters,
        body: z.strictObject({ verdict, match: ruleMatch }),
        response: { 200: z.object({ id: z.string() }) },
      },
    },
    async ({ params: { tenant }, body }) => {
      requireTenant(tenant);
      const match = withoutUndefined(body.match);
      const id = hex(randomness.bytes(4));
      const now = clock.now();
      await store.commit([
        store.policy.appendRule({ tenant, id, verdict: body.verdict, match, created: now }),
        store.audit.append({
          tenant,
          at: now,
          actor: localActor,
          action: "rule-add",
          subject: id,
          detail: { verdict: body.verdict, match },
        }),
      ]);
      return { id };
    },
  );

  app.delete(
    "/api/v1/tenants/:tenant/rules/:id",
    { schema: { summary: "Remove a rule", params: idParameters, response: { 200: z.object({ id: z.string() }) } } },
    async ({ params: { tenant, id } }) => {
      requireTenant(tenant);
      await removed(`there is no rule ${id}; list them with: hatchery rule list`, () =>
        store.commit([
          store.policy.removeRule(tenant, id),
          store.audit.append({
            tenant,
            at: clock.now(),
            actor: localActor,
            action: "rule-remove",
            subject: id,
            detail: {},
          }),
        ]),
      );
      return { id };
    },
  );

  app.get(
    "/api/v1/tenants/:tenant/anchors",
    {
      schema: {
        summary: "Manufacturers' anchors",
        params: tenantParameters,
        querystring: pageQuery,
        response: { 200: pageOf(anchor) },
      },
    },
    async ({ params, query }) => {
      requireTenant(params.tenant);
      const { items, ...rest } = await store.policy.anchors(params.tenant, withoutUndefined(query));
      return { items: items.map(shownAnchor), ...rest };
    },
  );

  app.post(
    "/api/v1/tenants/:tenant/anchors",
    {
      schema: {
        summary: "Trust a manufacturer's CA to vouch for its devices",
        params: tenantParameters,
        body: z.strictObject({ name: z.string().min(1).max(64), pem: z.string().min(1).max(65_536) }),
        response: { 200: anchor },
      },
    },
    async ({ params, body }) => {
      const anchor = { tenant: params.tenant, ...body };
      const cas = await upstream(params.tenant).cas();
      return shownAnchor(await addAnchor(store, anchor, cas, localActor, clock, randomness));
    },
  );

  app.delete(
    "/api/v1/tenants/:tenant/anchors/:id",
    {
      schema: {
        summary: "Trust a manufacturer no more, by id or name",
        params: idParameters,
        response: { 200: z.object({ id: z.string() }) },
      },
    },
    async ({ params: { tenant, id } }) => {
      requireTenant(tenant);
      const found = (await store.policy.anchors(tenant, { limit: 500 })).items.find(
        (each) => each.id === id || each.name === id,
      );
      if (found === undefined)
        throw new ServiceError("not-found", `there is no anchor ${id}; list them with: hatchery trust list`);
      await store.commit([
        store.policy.removeAnchor(tenant, found.id),
        store.audit.append({
          tenant,
          at: clock.now(),
          actor: localActor,
          action: "trust-remove",
          subject: found.name,
          detail: { anchor: found.id },
        }),
      ]);
      return { id: found.id };
    },
  );
}

function shownRule(record: Rule) {
  return { ...record, text: `${record.verdict} ${describeMatch(record.match)}` };
}

function shownAnchor({ id, name, certificate, added }: Anchor) {
  const parsed = parseCertificate(certificate);
  return { id, name, added, subject: formatName(parsed.subject), notAfter: parsed.notAfter };
}

async function removed(sentence: string, commit: () => Promise<void>): Promise<void> {
  try {
    await commit();
  } catch (error) {
    if (codeOf(error) === "guard-lost") throw new ServiceError("not-found", sentence, { cause: error });
    throw error;
  }
}
