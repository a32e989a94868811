import { CliError } from "./errors.ts";
import { readSmallFile } from "./files.ts";

/** The first line of a file, without its line end; throws `file-unreadable`. */
export async function passwordFromFile(file: string): Promise<string> {
  return firstLine((await readSmallFile(file, longestFile)).toString("utf8"), file);
}

/** The first line of standard input, without its line end; throws `file-unreadable` when there is none. */
export async function passwordFromInput(): Promise<string> {
  let text = "";
  for await (const part of process.stdin.setEncoding("utf8")) {
    text += part;
    if (text.includes("\n") || text.length > longestFile) break;
  }
  return firstLine(text, "standard input");
}

function firstLine(text: string, source: string): string {
  const [line = ""] = text.split(/\r?\n/, 1);
  if (line === "")
    throw new CliError("file-unreadable", `the first line of ${source} is empty; write the password there`);
  return line;
}

const longestFile = 4096;
