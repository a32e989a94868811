import { type Command, InvalidArgumentError, Option } from "commander";

/** What every command knows from the options that all of them share. */
export interface Invocation {
  /** Data directory of the service. */
  readonly data: string;
  readonly tenant: string;
  readonly json: boolean;
}

/** Adds the options that stand before or behind the name of any command. */
export function addSharedOptions(program: Command): void {
  program
    .addOption(new Option("--data <directory>", "data directory of the service").env("HATCHERY_DATA").default("./data"))
    .option("--tenant <name>", "tenant to work on", "default")
    .option("--json", "print JSON for programs", false);
}

/** The shared options as given for `command`. */
export function invocationOf(command: Command): Invocation {
  const { data, tenant, json } = command.optsWithGlobals<Invocation>();
  return { data, tenant, json };
}

/** The tail of a command's help: how it is typed. */
export function example(...lines: readonly string[]): string {
  return `\nExample${lines.length === 1 ? "" : "s"}:\n${lines.map((line) => `  $ ${typed(line)}`).join("\n")}\n`;
}

/** An option's value from 0 to 65535. */
export function port(text: string): number {
  return integer(text, 0, 65_535, "a port is a number from 0 to 65535");
}

/** An option's value from 1 to a million. */
export function count(text: string): number {
  return integer(text, 1, 1_000_000, "give a whole number from 1 to 1000000");
}

/** An option's value in whole seconds, up to 30 days. */
export function seconds(text: string): number {
  return integer(text, 0, 30 * 24 * 3600, "give a number of seconds from 0 to 2592000");
}

/** An option's value in whole days, up to a hundred years. */
export function days(text: string): number {
  return integer(text, 0, 36_525, "give a number of days from 0 to 36525");
}

/** A command as a shell takes it, on several lines when it is long, broken before its options. */
function typed(command: string): string {
  const [first = "", ...options] = command.split(/ (?=--)/);
  const lines = [first];
  for (const option of options) {
    const longer = `${lines.at(-1)} ${option}`;
    if (longer.length <= longestExample) lines[lines.length - 1] = longer;
    else lines.push(`   ${option}`);
  }
  return lines.join(" \\\n   ");
}

function integer(text: string, least: number, most: number, sentence: string): number {
  const value = Number(text);
  if (!/^\d{1,7}$/.test(text) || value < least || value > most) throw new InvalidArgumentError(`${sentence}.`);
  return value;
}

/** With what stands before and behind it, a line of 80 columns. */
const longestExample = 72;
