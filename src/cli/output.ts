import { printable } from "./format.ts";

/** Writes text that a person reads to standard output. */
export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Writes one JSON value, indented, to standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${json(value)}\n`);
}

/** Writes one line to standard error: progress and errors, which must not mix with a result that is piped on. */
export function notice(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

/** Columns of the terminal; `elsewhere` when the output goes to a file or a pipe, or the terminal does not tell. */
export function outputColumns(elsewhere: number): number {
  return process.stdout.columns || elsewhere;
}

/** JSON with C1 controls and DEL escaped, which JSON lets stand and some terminals obey. */
export function json(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(
    /[\u007f-\u009f]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
