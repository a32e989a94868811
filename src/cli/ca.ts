import type { Command } from "commander";
import type { CaCertificates } from "./answers.ts";
import { tenantApi } from "./api.ts";
import { addCaCertificates } from "./ca-certificates.ts";
import { addCaImport } from "./ca-import.ts";
import { addCaProfiles } from "./ca-profile.ts";
import { addCaRollover } from "./ca-rollover.ts";
import { addCaUpstream } from "./ca-upstream.ts";
import { writeText } from "./files.ts";
import { example, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery ca ...`: the tenant's certificate authority. */
export function addCa(program: Command): void {
  const ca = program.command("ca").description("the tenant's certificate authority");
  addCaExport(ca);
  addCaCertificates(ca);
  addCaProfiles(ca);
  addCaRollover(ca);
  addCaImport(ca);
  addCaUpstream(ca);
}

/** `hatchery ca export`: the certificate that devices and their users are told to trust. */
function addCaExport(ca: Command): void {
  ca.command("export")
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
