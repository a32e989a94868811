import type { Clock } from "../core/clock.ts";

/** How many failures are let pass by whom. In memory only: a restart forgets them all. */
export interface AttemptLimit {
  /** Whether there were fewer failures under this key than are let pass; counts nothing. */
  allows(key: string): boolean;
  /** Counts a failure. */
  count(key: string): void;
}

export interface AttemptBounds {
  /** Failures under one key in one window. */
  readonly most: number;
  /** Milliseconds from the first failure of a window to its end. */
  readonly window: number;
  /** Keys that are remembered; the one whose window began first is forgotten first. */
  readonly keys: number;
}

/** Limits failures by key in fixed windows of monotonic time, so that a clock that is set neither shortens nor prolongs one. */
export function attemptLimit(
  { most, window: length, keys }: AttemptBounds,
  clock: Pick<Clock, "monotonic">,
): AttemptLimit {
  const windows = new Map<string, Window>();
  const open = (key: string): Window | undefined => {
    const window = windows.get(key);
    return window === undefined || window.ends <= clock.monotonic() ? undefined : window;
  };
  const opened = (key: string): Window => {
    const window = { count: 0, ends: clock.monotonic() + length };
    // Deleted before it is set, so that the order of the map is that of the windows.
    windows.delete(key);
    windows.set(key, window);
    const [oldest] = windows.keys();
    if (windows.size > keys && oldest !== undefined) windows.delete(oldest);
    return window;
  };
  return {
    allows: (key) => (open(key)?.count ?? 0) < most,
    count(key) {
      (open(key) ?? opened(key)).count += 1;
    },
  };
}

interface Window {
  count: number;
  readonly ends: number;
}
