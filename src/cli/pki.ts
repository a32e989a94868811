import { type Command, InvalidArgumentError } from "commander";
import type { Explanation } from "../pki/explain-model.ts";
import { CliError } from "./errors.ts";
import { readSmallFile } from "./files.ts";
import { example, invocationOf } from "./options.ts";
import { notice, outputColumns, print, printJson } from "./output.ts";

/** `hatchery pki explain FILE...`: what certificates, requests, CRLs, CMS messages and keys say; needs no service. */
export function addPki(program: Command): void {
  program
    .command("pki")
    .description("look into certificates, requests, CRLs, CMS messages and keys; needs no service")
    .command("explain")
    .description("say in plain words what a file is and what is wrong with it")
    .argument("<file...>", "DER, PEM or base64, at most 10 MB each; - reads standard input")
    .option("--at <date>", "judge dates by this day or time in UTC, such as 2026-03-01", date)
    .option("--anchor <file>", "look for a path to the certificates in this file; may be given again", gathered, [])
    .option("--crl <file>", "look for revoked certificates in this CRL; may be given again", gathered, [])
    .addHelpText(
      "after",
      `\nEnds with 1 when anything is found that a strict reader refuses,\nwith 0 when there are warnings at most.\n${example(
        "hatchery pki explain device.pem",
        "hatchery pki explain chain.pem --anchor root.pem --crl ca.crl",
        "hatchery pki explain request.der --json",
      )}`,
    )
    .action(async (files: readonly string[], options: ExplainFlags, command: Command) => {
      const { json } = invocationOf(command);
      const { explain, hasError } = await import("../pki/explain.ts");
      const trust = await trustOf(options);
      const at = options.at ?? Date.now();
      const explained: { readonly file: string; readonly explanation: Explanation }[] = [];
      const unreadable: { readonly file: string; readonly error: CliError }[] = [];
      for (const file of files)
        try {
          explained.push({ file, explanation: explain(await content(file), { at, trust }) });
        } catch (error) {
          if (!(error instanceof CliError) || files.length === 1) throw error;
          unreadable.push({ file, error });
        }
      for (const { error } of unreadable) notice(`error: ${error.message}`);
      if (unreadable.length > 0) process.exitCode = 1;
      if (explained.some(({ explanation }) => hasError(explanation))) process.exitCode = 1;
      if (json)
        return printJson([
          ...unreadable.map(({ file, error: { code, message } }) => ({ file, error: { code, message } })),
          ...explained.map(({ file, explanation }) => ({ file, ...explanation })),
        ]);
      const { explanationText } = await import("./explanation.ts");
      print(explained.map((each) => explanationText(each.file, each.explanation, outputColumns(100))).join("\n"));
    });
}

interface ExplainFlags {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly at?: number;
  readonly anchor: readonly string[];
  readonly crl: readonly string[];
}

async function trustOf({ anchor, crl }: ExplainFlags) {
  const { trustIn } = await import("../pki/explain.ts");
  const anchors = await Promise.all(anchor.map(async (file) => ({ file, ...trustIn(await content(file)) })));
  const lists = await Promise.all(crl.map(async (file) => ({ file, ...trustIn(await content(file)) })));
  const empty =
    anchors.find((each) => each.anchors.length === 0)?.file ?? lists.find((each) => each.lists.length === 0)?.file;
  if (empty !== undefined)
    throw new CliError(
      "usage",
      `${empty} holds nothing of the kind that is wanted; see: hatchery pki explain ${empty}`,
    );
  if (anchors.length === 0 && lists.length > 0)
    throw new CliError("usage", "--crl needs --anchor: a CRL is believed only on a path to what is trusted");
  return { anchors: anchors.flatMap((each) => each.anchors), lists: lists.flatMap((each) => each.lists) };
}

async function content(file: string): Promise<Uint8Array> {
  if (file !== "-") return readSmallFile(file, largestFile);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > largestFile)
      throw new CliError("file-unreadable", `standard input cannot be read: it has more than ${largestFile} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function date(text: string): number {
  const milliseconds = datePattern.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(milliseconds))
    throw new InvalidArgumentError("give a day such as 2026-03-01, or 2026-03-01T14:05:00Z.");
  return milliseconds;
}

function gathered(file: string, files: readonly string[]): readonly string[] {
  return [...files, file];
}

const datePattern = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?Z)?$/;

/** A CRL of 250,000 entries; everything else is far smaller. */
const largestFile = 10_000_000;
