import Table from "cli-table3";
import { printable } from "./format.ts";

/**
 * A compact table in plain text without borders or colours, each line without trailing spaces, ending in a line feed.
 * A column with a width in `widths` wraps its text at words; the others are as wide as their longest cell.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  widths: readonly (number | null)[] = [],
): string {
  const drawn = new Table({
    head: head.map(printable),
    chars: noBorders,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2, compact: true },
    colWidths: [...widths],
    wordWrap: true,
  });
  for (const row of rows) drawn.push(row.map(printable));
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
