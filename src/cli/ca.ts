import type { Command } from "commander";
import type { CaCertificates } from "./answers.ts";
import { tenantApi } from "./api.ts";
import { writeText } from "./files.ts";
import { example, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery ca export`: the certificate that devices and their users are told to trust. */
export function addCa(program: Command): void {
  program
    .command("ca")
    .description("the tenant's certificate authority")
    .command("export")
    .description("print a certificate of the CA in PEM: the root, which devices take as their trust anchor")
    .option("--issuing", "the issuing CA's certificate instead of the root's")
    .option("--out <file>", "write it to a file")
    .addHelpText("after", example("hatchery ca export --out anchor.pem"))
    .action(async (options: ExportOptions, command: Command) => {
      const invocation = invocationOf(command);
      const name = options.issuing === true ? "issuing" : "root";
      const pem = (await tenantApi(invocation).get<CaCertificates>("/ca"))[name];
      if (options.out !== undefined) await writeText(options.out, pem, publicFile);
      if (invocation.json) return printJson({ name, pem, ...(options.out === undefined ? {} : { out: options.out }) });
      print(options.out === undefined ? pem : `the ${name} CA's certificate is in ${options.out}`);
    });
}

interface ExportOptions {
  readonly issuing?: boolean;
  readonly out?: string;
}

/** A certificate is for everybody to read. */
const publicFile = 0o644;
