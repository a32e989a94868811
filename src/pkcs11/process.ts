import { fileURLToPath } from "node:url";
import { codeOf } from "../core/errors.ts";
import { Pkcs11Error } from "./errors.ts";
import type { Answer, Question } from "./messages.ts";
import { type ModuleProcess, startModule, timedOut } from "./module.ts";

/** The module in a process of its own, which is started when it is needed and again after it has crashed or hung. */
export interface Pkcs11Process {
  /**
   * Asks one question after the other. Throws what the token answers, `hsm-timeout` after `limit` milliseconds from now,
   * whatever the token does, `hsm-crashed`, `hsm-busy` when too many wait, and for a second after the module or the token
   * could not be opened what that threw. A module that takes `limit` milliseconds for the question alone is ended.
   */
  ask(question: Question, limit: number): Promise<Answer>;
  /** Ends the process, which loses what it was asked; questions that wait, and later ones, are answered with `hsm-closed`. */
  close(): Promise<void>;
  /** The running process, for tests that end it; undefined when none runs. */
  readonly pid: () => number | undefined;
}

/**
 * `opening` is asked first of each process; an answer that the PIN is wrong is final, so that no token is locked by it.
 * `program` stands in for the process in tests.
 */
export function pkcs11Process(opening: Question, program: string = ownProgram): Pkcs11Process {
  const waiting = new Set<Waiting>();
  let module: ModuleProcess | undefined;
  let failure: { readonly error: unknown; readonly until: number } | undefined;
  let working = false;
  let closed = false;

  const opened = async (): Promise<ModuleProcess> => {
    if (module !== undefined && !module.gone()) return module;
    const started = startModule(program);
    module = started;
    try {
      await started.exchange(opening, openingLimit);
    } catch (error) {
      void started.end();
      const rest = final.has(codeOf(error)) ? Number.POSITIVE_INFINITY : restAfterFailure;
      failure = { error, until: performance.now() + rest };
      throw error;
    }
    return started;
  };

  const work = async () => {
    working = true;
    while (waiting.size > 0) {
      try {
        const open = await opened();
        // Who waited too long for the opening is gone.
        const [next] = waiting;
        if (next === undefined) break;
        waiting.delete(next);
        await open.exchange(next.question, next.limit).then(next.resolve, next.reject);
      } catch (error) {
        for (const { reject } of waiting) reject(error);
        waiting.clear();
      }
    }
    working = false;
  };

  return {
    pid: () => (module === undefined || module.gone() ? undefined : module.pid),
    async ask(question, limit) {
      if (closed) throw wasClosed();
      if (failure !== undefined && performance.now() < failure.until) throw failure.error;
      if (waiting.size >= mostWaiting)
        throw new Pkcs11Error(
          "hsm-busy",
          `${mostWaiting} questions wait for the token; it is too slow for what is asked`,
        );
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const asked: Waiting = { question, limit, resolve, reject };
      const timer = setTimeout(() => {
        waiting.delete(asked);
        reject(timedOut(limit));
      }, limit);
      waiting.add(asked);
      if (!working) void work();
      return promise.finally(() => clearTimeout(timer));
    },
    async close() {
      closed = true;
      for (const { reject } of waiting) reject(wasClosed());
      waiting.clear();
      await module?.end();
    },
  };
}

interface Waiting {
  readonly question: Question;
  /** Milliseconds. */
  readonly limit: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

function wasClosed(): Pkcs11Error {
  return new Pkcs11Error("hsm-closed", "the way to the token was closed");
}

/** It has the extension of this file: sources run as they are, and the package holds JavaScript. */
const ownProgram = fileURLToPath(import.meta.url).replace(/process(\.[jt]s)$/, "child$1");
/** Milliseconds: a module that looks for its token over a network takes its time. */
const openingLimit = 30_000;
/** Milliseconds: each try starts a process, and a token that is down does not come back sooner. */
const restAfterFailure = 1_000;
/** At a hundred signatures a second more than this waits longer than a signature may. */
const mostWaiting = 1_000;
const final: ReadonlySet<string> = new Set(["hsm-pin-wrong", "hsm-pin-locked"]);
