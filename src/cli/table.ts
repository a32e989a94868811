import Table from "cli-table3";
import { brief, printable, wrap } from "./format.ts";
import { outputColumns } from "./output.ts";

export interface TableOptions {
  /** Titles of the columns that give way: their text is shown whole, on several lines where there is no room for it. */
  readonly wraps?: readonly string[];
  /** Columns of the terminal, which it has when left out; in a file or a pipe a row is one line, however long. */
  readonly columns?: number;
}

/**
 * A compact table in plain text without borders or colours, each line without trailing spaces, ending in a line feed.
 * Columns that do not give way are as wide as their longest cell, of which no more is shown than `brief` shows: they hold
 * what has to be typed, and some of what a stranger wrote. So a table of many such columns is wider than a narrow terminal.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { wraps = [], columns = outputColumns(Number.POSITIVE_INFINITY) }: TableOptions = {},
): string {
  const givesWay = head.map((title) => wraps.includes(title));
  const shown = [head, ...rows].map((cells) =>
    cells.map((cell, column) => (givesWay[column] === true ? printable(cell) : brief(cell))),
  );
  const widths = fittingWidths(shown, givesWay, columns);
  const drawn = new Table({
    chars: noBorders,
    style: { head: [], border: [], "padding-left": 0, "padding-right": gap, compact: true },
  });
  for (const cells of shown)
    drawn.push(cells.map((cell, column) => wrap(cell, widths[column] ?? cell.length).join("\n")));
  const lines = drawn.toString().split("\n");
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

/** Widths by which the table fits, as far as the columns that give way allow: the widest first, and words whole if they can be. */
function fittingWidths(
  rows: readonly (readonly string[])[],
  givesWay: readonly boolean[],
  columns: number,
): readonly number[] {
  const longest = (column: number, lengthOf: (cell: string) => number) =>
    rows.reduce((most, cells) => Math.max(most, lengthOf(cells[column] ?? "")), 0);
  const shapes = givesWay.map((gives, column) => ({
    width: longest(column, (cell) => cell.length),
    word: gives ? longest(column, longestWord) : 0,
    gives,
  }));
  let excess = shapes.reduce((sum, { width }) => sum + width + gap, -gap) - columns;
  for (const leastOf of [({ word }: { readonly word: number }) => word, () => narrowest]) {
    for (; excess > 0; excess -= 1) {
      const wide = shapes.filter((shape) => shape.gives && shape.width > leastOf(shape));
      const [widest] = wide.sort((a, b) => b.width - a.width);
      if (widest === undefined) break;
      widest.width -= 1;
    }
  }
  return shapes.map(({ width }) => width);
}

function longestWord(cell: string): number {
  return cell.split(" ").reduce((most, word) => Math.max(most, word.length), 0);
}

const gap = 2;

/** A column that is narrower than this is harder to read than a line that the terminal breaks. */
const narrowest = 8;

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
