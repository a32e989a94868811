import Table from "cli-table3";
import { brief, printable } from "./format.ts";

/**
 * A compact table in plain text without borders or colours, each line without trailing spaces, ending in a line feed.
 * A column with a width in `widths` wraps its text at words, as a whole. The others are as wide as their longest cell, of
 * which no more is shown than `brief` shows: most of them hold what a stranger wrote.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  widths: readonly (number | null)[] = [],
): string {
  const shown = (cell: string, column: number) => (typeof widths[column] === "number" ? printable(cell) : brief(cell));
  const drawn = new Table({
    head: head.map(shown),
    chars: noBorders,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2, compact: true },
    colWidths: [...widths],
    wordWrap: true,
  });
  for (const row of rows) drawn.push(row.map(shown));
  const lines = drawn.toString().split("\n");
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

const noBorders = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "",
};
