import type { ComparisonRow } from "../knowledge/compare.ts";
import { printable, wrap } from "./format.ts";
import { json } from "./output.ts";
import { table } from "./table.ts";

export const comparisonFormats = ["table", "json", "csv", "md", "html"] as const;
export type ComparisonFormat = (typeof comparisonFormats)[number];

/**
 * The comparison of variants in one format, ending in a line feed; every format has the same rows and columns. A table is
 * wrapped to `columns` of the terminal.
 */
export function renderComparison(
  rows: readonly ComparisonRow[],
  format: ComparisonFormat,
  columns = Number.POSITIVE_INFINITY,
): string {
  switch (format) {
    case "table":
      return asTable(rows, columns);
    case "json":
      return `${json({ rows })}\n`;
    case "csv":
      return asCsv(rows);
    case "md":
      return asMarkdown(rows);
    case "html":
      return asHtml(rows);
  }
}

interface Column {
  readonly title: string;
  readonly cell: (row: ComparisonRow) => string;
}

const variant: Column = { title: "variant", cell: (row) => row.variant };

const declared: readonly Column[] = [
  { title: "device starts with", cell: ({ initial }) => initial.replaceAll("-", " ") },
  { title: "gains", cell: ({ outcome }) => outcome.join(", ") || "-" },
  {
    title: "factory",
    cell: ({ manufacturerBurden }) =>
      manufacturerBurden === undefined ? "-" : (factory[manufacturerBurden] ?? String(manufacturerBurden)),
  },
  {
    title: "person",
    cell: ({ userActions }) => userActions.map((action) => action.replaceAll("-", " ")).join(", ") || "-",
  },
];

const measured: readonly Column[] = [
  { title: "messages", cell: (row) => `${row.declaredMessages ?? "?"} / ${figure(row.measured?.messages)}` },
  { title: "bytes", cell: (row) => figure(row.measured?.bytes) },
  {
    title: "pk ops",
    cell: ({ measured }) =>
      measured === undefined
        ? "-"
        : `${measured.devicePublicKeyOperations} / ${measured.coordinatorPublicKeyOperations}`,
  },
  { title: "ms", cell: (row) => figure(row.measured?.milliseconds) },
  {
    title: "runs",
    cell: (row) =>
      row.status === "declared-only" ? "declared only" : `${row.measured?.runs ?? 0} / ${row.measured?.checked ?? 0}`,
  },
  {
    title: "disagreements",
    cell: (row) =>
      (row.measured?.checked ?? 0) === 0 || row.status === "not-declared" ? "-" : String(row.disagreements.length),
  },
];

const columns: readonly Column[] = [variant, ...declared, ...measured];

const legend = [
  "Figures are medians of granted runs. Messages: declared least / measured. Public-key operations: device / server.",
  "Runs: granted / recorded at both ends; only the latter are held against the survey, sentence by sentence.",
];

/** What the manufacturer has to do for each device, by the survey's degrees. */
const factory: readonly string[] = [
  "nothing",
  "an identifier",
  "a secret or key with a label",
  "a factory PKI",
  "a factory PKI and an online service",
];

function asTable(rows: readonly ComparisonRow[], columns: number): string {
  // Two tables one above the other: all columns beside each other would fit no usual terminal.
  const block = (shown: readonly Column[]) =>
    table(
      shown.map(({ title }) => title),
      rows.map((row) => shown.map(({ cell }) => cell(row))),
      { wraps: declared.map(({ title }) => title), columns },
    );
  const sentences = disagreements(rows).map(([name, sentence]) =>
    wrap(`${name}: ${printable(sentence)}`, columns - 2)
      .map((line) => `  ${line}\n`)
      .join(""),
  );
  return [
    block([variant, ...declared]),
    block([variant, ...measured]),
    legend
      .flatMap((line) => wrap(line, columns))
      .map((line) => `${line}\n`)
      .join(""),
    ...(sentences.length === 0 ? [] : [`Disagreements:\n${sentences.join("")}`]),
  ].join("\n");
}

/** RFC 4180, with one more column for the disagreements themselves. */
function asCsv(rows: readonly ComparisonRow[]): string {
  const lines = rows.map((row) => [...cells(row), row.disagreements.join("; ")]);
  return [[...columns.map(({ title }) => title), "sentences"], ...lines]
    .map((line) => `${line.map(csvField).join(",")}\r\n`)
    .join("");
}

/** One field of RFC 4180. A field that a spreadsheet would take for a formula is made text. */
export function csvField(text: string): string {
  const inert = /^[=+@\t\r]|^-./.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}

function asMarkdown(rows: readonly ComparisonRow[]): string {
  const line = (parts: readonly string[]) => `| ${parts.map(markdownCell).join(" | ")} |\n`;
  const sentences = disagreements(rows).map(([name, sentence]) => `- ${markdownCell(`${name}: ${sentence}`)}\n`);
  const head = line(columns.map(({ title }) => title)) + line(columns.map(() => "---"));
  const body = rows.map((row) => line(cells(row))).join("");
  return `${head}${body}\n${legend.join(" ")}\n${sentences.length === 0 ? "" : `\nDisagreements:\n\n${sentences.join("")}`}`;
}

function markdownCell(text: string): string {
  return printable(text).replace(/[\\|<>`*_[\]]/g, "\\$&");
}

function asHtml(rows: readonly ComparisonRow[]): string {
  const line = (tag: "th" | "td", parts: readonly string[]) =>
    `<tr>${parts.map((part) => `<${tag}>${escaped(part)}</${tag}>`).join("")}</tr>\n`;
  const sentences = disagreements(rows).map(([name, sentence]) => `<li>${escaped(`${name}: ${sentence}`)}</li>\n`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Comparison of onboarding protocols</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #ccc; padding: 0.3rem 0.8rem 0.3rem 0; text-align: left; vertical-align: top; }
</style>
</head>
<body>
<h1>Comparison of onboarding protocols</h1>
<table>
<thead>
${line(
  "th",
  columns.map(({ title }) => title),
)}</thead>
<tbody>
${rows.map((row) => line("td", cells(row))).join("")}</tbody>
</table>
<p>${escaped(legend.join(" "))}</p>
${sentences.length === 0 ? "" : `<h2>Disagreements</h2>\n<ul>\n${sentences.join("")}</ul>\n`}</body>
</html>
`;
}

function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

const entities: { readonly [character: string]: string } = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function cells(row: ComparisonRow): string[] {
  return columns.map(({ cell }) => cell(row));
}

function disagreements(rows: readonly ComparisonRow[]): readonly (readonly [variant: string, sentence: string])[] {
  return rows.flatMap(({ variant, disagreements }) => disagreements.map((sentence) => [variant, sentence] as const));
}

function figure(value: number | undefined): string {
  return value === undefined ? "-" : String(value);
}
