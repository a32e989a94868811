import type { Command } from "commander";
import type { CaCertificates } from "./answers.ts";
import { tenantApi } from "./api.ts";
import { addCaCertificates } from "./ca-certificates.ts";
import { addCaImport } from "./ca-import.ts";
import { addCaProfiles } from "./ca-profile.ts";
import { addCaRollover } from "./ca-rollover.ts";
import { addCaUpstream } from "./ca-upstream.ts";
import { CliError } from "./errors.ts";
import { writeText } from "./files.ts";
import { example, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery ca ...`: the tenant's certificate authority. */
export function addCa(program: Command): void {
  const ca = program
    .command("ca")
    .description("the tenant's certificate authority")
    .addHelpText("after", example("hatchery ca export --out anchor.pem", "hatchery ca certificates --expiring 30"));
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
    .option("--name <name>", "the certificate of this name in `hatchery ca rollover status`, such as the next root's")
    .option("--out <file>", "write it to a file")
    .addHelpText("after", example("hatchery ca export --out anchor.pem", "hatchery ca export --name root-2"))
    .action(async (options: ExportOptions, command: Command) => {
      const invocation = invocationOf(command);
      const { name, pem } = chosen(await tenantApi(invocation).get<CaCertificates>("/ca"), options);
      if (options.out !== undefined) await writeText(options.out, pem, publicFile);
      if (invocation.json) return printJson({ name, pem, ...(options.out === undefined ? {} : { out: options.out }) });
      print(options.out === undefined ? pem : `the ${name} CA's certificate is in ${options.out}`);
    });
}

function chosen({ root, issuing, authorities }: CaCertificates, options: ExportOptions) {
  const { name } = options;
  if (name === undefined)
    return options.issuing === true ? { name: "issuing", pem: issuing } : { name: "root", pem: root };
  const found = authorities.find((each) => each.name === name);
  if (found === undefined) {
    const names = authorities.map((each) => each.name).join(", ");
    throw new CliError("nothing-there", `the CA has no certificate ${name}; it has: ${names}`);
  }
  return found;
}

interface ExportOptions {
  readonly issuing?: boolean;
  readonly name?: string;
  readonly out?: string;
}

/** A certificate is for everybody to read. */
const publicFile = 0o644;
