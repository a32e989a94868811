import { fork } from "node:child_process";
import { Pkcs11Error } from "./errors.ts";
import type { Answer, Question, Response } from "./messages.ts";

/** One process that holds the vendor's module, from its start to its end. */
export interface ModuleProcess {
  readonly pid: number | undefined;
  /** Whether it has ended, or is about to. */
  readonly gone: () => boolean;
  /**
   * One question at a time. Throws what the token answers, `hsm-timeout` when it takes longer than `limit` milliseconds, after
   * which the process is ended, and `hsm-crashed`.
   */
  exchange(question: Question, limit: number): Promise<Answer>;
  /** Ends the process whatever it does, at the latest with this one; resolves when it has ended. */
  end(): Promise<void>;
}

/** Starts `program`, which answers as `child.ts` does. */
export function startModule(program: string): ModuleProcess {
  const child = fork(program, {
    env: environmentOfChild(process.env),
    serialization: "advanced",
    execArgv,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  let gone = false;
  let number = 0;
  let lost = () => {};
  const ended = Promise.withResolvers<void>();

  const kill = () => {
    gone = true;
    child.kill("SIGKILL");
  };
  const forget = () => {
    gone = true;
    process.off("exit", kill);
    lost();
    ended.resolve();
  };
  process.once("exit", kill);
  child.once("exit", forget).on("error", () => {
    kill();
    // One that could not be started has no exit.
    if (child.pid === undefined) forget();
  });

  return {
    pid: child.pid,
    gone: () => gone,
    exchange: (question, limit) =>
      new Promise((resolve, reject) => {
        number += 1;
        const mine = number;
        const heard = (response: Response) => {
          if (response.number !== mine) return;
          finish();
          if (response.kind === "done") resolve(response.answer);
          else reject(new Pkcs11Error(response.code, response.message));
        };
        const timer = setTimeout(() => {
          finish();
          kill();
          reject(timedOut(limit));
        }, limit);
        const finish = () => {
          clearTimeout(timer);
          child.off("message", heard);
        };
        lost = () => {
          finish();
          reject(
            new Pkcs11Error("hsm-crashed", "the PKCS#11 module crashed; it is started again with the next request"),
          );
        };
        child.on("message", heard);
        child.send({ number: mine, question });
      }),
    end() {
      kill();
      return ended.promise;
    },
  };
}

/** What is said of a question that was not answered within `limit` milliseconds. */
export function timedOut(limit: number): Pkcs11Error {
  return new Pkcs11Error("hsm-timeout", `the PKCS#11 module did not answer within ${limit} ms; look after the token`);
}

/** The vendor's library has no business with the passwords of the database and the secrets of the service. */
function environmentOfChild(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(?:PG|HATCHERY_)/i.test(name)));
}

const execArgv = ["--disable-warning=ExperimentalWarning"];
