import type { FrameEvent, Run, RunEvent } from "./run.ts";
import type { Role } from "./vocabulary.ts";

/**
 * One run from the ledgers of its two ends. The nth frame of a name on one end is the nth of that name on the other; the
 * pair becomes one frame, and what each end noted between frames keeps its place. Clocks are not compared.
 */
export function mergeRuns(device: Run, other: Run): Run {
  const merged: RunEvent[] = [];
  let taken = 0;
  const takeUntil = (end: number) => {
    for (; taken < end; taken += 1) {
      const event = other.events[taken] as RunEvent;
      if (!toldByItself(event, device.recordedBy)) merged.push(event);
    }
  };
  const partners = pairFrames(device, other);
  for (const event of device.events) {
    const partner = event.kind === "frame" ? partners.get(event) : undefined;
    if (event.kind !== "frame" || partner === undefined) {
      merged.push(event);
      continue;
    }
    // The other end saw it earlier than its neighbours: it stands in the run already.
    if (partner < taken) continue;
    takeUntil(partner);
    taken = partner + 1;
    const seen = other.events[partner] as FrameEvent;
    merged.push({
      ...event,
      carries: [...new Set([...event.carries, ...seen.carries])],
      decoded: { ...seen.decoded, ...event.decoded },
    });
  }
  takeUntil(other.events.length);
  return {
    ...other,
    // Only the device knows how it came to trust the other end.
    variant: device.variant,
    started: Math.min(device.started, other.started),
    recordedBy: [...device.recordedBy, ...other.recordedBy],
    events: merged,
    omitted: device.omitted + other.omitted,
  };
}

/** What one end only inferred or declared of the other is left out when that one tells it itself. */
function toldByItself(event: RunEvent, recordedBy: readonly Role[]): boolean {
  if (event.kind === "fact") return event.evidence === "inferred" && recordedBy.includes(event.holder);
  return event.kind === "operation" && event.evidence === "declared";
}

function pairFrames(device: Run, other: Run): ReadonlyMap<FrameEvent, number> {
  const waiting = new Map<string, number[]>();
  other.events.forEach((event, index) => {
    if (event.kind !== "frame") return;
    const key = `${event.from} ${event.name}`;
    waiting.set(key, [...(waiting.get(key) ?? []), index]);
  });
  const pairs = new Map<FrameEvent, number>();
  for (const event of device.events) {
    if (event.kind !== "frame") continue;
    const index = waiting.get(`${event.from} ${event.name}`)?.shift();
    if (index !== undefined) pairs.set(event, index);
  }
  return pairs;
}
