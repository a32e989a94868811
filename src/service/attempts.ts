import type { Clock } from "../core/clock.ts";

/** How many attempts are let through by whom. In memory only: a restart forgets them all. */
export interface AttemptLimit {
  /** Whether `begin` would let an attempt under this key through now; counts nothing. */
  allows(key: string): boolean;
  /** Counts an attempt and returns what takes it back, to be called once at most; undefined when there were too many. */
  begin(key: string): (() => void) | undefined;
}

export interface AttemptBounds {
  /** Attempts under one key in one window. */
  readonly most: number;
  /** Milliseconds from the first attempt of a window to its end. */
  readonly window: number;
  /** Keys that are remembered; the one whose window began first is forgotten first. */
  readonly keys: number;
}

/** Limits attempts by key in fixed windows of monotonic time, so that a clock that is set neither shortens nor prolongs one. */
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
    begin(key) {
      const window = open(key) ?? opened(key);
      if (window.count >= most) return undefined;
      window.count += 1;
      return () => {
        window.count -= 1;
      };
    },
  };
}

interface Window {
  count: number;
  readonly ends: number;
}
