import { existsSync } from "node:fs";
import { type Command, Option } from "commander";
import { operatorReasons } from "../service/ca-reasons.ts";
import type { Certificate, ListedCertificate } from "./answers.ts";
import { segment, tenantApi } from "./api.ts";
import { CliError } from "./errors.ts";
import { readSmallFile } from "./files.ts";
import { brief, shortTime } from "./format.ts";
import { count, days, example, type Invocation, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery ca certificates|revoke|unrevoke`: what the CA has issued, and what is no longer good of it. */
export function addCaCertificates(ca: Command): void {
  ca.command("certificates")
    .description("list the certificates that have not expired, those that end first at the top")
    .option("--device <device>", "only those of one device: its id, serial number or name")
    .option("--expiring <days>", "only those that end within so many days", days)
    .option("--by <ca>", "only those of one CA, such as issuing-1")
    .addOption(
      new Option(
        "--current",
        "only those that are neither revoked nor replaced by a newer one of their device",
      ).conflicts("revoked"),
    )
    .option("--revoked", "only those that are revoked")
    .option("--limit <number>", "list so many at most", count, 100)
    .addHelpText(
      "after",
      example(
        "hatchery ca certificates --expiring 30",
        "hatchery ca certificates --device sensor-7",
        "hatchery ca certificates --by issuing-1 --current",
      ),
    )
    .action(async (options: ListOptions, command: Command) => list(options, invocationOf(command)));

  ca.command("revoke")
    .description("revoke a certificate, or all current certificates of a device")
    .argument("[certificate]", "serial number, or file of the certificate in PEM")
    .option("--device <device>", "all that the device has and could use: its id, serial number or name")
    .addOption(
      new Option("--reason <reason>", "why (RFC 5280 5.3.1); certificateHold can be lifted")
        .choices(operatorReasons)
        .makeOptionMandatory(),
    )
    .addHelpText(
      "after",
      example(
        "hatchery ca revoke 5d1c20ab77e0f4935d1c20ab77e0f493 --reason superseded",
        "hatchery ca revoke --device sensor-7 --reason keyCompromise",
      ),
    )
    .action(async (certificate: string | undefined, options: RevokeOptions, command: Command) =>
      revoke(certificate, options, invocationOf(command)),
    );

  ca.command("unrevoke")
    .description("lift the hold of a certificate that was revoked with the reason certificateHold")
    .argument("<serial>", "serial number")
    .addHelpText("after", example("hatchery ca unrevoke 5d1c20ab77e0f4935d1c20ab77e0f493"))
    .action(async (serial: string, _: unknown, command: Command) => {
      const invocation = invocationOf(command);
      const lifted = await tenantApi(invocation).remove<Certificate>(`/ca/revocations/${segment(serial)}`);
      if (invocation.json) return printJson(lifted);
      print(`the certificate ${lifted.serial} of ${brief(lifted.subject)} is good again`);
    });
}

interface ListOptions {
  readonly device?: string;
  readonly expiring?: number;
  readonly revoked?: boolean;
  readonly by?: string;
  readonly current?: boolean;
  readonly limit: number;
}

interface RevokeOptions {
  readonly device?: string;
  readonly reason: string;
}

async function list(
  { device, expiring, revoked, by, current, limit }: ListOptions,
  invocation: Invocation,
): Promise<void> {
  const set = (flag: boolean | undefined) => (flag === true ? "true" : undefined);
  const query = { device, expiring, revoked: set(revoked), by, current: set(current) };
  const listing = await tenantApi(invocation).list<ListedCertificate>("/ca/certificates", limit, query);
  if (invocation.json) return printJson(listing);
  if (listing.items.length === 0) return print("no certificate is so");
  const { table } = await import("./table.ts");
  const notes = listing.items.map(noteOf);
  const anyNote = notes.some((note) => note !== "");
  const rows = listing.items.map(({ serial, subject, profile, authority, notAfter }, index) => [
    serial,
    brief(subject),
    profile,
    authority,
    shortTime(notAfter),
    ...(anyNote ? [notes[index] ?? ""] : []),
  ]);
  const head = ["serial number", "subject", "profile", "by", "until", ...(anyNote ? ["note"] : [])];
  print(table(head, rows, { wraps: ["subject", "until", "note"] }));
  if (listing.more) print(`only the first ${limit} are shown; see more with --limit`);
}

/** Why a certificate that has not expired is of no use, or of none any more. */
function noteOf({ revocation, replaced, caEnded }: ListedCertificate): string {
  const revoked = revocation && `${revocation.reason} ${shortTime(revocation.at)}`;
  return [revoked, caEnded && "CA ended", replaced && "replaced"].filter(Boolean).join(", ");
}

async function revoke(
  certificate: string | undefined,
  { device, reason }: RevokeOptions,
  invocation: Invocation,
): Promise<void> {
  if ((certificate === undefined) === (device === undefined))
    throw new CliError("usage", "name a certificate, or a device with --device");
  const which = device === undefined ? await chosen(certificate ?? "") : { kind: "device", device };
  const { revoked } = await tenantApi(invocation).post<{ readonly revoked: readonly Certificate[] }>(
    "/ca/revocations",
    { which, reason },
  );
  if (invocation.json) return printJson({ revoked });
  for (const { serial, subject } of revoked) print(`revoked ${serial} of ${brief(subject)} for ${reason}`);
}

/** A serial number has nothing but hexadecimal digits, so a file can be told from it, and one of such a name by `./`. */
async function chosen(text: string): Promise<object> {
  if (/^[0-9A-Fa-f:\s]+$/.test(text)) return { kind: "serial", serial: text };
  if (!existsSync(text))
    throw new CliError("usage", `there is no file ${text}, nor is that a serial number in hexadecimal digits`);
  return { kind: "pem", pem: (await readSmallFile(text, longestFile)).toString("utf8") };
}

const longestFile = 65_536;
