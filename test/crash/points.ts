import { type Randomness, seededRandomness } from "../../src/core/randomness.ts";
import { type ServiceProcess, startUp } from "../system/hatchery.ts";

/** Where a process can be killed: around what makes a change last, and around what tells a device of it. */
export const points = [
  "hatchery:commit:before",
  "hatchery:commit:after",
  "hatchery:reply:before",
  "hatchery:reply:after",
] as const;
export type Point = (typeof points)[number];

export interface Kill {
  readonly point: Point;
  /** At the nth time since the process began. */
  readonly nth: number;
}

/** As many kills as asked for: every point equally often, in an order and at occurrences that `seed` decides. */
export function killsOf(seed: string, count: number): readonly Kill[] {
  const randomness = seededRandomness(seed);
  const deck = Array.from({ length: count }, (_, index) => points[index % points.length] as Point);
  return deck
    .map((point) => ({ point, nth: 1 + below(mostOccurrences, randomness), order: below(2 ** 24, randomness) }))
    .sort((a, b) => a.order - b.order)
    .map(({ point, nth }) => ({ point, nth }));
}

/** A service on `data` that will die where `kill` says; one that lives on without it. */
export function startDoomed(data: string, kill?: Kill): ServiceProcess {
  if (kill === undefined) return startUp(data);
  const preload = new URL("preload.ts", import.meta.url);
  return startUp(data, [], { preload, env: { HATCHERY_TEST_KILL: `${kill.point}#${kill.nth}` } });
}

function below(limit: number, randomness: Randomness): number {
  return Buffer.from(randomness.bytes(4)).readUInt32BE() % limit;
}

/** A start alone makes two commits, one device two replies and a commit: the kills spread over a few devices of each round. */
const mostOccurrences = 14;
