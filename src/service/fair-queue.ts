import { ServiceError } from "./errors.ts";

/** Does costly work a few pieces at a time; who brings much of it waits for itself, not others for him. */
export interface FairQueue {
  /**
   * Does `work` when the turn of `source` comes; sources take turns. Throws `overloaded`, before the work has begun, when too
   * much waits: then the source that has most waiting gives way.
   */
  run<T>(source: string, work: () => Promise<T>): Promise<T>;
  /** Does `work` before all that waits and never refuses it: for those who are few and known. */
  runFirst<T>(work: () => Promise<T>): Promise<T>;
}

export interface QueueBounds {
  /** Pieces of work that are done at the same time. */
  readonly atOnce: number;
  /** Pieces of work of all sources that wait. */
  readonly waiting: number;
  /** What the work is, for the error: "passwords wait to be checked". */
  readonly work: string;
}

/** A queue with nothing in it. */
export function fairQueue({ atOnce, waiting, work: what }: QueueBounds): FairQueue {
  const first: Job[] = [];
  /** What waits, by source; the source whose turn is next comes first. */
  const turns = new Map<string, Job[]>();
  let queued = 0;
  let running = 0;

  const start = () => {
    while (running < atOnce) {
      const job = first.shift() ?? nextInTurn();
      if (job === undefined) return;
      running += 1;
      void job.run().finally(() => {
        running -= 1;
        start();
      });
    }
  };

  const refusal = () => new ServiceError("overloaded", `too many ${what}; try again later`);

  function nextInTurn(): Job | undefined {
    const [turn] = turns;
    if (turn === undefined) return undefined;
    const [source, jobs] = turn;
    const job = jobs.shift();
    turns.delete(source);
    if (jobs.length > 0) turns.set(source, jobs);
    queued -= 1;
    return job;
  }

  function enqueue(source: string, job: Job): void {
    const own = turns.get(source) ?? [];
    if (queued >= waiting) {
      const longest = [...turns.values()].reduce((most, jobs) => (jobs.length > most.length ? jobs : most), own);
      if (longest.length <= own.length + 1) {
        job.refuse();
        return;
      }
      longest.pop()?.refuse();
      queued -= 1;
    }
    own.push(job);
    turns.set(source, own);
    queued += 1;
  }

  return {
    run: (source, work) =>
      new Promise((resolve, reject) => {
        enqueue(source, jobOf(work, resolve, reject, refusal));
        start();
      }),
    runFirst: (work) =>
      new Promise((resolve, reject) => {
        first.push(jobOf(work, resolve, reject, refusal));
        start();
      }),
  };
}

interface Job {
  /** Never rejects. */
  readonly run: () => Promise<void>;
  readonly refuse: () => void;
}

function jobOf<T>(
  work: () => Promise<T>,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
  refusal: () => ServiceError,
): Job {
  return {
    run: () => work().then(resolve, reject),
    refuse: () => reject(refusal()),
  };
}
