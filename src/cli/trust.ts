import { basename, extname } from "node:path";
import type { Command } from "commander";
import type { Anchor } from "./answers.ts";
import { segment, tenantApi } from "./api.ts";
import { certificatesFrom } from "./ca-files.ts";
import { brief, printable, shortTime } from "./format.ts";
import { count, example, type Invocation, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery trust add|list|remove`: the manufacturers whose certificates prove what a device is. */
export function addTrust(program: Command): void {
  const trust = program
    .command("trust")
    .description("manufacturers' CAs that vouch for their devices")
    .addHelpText("after", example("hatchery trust add acme-root.pem --name acme"));

  trust
    .command("add")
    .description("trust a manufacturer's CA to vouch for its devices")
    .argument("<file>", "the CA's certificate in PEM or DER")
    .option("--name <name>", "what rules call it; the file's name without its ending when left out")
    .addHelpText("after", example("hatchery trust add acme-root.pem --name acme"))
    .action(async (file: string, { name }: { readonly name?: string }, command: Command) => {
      const invocation = invocationOf(command);
      const body = { name: name ?? basename(file, extname(file)), pem: await certificatesFrom(file) };
      const anchor = await tenantApi(invocation).post<Anchor>("/anchors", body);
      if (invocation.json) return printJson(anchor);
      print(printable(`${anchor.name} is trusted until ${shortTime(anchor.notAfter)}: ${anchor.subject}`));
    });

  trust
    .command("list")
    .description("list the manufacturers")
    .option("--limit <number>", "list so many at most", count, 100)
    .addHelpText("after", example("hatchery trust list"))
    .action(async ({ limit }: { readonly limit: number }, command: Command) => list(limit, invocationOf(command)));

  trust
    .command("remove")
    .description("trust a manufacturer no more; its devices that were onboarded stay so")
    .argument("<anchor>", "name or id")
    .addHelpText("after", example("hatchery trust remove acme"))
    .action(async (anchor: string, _: unknown, command: Command) => {
      const invocation = invocationOf(command);
      const removed = await tenantApi(invocation).remove<{ readonly id: string }>(`/anchors/${segment(anchor)}`);
      if (invocation.json) return printJson(removed);
      print(printable(`${anchor} is trusted no more`));
    });
}

async function list(limit: number, invocation: Invocation): Promise<void> {
  const listing = await tenantApi(invocation).list<Anchor>("/anchors", limit);
  if (invocation.json) return printJson(listing);
  if (listing.items.length === 0)
    return print("no manufacturer is trusted; add one with: hatchery trust add FILE --name NAME");
  const { table } = await import("./table.ts");
  const rows = listing.items.map(({ name, subject, notAfter, id }) => [name, brief(subject), shortTime(notAfter), id]);
  print(table(["name", "subject", "until", "id"], rows, { wraps: ["subject", "until"] }));
  if (listing.more) print(`only the first ${limit} are shown; see more with --limit`);
}
