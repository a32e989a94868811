import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A block of code in a page of the documentation. */
export interface Sample {
  /** `sh` blocks are run in a shell, `ts` blocks by Node; others are for reading. */
  readonly language: string;
  readonly text: string;
  /** The heading above it and its number on the page, for the name of its test. */
  readonly name: string;
}

/** The fenced blocks of a page of this repository, in their order. */
export function samplesIn(page: string): readonly Sample[] {
  const samples: Sample[] = [];
  let heading = "";
  let open: { readonly language: string; readonly lines: string[] } | undefined;
  for (const line of readFileSync(`${root}${page}`, "utf8").split("\n")) {
    const fence = /^```(\w*)$/.exec(line);
    if (open !== undefined && fence !== null) {
      const name = `${page}, ${heading}, block ${samples.length + 1}`;
      samples.push({ language: open.language, text: open.lines.join("\n"), name });
      open = undefined;
    } else if (open !== undefined) open.lines.push(line);
    else if (fence !== null) open = { language: fence[1] ?? "", lines: [] };
    else heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
  }
  return samples;
}

export const root = fileURLToPath(new URL("../../", import.meta.url));
