import type { Command } from "commander";
import { serviceApi } from "./api.ts";
import { example, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery demo remove`: forgets what the first start made to have something to look at. */
export function addDemo(program: Command): void {
  program
    .command("demo")
    .description("the tenant that a first start fills with emulated devices")
    .command("remove")
    .description("forget the demo's devices, runs and keys")
    .addHelpText("after", example("hatchery demo remove"))
    .action(async (_: unknown, command: Command) => {
      const invocation = invocationOf(command);
      const removed = await serviceApi(invocation).remove<{ readonly removed: string }>("/demo");
      const { removeDemoFiles } = await import("../lab/demo.ts");
      // Beside the socket that was just used, so this is the service's own directory.
      await removeDemoFiles(invocation.data);
      if (invocation.json) return printJson(removed);
      print("the demo is forgotten");
    });
}
