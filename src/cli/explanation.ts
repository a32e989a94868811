import type { Explanation, Finding } from "../pki/explain-model.ts";
import { printable } from "./format.ts";

/** An explanation as indented text of at most `columns` columns, as far as its words allow, ending in a line feed. */
export function explanationText(name: string, explanation: Explanation, columns: number): string {
  const width = Math.min(Math.max(columns, narrowest), widest);
  const lines = explained(explanation, printable(name), width, "");
  return `${lines.join("\n")}\n`;
}

function explained(explanation: Explanation, title: string, width: number, indent: string): readonly string[] {
  const { summary, fields, findings, children } = explanation;
  const inner = `${indent}  `;
  const nameWidth = Math.max(
    0,
    ...fields.map(({ name }) => name.length),
    ...findings.map(({ severity }) => severity.length),
  );
  const entry = (name: string, text: string) => hanging(`${inner}${name.padEnd(nameWidth)}  `, text, width);
  return [
    ...hanging(`${indent}${title}: `, summary, width, inner),
    ...fields.flatMap(({ name, values }) => values.flatMap((value, index) => entry(index === 0 ? name : "", value))),
    ...findings.flatMap((finding) => entry(finding.severity, findingText(finding))),
    ...children.flatMap((child, index) => ["", ...explained(child, `${index + 1}`, width, `${indent} `)]),
  ];
}

function findingText({ code, text, offset }: Finding): string {
  return `${text}${offset === undefined ? "" : ` At octet ${offset}.`} (${code})`;
}

/** Text behind `head`, broken at spaces, its further lines below where it began or behind `rest`. */
function hanging(head: string, text: string, width: number, rest = " ".repeat(head.length)): readonly string[] {
  const lines: string[] = [];
  let line = head;
  let isEmpty = true;
  for (const word of printable(text).split(" ")) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = rest;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line.trimEnd()];
}

/** Narrower, fingerprints would be all that there is; wider, nobody finds the next line. */
const narrowest = 60;
const widest = 100;
