import { StoreError } from "./errors.ts";
import type { Statement } from "./statement.ts";

/** The changes of one caller: all of them or none. */
export type Change = readonly Statement[];

/** What became of one change: the number of rows that it changed, or the reason why nothing of it was kept. */
export type Outcome = number | StoreError;

export interface GroupCommit {
  /** Resolves to the rows changed when they are durable; throws its own outcome, never that of another caller. */
  commit(change: Change): Promise<number>;
  /** Refuses further changes with `store-closed`, and resolves when the ones before have their outcome. */
  close(): Promise<void>;
}

/** What is to be known of the event loop, times in milliseconds. */
export interface EventLoop {
  monotonic(): number;
  /** How long it has waited, with nothing to do, since the process began. */
  idle(): number;
  /** Resolves about a millisecond later; what else there is to do is done before. */
  tick(): Promise<void>;
}

/**
 * Gathers the changes that are asked for in one turn of the event loop and hands them to `apply` together, so that one
 * flush to the disk serves them all. One batch at a time; `apply` returns one outcome for each change, in order.
 *
 * When there is more to do than to commit, a batch stays open while it is done, for a few milliseconds: devices that shake hands now
 * will ask in a moment, and a commit of two costs little more than one of one.
 */
export function groupCommit(
  apply: (changes: readonly Change[]) => readonly Outcome[] | Promise<readonly Outcome[]>,
  loop: EventLoop = thisEventLoop,
): GroupCommit {
  let waiting: Caller[] = [];
  let flushing: Promise<void> | undefined;
  let closed = false;
  let last: LastBatch = { callers: 0, took: 0, ended: 0, idle: 0 };

  async function flush(): Promise<void> {
    while (waiting.length > 0) {
      await endOfTurn();
      if (isBusy()) await gathered();
      const batch = waiting.slice(0, maxCallers);
      waiting = waiting.slice(maxCallers);
      const began = loop.monotonic();
      settle(batch, await outcomesOf(batch));
      const ended = loop.monotonic();
      last = { callers: batch.length, took: ended - began, ended, idle: loop.idle() };
    }
    flushing = undefined;
  }

  /** Whether callers come together, and other work has taken longer since the last batch than the batch itself. */
  function isBusy(): boolean {
    const worked = loop.monotonic() - last.ended - (loop.idle() - last.idle);
    return last.callers > 1 && worked > last.took;
  }

  async function gathered(): Promise<void> {
    const until = loop.monotonic() + longestGathering;
    let idle: number;
    do {
      idle = loop.idle();
      await loop.tick();
    } while (!closed && waiting.length < maxCallers && loop.idle() === idle && loop.monotonic() < until);
  }

  async function outcomesOf(batch: readonly Caller[]): Promise<readonly Outcome[]> {
    try {
      return await apply(batch.map((caller) => caller.change));
    } catch (cause) {
      const failed = new StoreError("store-failed", "The database could not commit the changes.", { cause });
      return batch.map(() => failed);
    }
  }

  return {
    commit(change) {
      if (closed) return Promise.reject(new StoreError("store-closed", "The store is closed."));
      return new Promise((resolve, reject) => {
        waiting.push({ change, resolve, reject });
        flushing ??= flush();
      });
    },
    async close() {
      closed = true;
      await flushing;
    },
  };
}

interface LastBatch {
  readonly callers: number;
  readonly took: number;
  readonly ended: number;
  /** As the loop said at its end. */
  readonly idle: number;
}

interface Caller {
  readonly change: Change;
  readonly resolve: (rows: number) => void;
  readonly reject: (error: StoreError) => void;
}

function settle(batch: readonly Caller[], outcomes: readonly Outcome[]): void {
  for (const [index, caller] of batch.entries()) {
    const outcome = outcomes[index]!;
    if (typeof outcome === "number") caller.resolve(outcome);
    else caller.reject(outcome);
  }
}

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const thisEventLoop: EventLoop = {
  monotonic: () => performance.now(),
  idle: () => performance.eventLoopUtilization().idle,
  tick: () => new Promise((resolve) => setTimeout(resolve, 1)),
};

/** Milliseconds that a change may have to wait for others: little beside what it takes to serve those others. */
const longestGathering = 10;

/** Callers of one transaction: what the event loop may be held up for, a few milliseconds. */
const maxCallers = 256;
