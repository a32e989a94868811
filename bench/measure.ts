import { readdirSync, readFileSync } from "node:fs";

/**
 * CPU time that all threads of a process have used, in microseconds, user and system together; exact while the process
 * waits. Linux only; throws when there is no such process.
 */
export function cpuTimeOf(pid: number): number {
  const threads = `/proc/${pid}/task`;
  let nanoseconds = 0;
  // `schedstat` counts nanoseconds, where `stat` counts ticks of 10 ms.
  for (const thread of readdirSync(threads))
    nanoseconds += Number(readFileSync(`${threads}/${thread}/schedstat`, "utf8").split(" ")[0]);
  return nanoseconds / 1000;
}

/** CPU microseconds of this process for one call of `work`, which is called `count` times. */
export function cpuTimeFor(count: number, work: () => void): number {
  const before = process.cpuUsage();
  for (let index = 0; index < count; index += 1) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

/** The value in the middle, or the mean of the two that are; of an empty list NaN. */
export function median(values: readonly number[]): number {
  const half = (values.length - 1) / 2;
  const sorted = values.toSorted((a, b) => a - b);
  return ((sorted[Math.floor(half)] ?? Number.NaN) + (sorted[Math.ceil(half)] ?? Number.NaN)) / 2;
}

/** The smallest value that `share` of all values do not exceed (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Calls `work` for each item, `width` of them at any time; the first failure ends it. */
export async function inFlight<Item>(
  items: readonly Item[],
  width: number,
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) await work(item, index);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** Lines of a table in Markdown; numbers stand on the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, column) => (column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}
