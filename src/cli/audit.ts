import type { Command } from "commander";
import type { AuditEntry, AuditHead, AuditSection } from "./answers.ts";
import { type Api, tenantApi } from "./api.ts";
import { detailText } from "./details.ts";
import { CliError } from "./errors.ts";
import { brief, shortTime } from "./format.ts";
import { count, example, type Invocation, invocationOf } from "./options.ts";
import { notice, print, printJson } from "./output.ts";

/** `hatchery audit list|verify|export`: who did what and why, and whether anybody has changed it since. */
export function addAudit(program: Command): void {
  const audit = program
    .command("audit")
    .description("who did what and why, each line chained to the one before by its hash")
    .addHelpText("after", example("hatchery audit list --limit 10", "hatchery audit verify"));

  audit
    .command("list")
    .description("list the newest lines of the audit")
    .option("--limit <number>", "list so many at most", count, 50)
    .addHelpText("after", example("hatchery audit list --limit 10"))
    .action(async ({ limit }: { readonly limit: number }, command: Command) => list(limit, invocationOf(command)));

  audit
    .command("verify")
    .description("check the chain from its first line, of the service or of an exported file")
    .option("--head <number:hash>", "a line that was noted earlier, which the chain has to hold")
    .option("--file <file>", "an exported audit, instead of the service's; needs no service")
    .addHelpText(
      "after",
      `\nThe service notes the newest line in its data directory, and verify compares it.
Keep a head elsewhere as well: whoever can change the database and that
directory could make the whole chain anew.\n${example(
        "hatchery audit verify",
        "hatchery audit verify --head $(cat head-of-monday)",
        "hatchery audit verify --file audit.jsonl",
      )}`,
    )
    .action(async (options: VerifyOptions, command: Command) => verify(options, invocationOf(command)));

  audit
    .command("export")
    .description("write the whole audit, the oldest line first, one JSON object in a line")
    .option("--out <file>", "write to this file instead of the standard output")
    .addHelpText("after", example("hatchery audit export --out audit.jsonl"))
    .action(async ({ out }: { readonly out?: string }, command: Command) => exportTo(out, invocationOf(command)));
}

interface VerifyOptions {
  readonly head?: string;
  readonly file?: string;
}

async function list(limit: number, invocation: Invocation): Promise<void> {
  const listing = await tenantApi(invocation).list<AuditEntry>("/audit", limit);
  if (invocation.json) return printJson(listing);
  if (listing.items.length === 0) return print(`the audit of the tenant ${invocation.tenant} is empty`);
  const { table } = await import("./table.ts");
  const rows = listing.items.map(({ sequence, at, actor, action, subject, detail }) => [
    String(sequence),
    shortTime(at),
    actor,
    action,
    brief(subject),
    detailText(detail),
  ]);
  print(table(["line", "when", "who", "did", "what", "why"], rows, { wraps: ["when", "did", "what", "why"] }));
  if (listing.more)
    print(`only the newest ${limit} are shown; see more with --limit, or all with: hatchery audit export`);
}

/** How far a chain holds, and what is wrong with it. */
interface Verdict {
  readonly head: AuditHead;
  readonly broken?: AuditSection["broken"];
  /** A line that was noted and is not there. */
  readonly lost?: AuditHead;
}

async function verify({ head, file }: VerifyOptions, invocation: Invocation): Promise<void> {
  const noted = head === undefined ? undefined : parseHead(head);
  const verdict = file === undefined ? await verifyService(noted, invocation) : await verifyFile(file, noted);
  const sentence = complaint(verdict, file ?? `the tenant ${invocation.tenant}`);
  if (sentence !== undefined) throw new CliError("audit-broken", sentence);
  const { sequence, hash } = verdict.head;
  if (invocation.json) return printJson({ verified: sequence, head: verdict.head });
  if (sequence === 0) return print("the audit is empty");
  print(`the chain holds: ${sequence} ${sequence === 1 ? "line" : "lines"}\nhead: ${sequence}:${hash}`);
}

function complaint({ head, broken, lost }: Verdict, what: string): string | undefined {
  if (broken !== undefined) {
    const { sequence, kind } = broken;
    const found = kind === "missing" ? `line ${sequence} is missing` : `line ${sequence} is not as it was written`;
    return `the audit of ${what} was changed: ${found}; the ${head.sequence} before it hold. Compare with a backup or an export.`;
  }
  if (lost === undefined) return undefined;
  return `the audit of ${what} does not hold line ${lost.sequence} as it was noted: its end was cut off, it was made anew, or the database is an older backup. Compare with a backup or an export.`;
}

async function verifyService(noted: AuditHead | undefined, invocation: Invocation): Promise<Verdict> {
  const api = tenantApi(invocation);
  let head: AuditHead = { sequence: 0, hash: "" };
  for (;;) {
    const { sequence, hash } = head;
    const section = await api.get<AuditSection>("/audit/verification", { sequence, hash });
    head = section.head;
    if (section.broken !== undefined) return { head, broken: section.broken };
    if (section.done) {
      if (noted !== undefined && !(await holds(api, noted, head))) return { head, lost: noted };
      return section.noted === undefined || section.noted.holds ? { head } : { head, lost: section.noted };
    }
    if (process.stderr.isTTY && head.sequence % progressLines === 0) notice(`${head.sequence} lines hold`);
  }
}

async function holds(api: Api, noted: AuditHead, end: AuditHead): Promise<boolean> {
  if (noted.sequence > end.sequence) return false;
  return (await api.get<AuditHead>(`/audit/heads/${noted.sequence}`)).hash === noted.hash;
}

async function verifyFile(file: string, noted: AuditHead | undefined): Promise<Verdict> {
  const { auditLines } = await import("./audit-file.ts");
  const { brokenLink, emptyChain } = await import("../store/audit-chain.ts");
  let head = emptyChain;
  let passed = noted === undefined;
  for await (const line of auditLines(file)) {
    const kind = brokenLink(head, { ...line, detail: JSON.stringify(line.detail) });
    if (kind !== undefined) return { head, broken: { sequence: head.sequence + 1, kind } };
    head = { sequence: line.sequence, hash: line.hash };
    if (head.sequence === noted?.sequence) passed = head.hash === noted.hash;
  }
  return noted === undefined || passed ? { head } : { head, lost: noted };
}

async function exportTo(out: string | undefined, invocation: Invocation): Promise<void> {
  const { exportAudit } = await import("./audit-file.ts");
  const { sequence, hash } = await exportAudit(tenantApi(invocation), out);
  if (invocation.json && out !== undefined) return printJson({ lines: sequence, head: { sequence, hash } });
  notice(sequence === 0 ? "the audit is empty" : `wrote ${sequence} lines; head: ${sequence}:${hash}`);
}

function parseHead(text: string): AuditHead {
  const [, sequence, hash] = /^([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (sequence === undefined || hash === undefined)
    throw new CliError("usage", "--head is the number of a line, a colon, and its hash of 64 hexadecimal digits.");
  return { sequence: Number(sequence), hash };
}

const progressLines = 50_000;
