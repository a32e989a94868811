import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { codeOf } from "../core/errors.ts";
import { fairQueue, type QueueBounds } from "./fair-queue.ts";

/** A queue whose work is done when the test says so, and the names of what was begun and refused, in order. */
function house(bounds: Omit<QueueBounds, "work">) {
  const queue = fairQueue({ ...bounds, work: "pieces wait" });
  const begun: string[] = [];
  const refused: string[] = [];
  const ends: (() => void)[] = [];
  const work = (name: string) => () => {
    begun.push(name);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const noting = (name: string, done: Promise<void>) => done.catch((error) => refused.push(`${name} ${codeOf(error)}`));
  return {
    begun,
    refused,
    /** `a1` is work of the source `a`. */
    run: (...names: readonly string[]) => {
      for (const name of names) void noting(name, queue.run(name.slice(0, 1), work(name)));
    },
    runFirst: (name: string) => void noting(name, queue.runFirst(work(name))),
    /** Ends one piece of work after the other, until nothing is left. */
    async drain() {
      for (let end = ends.shift(); end !== undefined; end = ends.shift()) {
        end();
        await turn();
      }
    },
    async settle() {
      await turn();
    },
  };
}

test("ok/queue: no more at once than it says, the rest in turns of the sources", async () => {
  const { begun, refused, run, drain } = house({ atOnce: 2, waiting: 10 });
  run("a1", "a2", "a3", "a4", "a5", "b1", "b2", "c1");
  assert.deepEqual(begun, ["a1", "a2"]);
  await drain();
  assert.deepEqual(begun, ["a1", "a2", "a3", "b1", "c1", "a4", "b2", "a5"]);
  assert.deepEqual(refused, []);
});

test("ok/queue: what goes first, before all that waits and beyond the bound", async () => {
  const { begun, refused, run, runFirst, drain } = house({ atOnce: 1, waiting: 1 });
  run("a1", "a2");
  runFirst("operator");
  await drain();
  assert.deepEqual(begun, ["a1", "operator", "a2"]);
  assert.deepEqual(refused, []);
});

test("ok/queue: a result and a failure reach who asked, and the next one begins", async () => {
  const queue = fairQueue({ atOnce: 1, waiting: 5, work: "pieces wait" });
  const broken = queue.run("a", () => Promise.reject(new RangeError("broken")));
  const whole = queue.run("a", async () => 7);
  await assert.rejects(broken, RangeError);
  assert.equal(await whole, 7);
});

test("fail/queue: full, and the source that has most waiting gives way", async () => {
  const { begun, refused, run, drain, settle } = house({ atOnce: 1, waiting: 3 });
  run("a1", "a2", "a3", "a4", "a5");
  await settle();
  assert.deepEqual(refused, ["a5 overloaded"]);
  run("b1", "b2", "c1");
  await settle();
  assert.deepEqual(refused, ["a5 overloaded", "a4 overloaded", "b2 overloaded", "a3 overloaded"]);
  await drain();
  assert.deepEqual(begun, ["a1", "a2", "b1", "c1"]);
});
