import { Argument, type Command, Option } from "commander";
import type { Rule } from "./answers.ts";
import { segment, tenantApi } from "./api.ts";
import { printable } from "./format.ts";
import { count, example, type Invocation, invocationOf } from "./options.ts";
import { notice, print, printJson } from "./output.ts";

/** `hatchery rule add|list|remove`: who is onboarded, who is refused, and who waits for a person. */
export function addRules(program: Command): void {
  const rule = program
    .command("rule")
    .description("rules that decide which devices are onboarded; the first that fits decides")
    .addHelpText("after", example("hatchery rule add allow --issuer acme", "hatchery rule list"));

  rule
    .command("add")
    .description("add a rule behind all others; it fits a device when all its options do")
    .addArgument(new Argument("<verdict>", "what to say to a device that it fits").choices(["allow", "deny", "wait"]))
    .addOption(
      new Option("--credential <kind>", "what the device shows").choices([
        "idevid",
        "ldevid",
        "password",
        "psk",
        "ra",
        "anonymous",
      ]),
    )
    .option("--issuer <name>", "the trusted manufacturer that vouches for it; * stands for any characters")
    .option("--serial <pattern>", "serial number that its credential proves; * stands for any characters")
    .option("--user <pattern>", "EST user whose password it proves as well; * stands for any characters")
    .option("--protocol <protocol>", "the protocol that it speaks, such as est")
    .option("--profile <name>", "the certificate profile that it asks for by a label; without a label it is device")
    .addHelpText(
      "after",
      example(
        "hatchery rule add allow --issuer acme --serial 'SN-2031-*'",
        "hatchery rule add wait --credential anonymous",
        "hatchery rule add allow --credential ra --profile device",
        "hatchery rule add allow --credential idevid --user 'line-*'",
        "hatchery rule add deny --credential password --profile gateways",
      ),
    )
    .action(
      async (verdict: string, { credential, issuer, serial, user, protocol, profile }: Match, command: Command) => {
        const invocation = invocationOf(command);
        const match = { credential, issuer, serial, user, protocol, profile };
        const added = await tenantApi(invocation).post<{ readonly id: string }>("/rules", { verdict, match });
        if (Object.values(match).every((condition) => condition === undefined))
          notice("this rule has no condition, so it fits every device");
        if (invocation.json) return printJson(added);
        print(`added rule ${added.id}; see their order with: hatchery rule list`);
      },
    );

  rule
    .command("list")
    .description("list the rules in the order in which they are tried")
    .option("--limit <number>", "list so many at most", count, 100)
    .addHelpText("after", example("hatchery rule list"))
    .action(async ({ limit }: { readonly limit: number }, command: Command) => list(limit, invocationOf(command)));

  rule
    .command("remove")
    .description("remove a rule")
    .argument("<rule>", "id of the rule")
    .addHelpText("after", example("hatchery rule remove 1f0a93c2"))
    .action(async (id: string, _: unknown, command: Command) => {
      const invocation = invocationOf(command);
      const removed = await tenantApi(invocation).remove<{ readonly id: string }>(`/rules/${segment(id)}`);
      if (invocation.json) return printJson(removed);
      print(printable(`removed rule ${removed.id}`));
    });
}

type Match = Readonly<Partial<Record<"credential" | "issuer" | "serial" | "user" | "protocol" | "profile", string>>>;

async function list(limit: number, invocation: Invocation): Promise<void> {
  const listing = await tenantApi(invocation).list<Rule>("/rules", limit);
  if (invocation.json) return printJson(listing);
  if (listing.items.length === 0) return print(builtIn);
  const { table } = await import("./table.ts");
  print(
    table(
      ["rule", "says"],
      listing.items.map(({ id, text }) => [id, text]),
      { wraps: ["says"] },
    ),
  );
  print(
    listing.more
      ? `only the first ${limit} are shown; see more with --limit`
      : "when no rule fits: claimed devices, users and own certificates are allowed, all others denied",
  );
}

const builtIn =
  "there are no rules: claimed devices, EST users and holders of own certificates are allowed, all others denied";
