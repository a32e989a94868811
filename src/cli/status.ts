import type { Command } from "commander";
import type { Status } from "./answers.ts";
import { serviceApi } from "./api.ts";
import { duration, printable, shortTime } from "./format.ts";
import { example, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery status`: what runs, since when, and where devices reach it. */
export function addStatus(program: Command): void {
  program
    .command("status")
    .description("show what runs and where devices reach it")
    .addHelpText("after", example("hatchery status"))
    .action(async (_: unknown, command: Command) => {
      const invocation = invocationOf(command);
      const status = await serviceApi(invocation).get<Status>("/status");
      if (invocation.json) return printJson(status);
      const { table } = await import("./table.ts");
      const { version, started, data, database, databaseProblem, listeners, publication } = status;
      print(
        `hatchery ${version}, running for ${duration(Date.now() - started)} (since ${shortTime(started)}) on ${data}`,
      );
      print(`database ${database}`);
      if (databaseProblem !== undefined) print(printable(`  cannot be used now: ${databaseProblem}`));
      print(`CRLs and OCSP at ${publication}\n\n`);
      print(
        table(
          ["tenant", "protocol", "url"],
          listeners.map(({ tenant, protocol, url }) => [tenant, protocol, url]),
        ),
      );
    });
}
