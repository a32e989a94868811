import type { Clock } from "../core/clock.ts";

/**
 * Whether the clock of the machine may be believed when something is to be removed because of its age. A clock that jumped,
 * or that stands elsewhere than the last line of the audit suggests, has to go on steadily for a day first: what a wrong clock
 * removes does not come back when it is set right.
 */
export interface ClockWatch {
  /** Looks at the clock again; to be called often, a jump is noticed from one call to the next. */
  steady(): boolean;
}

export interface ClockWatchOptions {
  readonly clock: Clock;
  /** When something was last committed, as far as is known. */
  readonly lastCommit: number | undefined;
  /** Told how far the clock stands from where it was expected, in milliseconds. Must not throw. */
  readonly onJump: (milliseconds: number) => void;
}

export function clockWatch({ clock, lastCommit, onJump }: ClockWatchOptions): ClockWatch {
  let seen = { now: clock.now(), monotonic: clock.monotonic() };
  let steadySince: number | undefined;
  const jumped = (by: number) => {
    steadySince = seen.monotonic;
    onJump(by);
  };
  const absence = lastCommit === undefined ? 0 : seen.now - lastCommit;
  if (absence > longestAbsence || absence < -tolerance) jumped(absence);
  return {
    steady() {
      const before = seen;
      seen = { now: clock.now(), monotonic: clock.monotonic() };
      const by = seen.now - before.now - (seen.monotonic - before.monotonic);
      if (Math.abs(by) > tolerance) jumped(by);
      if (steadySince !== undefined && seen.monotonic - steadySince >= trustedAfter) steadySince = undefined;
      return steadySince === undefined;
    },
  };
}

/** What time servers correct at once; and a machine that slept a moment. */
const tolerance = 5 * 60_000;
/** A service that was off for longer may have come back with a clock that was never set. */
const longestAbsence = 30 * 24 * 3600 * 1000;
const trustedAfter = 24 * 3600 * 1000;
