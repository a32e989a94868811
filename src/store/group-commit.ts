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

/**
 * Gathers the changes that are asked for in one turn of the event loop and hands them to `apply` together, so that one
 * flush to the disk serves them all. One batch at a time; `apply` returns one outcome for each change, in order.
 */
export function groupCommit(
  apply: (changes: readonly Change[]) => readonly Outcome[] | Promise<readonly Outcome[]>,
): GroupCommit {
  let waiting: Caller[] = [];
  let flushing: Promise<void> | undefined;
  let closed = false;

  async function flush(): Promise<void> {
    while (waiting.length > 0) {
      await endOfTurn();
      const batch = waiting.slice(0, maxCallers);
      waiting = waiting.slice(maxCallers);
      settle(batch, await outcomesOf(batch));
    }
    flushing = undefined;
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

/** Callers of one transaction: what the event loop may be held up for, a few milliseconds. */
const maxCallers = 256;
