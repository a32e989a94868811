import assert from "node:assert/strict";
import type { Run } from "../src/knowledge/run.ts";
import type { Hatchery } from "./hatchery.ts";

/** What the service keeps of one run. */
export interface RunRecord {
  readonly id: string;
  readonly variant: string;
  readonly label: string;
  readonly outcome: string;
  readonly reason: string;
  readonly device?: string;
}

/** All runs of the tenant, the oldest first. */
export async function runsOf(hatchery: Hatchery): Promise<readonly RunRecord[]> {
  const { items } = await hatchery.api<{ readonly items: readonly RunRecord[] }>("GET", `${tenant}/runs?limit=100`);
  return items.toReversed();
}

/**
 * The only run there is of `variant`, granted to the device called `label`; throws when there is no such run, more than
 * one, or no device of that name with a certificate in the inventory.
 */
export async function grantedRun(hatchery: Hatchery, variant: string, label: string): Promise<Run> {
  const runs = (await runsOf(hatchery)).filter((run) => run.variant === variant);
  assert.deepEqual(
    runs.map(({ outcome, label }) => ({ outcome, label })),
    [{ outcome: "granted", label }],
    `the runs of ${variant}`,
  );
  const { id, device } = runs[0] as RunRecord;
  const found = await hatchery.api<{ readonly lifecycle: string; readonly certificates: readonly { run?: string }[] }>(
    "GET",
    `${tenant}/devices/${device}`,
  );
  assert.equal(found.lifecycle, "operational");
  assert.ok(
    found.certificates.some(({ run }) => run === id),
    `the inventory has no certificate of run ${id}`,
  );
  return runOf(hatchery, id);
}

/** The only refused run; throws when there is none, more than one, or one for another reason. */
export async function refusedRun(hatchery: Hatchery, reason: string): Promise<Run> {
  const runs = (await runsOf(hatchery)).filter((run) => run.outcome === "refused");
  assert.deepEqual(
    runs.map(({ reason }) => reason),
    [reason],
    "the reasons of refused runs",
  );
  return runOf(hatchery, (runs[0] as RunRecord).id);
}

async function runOf(hatchery: Hatchery, id: string): Promise<Run> {
  return (await hatchery.api<{ readonly run: Run }>("GET", `${tenant}/runs/${id}`)).run;
}

const tenant = "/api/v1/tenants/default";
