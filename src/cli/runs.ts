import type { Command } from "commander";
import type { RunSummary, WholeRun } from "./answers.ts";
import { type Api, segment, tenantApi } from "./api.ts";
import { CliError } from "./errors.ts";
import { brief, shortTime } from "./format.ts";
import { count, example, type Invocation, invocationOf } from "./options.ts";
import { outputColumns, print, printJson } from "./output.ts";

/** `hatchery runs` and `hatchery run show [ID]`: the ledger of onboardings. */
export function addRuns(program: Command): void {
  program
    .command("runs")
    .description("list the onboardings, the newest first")
    .option("--device <id>", "only those of this device")
    .option("--outcome <outcome>", "only granted, refused, waiting or failed ones")
    .option("--protocol <protocol>", "only those over this protocol")
    .option("--limit <number>", "list so many at most", count, 20)
    .addHelpText("after", example("hatchery runs --outcome refused", "hatchery --tenant demo runs"))
    .action(async (options: RunFilter, command: Command) => list(options, invocationOf(command)));

  program
    .command("run")
    .description("look at one onboarding")
    .command("show")
    .description("show one onboarding as a sequence chart, with who knew what before and after")
    .argument("[run]", "id of the run; the newest one when left out")
    .addHelpText("after", example("hatchery run show", "hatchery run show 5d1c20ab77e0f493 --tenant demo"))
    .action(async (id: string | undefined, _: unknown, command: Command) => show(id, invocationOf(command)));
}

/** The chart of one run of a tenant, as `run show` prints it. */
export async function runChart(api: Api, id: string): Promise<string> {
  const { summary, run, contradictions } = await wholeRun(api, id);
  const { chart } = await import("./run-chart.ts");
  return chart(run, contradictions, { columns: outputColumns(100), label: summary.label });
}

/** Titles of a table of runs. */
export const runTitles = ["run", "began", "variant", "outcome", "device", "reason"];

/** Those of its columns that give way to a narrow terminal. */
export const runWraps = ["began", "device", "reason"];

/** Cells of a table of runs, as `runTitles` names them. */
export function runRows(runs: readonly RunSummary[]): string[][] {
  return runs.map(({ id, started, variant, outcome, label, reason }) => [
    id,
    shortTime(started),
    variant,
    outcome,
    brief(label),
    brief(reason),
  ]);
}

interface RunFilter {
  readonly device?: string;
  readonly outcome?: string;
  readonly protocol?: string;
  readonly limit: number;
}

async function list({ limit, device, outcome, protocol }: RunFilter, invocation: Invocation): Promise<void> {
  const listing = await tenantApi(invocation).list<RunSummary>("/runs", limit, { device, outcome, protocol });
  if (invocation.json) return printJson(listing);
  if (listing.items.length === 0) return print(none(invocation));
  const { table } = await import("./table.ts");
  print(table(runTitles, runRows(listing.items), { wraps: runWraps }));
  if (listing.more) print(`only the newest ${limit} are shown; see more with --limit`);
}

async function show(id: string | undefined, invocation: Invocation): Promise<void> {
  const api = tenantApi(invocation);
  const chosen = id ?? (await newest(api, invocation));
  if (invocation.json) return printJson(await wholeRun(api, chosen));
  print(await runChart(api, chosen));
}

function wholeRun(api: Api, id: string): Promise<WholeRun> {
  return api.get<WholeRun>(`/runs/${segment(id)}`);
}

async function newest(api: Api, invocation: Invocation): Promise<string> {
  const [run] = (await api.list<RunSummary>("/runs", 1)).items;
  if (run === undefined) throw new CliError("nothing-there", none(invocation));
  return run.id;
}

function none({ tenant }: Invocation): string {
  return `there are no such runs in the tenant ${tenant}; look into another one with --tenant`;
}
