import type { Command } from "commander";
import type { Approval } from "./answers.ts";
import { segment, tenantApi } from "./api.ts";
import { CliError } from "./errors.ts";
import { brief, printable, shortTime } from "./format.ts";
import { count, example, type Invocation, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery approve [ID]` and `hatchery deny ID|--all`: a person's decision on what waits for one. */
export function addApprovals(program: Command): void {
  program
    .command("approve")
    .description("approve a waiting request, or list what waits")
    .argument("[request]", "id of the request or of its run; lists what waits when left out")
    .option("--limit <number>", "list so many at most", count, 100)
    .addHelpText("after", example("hatchery approve", "hatchery approve 9f0c42d1a7b3"))
    .action(async (id: string | undefined, { limit }: { readonly limit: number }, command: Command) => {
      const invocation = invocationOf(command);
      await (id === undefined ? list(limit, invocation) : decide(id, "approved", invocation));
    });

  program
    .command("deny")
    .description("deny a waiting request, or all of them")
    .argument("[request]", "id of the request or of its run")
    .option("--all", "deny all requests that wait now")
    .addHelpText("after", example("hatchery deny 9f0c42d1a7b3", "hatchery deny --all"))
    .action(async (id: string | undefined, { all = false }: { readonly all?: boolean }, command: Command) => {
      const invocation = invocationOf(command);
      if (all === (id !== undefined)) throw new CliError("usage", "give either the id of one request or --all");
      await (id === undefined ? denyAll(invocation) : decide(id, "denied", invocation));
    });
}

async function list(limit: number, invocation: Invocation): Promise<void> {
  const listing = await tenantApi(invocation).list<Approval>("/approvals", limit);
  if (invocation.json) return printJson(listing);
  if (listing.items.length === 0) return print("nothing waits for a decision");
  const { table } = await import("./table.ts");
  const rows = listing.items.map((approval) => [
    approval.run,
    shortTime(approval.created),
    brief(nameIn(approval)),
    shown(approval.evidence["profile"]),
    shown(approval.evidence["credential"]),
    shown(approval.evidence["address"]),
    // The one thing by which a person can tell two requests of the same name apart.
    shown(approval.evidence["key"]).slice(0, 16),
  ]);
  const head = ["run", "since", "device", "profile", "credential", "address", "key"];
  print(table(head, rows, { wraps: ["since", "device", "address", "key"] }));
  if (listing.more) print(`only the oldest ${limit} are shown; see more with --limit`);
}

async function decide(id: string, state: "approved" | "denied", invocation: Invocation): Promise<void> {
  const decided = await tenantApi(invocation).post<Approval>(`/approvals/${segment(id)}`, { state });
  if (invocation.json) return printJson(decided);
  const consequence = state === "approved" ? "; the device goes on when it asks again" : "";
  print(printable(`${state} ${brief(nameIn(decided))} (request ${decided.id}, run ${decided.run})${consequence}`));
}

async function denyAll(invocation: Invocation): Promise<void> {
  const done = await tenantApi(invocation).post<{ readonly denied: number }>("/approvals", allDenied);
  if (invocation.json) return printJson(done);
  print(done.denied === 1 ? "denied 1 request" : `denied ${done.denied} requests`);
}

function nameIn({ evidence }: Approval): string {
  const { name, newName } = evidence as Readonly<Record<"name" | "newName", unknown>>;
  // Who says yes to a renewal under another name says yes to that name.
  return newName === undefined ? shown(name) : `${shown(name)}, to be ${shown(newName)}`;
}

function shown(value: unknown): string {
  return value === undefined ? "-" : String(value);
}

const allDenied = { state: "denied", all: true } as const;
