import type { Command } from "commander";
import type { CaImportReport } from "../service/ca-import.ts";
import { tenantApi } from "./api.ts";
import { certificatesFrom, privateKeyFrom } from "./ca-files.ts";
import { printable, shortTime } from "./format.ts";
import { example, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery ca import`: an issuing CA that was made elsewhere becomes the tenant's. */
export function addCaImport(ca: Command): void {
  ca.command("import")
    .description("let an issuing CA that was made elsewhere issue from now on; the one before retires")
    .requiredOption("--cert <file>", "its certificate in PEM or DER")
    .requiredOption("--key <file>", "its private key in PEM, perhaps encrypted, or a pkcs11: URI of a key in the HSM")
    .option("--chain <file>", "its issuers up to the root, in PEM; may stand in the file of the certificate as well")
    .option("--passphrase-file <file>", "read the key's passphrase from the first line of a file")
    .option("--dry-run", "only tell what would happen", false)
    .addHelpText(
      "after",
      example(
        "hatchery ca import --cert issuing.pem --key issuing.key --chain chain.pem --dry-run",
        "hatchery ca import --cert issuing.pem --key 'pkcs11:token=ca;object=issuing' --chain chain.pem",
      ),
    )
    .action(async (options: ImportOptions, command: Command) => {
      const invocation = invocationOf(command);
      const { cert, key, chain, dryRun } = options;
      const report = await tenantApi(invocation).post<CaImportReport>("/ca/import", {
        certificate: await certificatesFrom(cert),
        ...(chain === undefined ? {} : { chain: await certificatesFrom(chain) }),
        key: key.startsWith("pkcs11:")
          ? { reference: key }
          : { pem: await privateKeyFrom(key, options.passphraseFile) },
        dryRun,
      });
      if (invocation.json) return printJson(report);
      print(sentences(report, dryRun).map(printable).join("\n"));
    });
}

interface ImportOptions {
  readonly cert: string;
  readonly key: string;
  readonly chain?: string;
  readonly passphraseFile?: string;
  readonly dryRun: boolean;
}

function sentences({ issuing, issuers, retires, followed }: CaImportReport, dryRun: boolean): readonly string[] {
  const would = dryRun ? "would issue" : "issues";
  return [
    `${issuing.subject} ${would} from now on (until ${shortTime(issuing.notAfter)})`,
    ...issuers.map(({ subject, notAfter }) => `  below ${subject} (until ${shortTime(notAfter)})`),
    `${retires.subject} ${dryRun ? "would retire" : "is retired"}; what it issued stays good`,
    followed
      ? "devices that trust the former root are led to the new one"
      : "devices that trust the former root alone cannot follow; give them the new root as a trust anchor: hatchery ca export",
    ...(dryRun ? ["nothing was changed"] : []),
  ];
}
