import { z } from "zod";
import { hex } from "../../core/bytes.ts";
import { codeOf } from "../../core/errors.ts";
import { parseCertificate } from "../../pki/certificate.ts";
import { formatName } from "../../pki/name.ts";
import type { Anchor, Approval, Rule } from "../../store/records.ts";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { describeMatch } from "../rules.ts";
import { ServiceError } from "../errors.ts";
import { addAnchor } from "../trust.ts";
import { type ApiContext, localActor } from "./context.ts";
import { withoutUndefined } from "./devices.ts";
import {
  anchor,
  approval,
  idParameters,
  pageOf,
  pageQuery,
  rule,
  ruleMatch,
  tenantParameters,
  verdict,
} from "./schemas.ts";

/** Who may be onboarded: rules, manufacturers' anchors, and decisions that wait for a person. */
export function policyRoutes(app: ApiApp, { store, clock, randomness, requireTenant }: ApiContext): void {
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
        body: z.object({ verdict, match: ruleMatch }),
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
        body: z.object({ name: z.string().min(1).max(64), pem: z.string().min(1).max(65_536) }),
        response: { 200: anchor },
      },
    },
    async ({ params, body }) => {
      requireTenant(params.tenant);
      return shownAnchor(await addAnchor(store, { tenant: params.tenant, ...body }, localActor, clock, randomness));
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
      return { items: items.map(shownApproval), ...rest };
    },
  );

  app.post(
    "/api/v1/tenants/:tenant/approvals/:id",
    {
      schema: {
        summary: "Approve or deny a waiting request, by its id or its run",
        params: idParameters,
        body: z.object({ state: z.enum(["approved", "denied"]) }),
        response: { 200: approval },
      },
    },
    async ({ params: { tenant, id }, body: { state } }) => {
      requireTenant(tenant);
      const found = (await store.approvals.find(tenant, id)) ?? (await store.approvals.findByRun(tenant, id));
      if (found === undefined)
        throw new ServiceError("not-found", `nothing waits under ${id}; list what waits with: hatchery approve`);
      if (found.state !== "pending") throw new ServiceError("conflict", `${id} was ${found.state} already`);
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
      return shownApproval({ ...found, state, decided: now, decidedBy: localActor });
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

/** Without the session's name, which holds what the device presented. */
function shownApproval({ subject: _, tenant: __, ...shown }: Approval) {
  return shown;
}

async function removed(sentence: string, commit: () => Promise<void>): Promise<void> {
  try {
    await commit();
  } catch (error) {
    if (codeOf(error) === "guard-lost") throw new ServiceError("not-found", sentence, { cause: error });
    throw error;
  }
}
