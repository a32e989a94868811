import type { Command } from "commander";
import type { Device } from "./answers.ts";
import { tenantApi } from "./api.ts";
import { printable } from "./format.ts";
import { example, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery claim LABEL`: says that a device is ours before it has spoken. */
export function addClaim(program: Command): void {
  program
    .command("claim")
    .description("claim a device by what is printed on it")
    .argument("<label>", "serial number")
    .option("--issuer <name>", "the trusted manufacturer whose certificate has to prove the serial number")
    .addHelpText("after", example("hatchery claim SN-2031-0007", "hatchery claim SN-2031-0007 --issuer acme"))
    .action(async (label: string, { issuer }: { readonly issuer?: string }, command: Command) => {
      const invocation = invocationOf(command);
      const device = await tenantApi(invocation).post<Device>("/claims", { label, issuer });
      if (invocation.json) return printJson(device);
      print(printable(`claimed ${device.name} (device ${device.id}, ${device.lifecycle})`));
    });
}
