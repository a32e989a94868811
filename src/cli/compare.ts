import { type Command, Option } from "commander";
import type { Comparison } from "./answers.ts";
import { tenantApi } from "./api.ts";
import type { ComparisonFormat } from "./comparison.ts";
import { example, invocationOf } from "./options.ts";
import { outputColumns, print } from "./output.ts";

/** `hatchery compare`: the survey's comparison from declared facts and measured runs. */
export function addCompare(program: Command): void {
  program
    .command("compare")
    .description("compare the onboarding protocols: what is declared, what was measured, where the two disagree")
    .addOption(
      new Option("--format <format>", "how to print it")
        .choices(["table", "json", "csv", "md", "html"])
        .default("table"),
    )
    .addHelpText("after", example("hatchery compare --tenant demo", "hatchery compare --format html > comparison.html"))
    .action(async ({ format }: { readonly format: ComparisonFormat }, command: Command) => {
      const invocation = invocationOf(command);
      const { rows } = await tenantApi(invocation).get<Comparison>("/comparison");
      const { renderComparison } = await import("./comparison.ts");
      print(renderComparison(rows, invocation.json ? "json" : format, outputColumns(Number.POSITIVE_INFINITY)));
    });
}
