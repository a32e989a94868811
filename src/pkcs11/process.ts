import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Pkcs11Error } from "./errors.ts";
import type { Answer, Question, Response } from "./messages.ts";

/** The module in a process of its own, which is started when it is needed and again after it has crashed or hung. */
export interface Pkcs11Process {
  /**
   * Asks one question after the other. Throws what the token answers, `hsm-timeout` when it takes longer than `limit`
   * milliseconds, after which the process is ended, and `hsm-crashed`.
   */
  ask(question: Question, limit: number): Promise<Answer>;
  /** Ends the process; questions that are asked then are answered with `hsm-closed`. */
  close(): Promise<void>;
  /** The running process, for tests that end it; undefined when none runs. */
  readonly pid: () => number | undefined;
}

/** `opening` is asked first of each process; an answer that the PIN is wrong is final, so that no token is locked by it. */
export function pkcs11Process(opening: Question): Pkcs11Process {
  let child: ChildProcess | undefined;
  let number = 0;
  let last: Promise<unknown> = Promise.resolve();
  let refused: Pkcs11Error | undefined;
  let closed = false;

  const exchange = (question: Question, limit: number): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const asked = child;
      if (asked === undefined) return reject(new Pkcs11Error("hsm-crashed", "the PKCS#11 process has ended"));
      number += 1;
      const mine = number;
      const finish = () => {
        clearTimeout(timer);
        asked.off("message", heard).off("exit", ended);
      };
      const heard = (response: Response) => {
        if (response.number !== mine) return;
        finish();
        if (response.kind === "done") resolve(response.answer);
        else reject(new Pkcs11Error(response.code, response.message));
      };
      const ended = () => {
        finish();
        reject(new Pkcs11Error("hsm-crashed", "the PKCS#11 module crashed; it is started again with the next request"));
      };
      const timer = setTimeout(() => {
        finish();
        drop(asked);
        reject(
          new Pkcs11Error("hsm-timeout", `the PKCS#11 module did not answer within ${limit} ms; look after the token`),
        );
      }, limit);
      asked.on("message", heard).once("exit", ended);
      asked.send({ number: mine, question });
    });

  const drop = (gone: ChildProcess) => {
    if (child === gone) child = undefined;
    gone.kill("SIGKILL");
  };

  const started = async () => {
    if (closed) throw new Pkcs11Error("hsm-closed", "the way to the token was closed");
    if (refused !== undefined) throw refused;
    if (child !== undefined) return;
    const made = fork(program, { serialization: "advanced", execArgv, stdio: ["ignore", "ignore", "ignore", "ipc"] });
    child = made;
    made.on("error", () => drop(made));
    made.once("exit", () => {
      if (child === made) child = undefined;
    });
    try {
      await exchange(opening, openingLimit);
    } catch (error) {
      drop(made);
      if (error instanceof Pkcs11Error && final.has(error.code)) refused = error;
      throw error;
    }
  };

  return {
    pid: () => child?.pid,
    ask(question, limit) {
      const answer = last.then(async () => {
        await started();
        return exchange(question, limit);
      });
      last = answer.catch(() => undefined);
      return answer;
    },
    async close() {
      closed = true;
      await last;
      const running = child;
      if (running === undefined) return;
      const ended = new Promise((resolve) => running.once("exit", resolve));
      drop(running);
      await ended;
    },
  };
}

/** It has the extension of this file: sources run as they are, and the package holds JavaScript. */
const program = fileURLToPath(import.meta.url).replace(/process(\.[jt]s)$/, "child$1");
const execArgv = ["--disable-warning=ExperimentalWarning"];
const openingLimit = 30_000;
const final: ReadonlySet<string> = new Set(["hsm-pin-wrong", "hsm-pin-locked"]);
