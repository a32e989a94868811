import { z } from "zod";
import { textOf, utf8 } from "../../core/bytes.ts";
import { contradictions } from "../../knowledge/check.ts";
import { compareVariants } from "../../knowledge/compare.ts";
import { mergeRuns } from "../../knowledge/merge.ts";
import type { Run } from "../../knowledge/run.ts";
import type { Store } from "../../store/store.ts";
import type { ApiApp } from "../../transport/http/api-app.ts";
import { ServiceError } from "../errors.ts";
import type { ApiContext } from "./context.ts";
import { withoutUndefined } from "./devices.ts";
import { idParameters, outcome, pageOf, pageQuery, runLedger, runSummary, tenantParameters } from "./schemas.ts";

/** The ledger: list, one run from both ends, and the comparison that is made of them. */
export function runRoutes(app: ApiApp, { store, surveys, requireTenant }: ApiContext): void {
  app.get(
    "/api/v1/tenants/:tenant/runs",
    {
      schema: {
        summary: "Runs, the newest first",
        params: tenantParameters,
        querystring: pageQuery.extend({
          device: z.string().max(128).optional(),
          outcome: outcome.optional(),
          protocol: z.string().max(32).optional(),
        }),
        response: { 200: pageOf(runSummary) },
      },
    },
    async ({ params, query }) => {
      requireTenant(params.tenant);
      const { limit, after, ...filter } = query;
      return store.runs.list(params.tenant, withoutUndefined(filter), withoutUndefined({ limit, after }));
    },
  );

  app.get(
    "/api/v1/tenants/:tenant/runs/:id",
    {
      schema: {
        summary: "One run, merged from both ends when the device's ledger is known",
        params: idParameters,
        response: {
          200: z.object({
            summary: runSummary,
            run: runLedger,
            contradictions: z.array(z.object({ statement: z.string(), found: z.string() })),
          }),
        },
      },
    },
    async ({ params: { tenant, id } }) => {
      requireTenant(tenant);
      const summary = await store.runs.find(tenant, id);
      if (summary === undefined)
        throw new ServiceError("not-found", `there is no run ${id}; list them with: hatchery runs`);
      const run = await wholeRun(store, tenant, id, summary.run);
      const survey = surveys.find((each) => each.protocol === run.protocol);
      const found =
        survey === undefined || run.recordedBy.length < 2 || run.outcome !== "granted"
          ? []
          : contradictions(survey, run);
      return {
        summary,
        run: run as unknown as z.infer<typeof runLedger>,
        contradictions: found.map((each) => ({ statement: each.statement.text, found: each.found })),
      };
    },
  );

  app.put(
    "/api/v1/tenants/:tenant/runs/:id/device-ledger",
    {
      schema: {
        summary: "Add the ledger that the device kept of the same run",
        params: idParameters,
        body: z.strictObject(runLedger.shape),
        response: { 200: z.object({ id: z.string() }) },
      },
    },
    async ({ params: { tenant, id }, body }) => {
      requireTenant(tenant);
      if ((await store.runs.find(tenant, id)) === undefined)
        throw new ServiceError("not-found", `there is no run ${id}`);
      await store.commit([store.runs.putDeviceLedger({ tenant, run: id, ledger: utf8(JSON.stringify(body)) })]);
      return { id };
    },
  );

  app.get(
    "/api/v1/tenants/:tenant/comparison",
    {
      schema: {
        summary: "The survey's comparison: declared facts, measured runs, disagreements",
        params: tenantParameters,
        response: { 200: z.object({ rows: z.array(z.looseObject({ protocol: z.string(), variant: z.string() })) }) },
      },
    },
    async ({ params: { tenant } }) => {
      requireTenant(tenant);
      const runs: Run[] = [];
      // The newest runs of each protocol are enough for a median.
      for (const survey of surveys) {
        const { items } = await store.runs.list(
          tenant,
          { protocol: survey.protocol, outcome: "granted" },
          { limit: comparedRuns },
        );
        for (const { id } of items) {
          const stored = await store.runs.find(tenant, id);
          if (stored !== undefined) runs.push(await wholeRun(store, tenant, id, stored.run));
        }
      }
      return { rows: compareVariants(surveys, runs).map((row) => ({ ...row })) };
    },
  );
}

async function wholeRun(store: Store, tenant: string, id: string, recorded: Uint8Array): Promise<Run> {
  const own = JSON.parse(textOf(recorded)) as Run;
  const device = await store.runs.deviceLedger(tenant, id);
  return device === undefined ? own : mergeRuns(JSON.parse(textOf(device.ledger)) as Run, own);
}

const comparedRuns = 100;
