import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "./conformance/fixtures.test-suite.ts";
import { StoreError } from "./errors.ts";
import { type Change, groupCommit } from "./group-commit.ts";

function change(sql: string): Change {
  return [{ sql, parameters: [] }];
}

test("ok/group: callers of one turn share a batch, in their order", async () => {
  const batches: string[][] = [];
  const commits = groupCommit((changes) => {
    batches.push(changes.map(([statement]) => statement!.sql));
    return changes.map(() => 1);
  });
  await Promise.all(["1", "2", "3"].map((name) => commits.commit(change(name))));
  await commits.commit(change("4"));
  assert.deepEqual(batches, [["1", "2", "3"], ["4"]]);
});

test("ok/group: one batch at a time, also when the engine takes its time", async () => {
  let running = 0;
  let most = 0;
  const gates: (() => void)[] = [];
  const commits = groupCommit(async (changes) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise<void>((resolve) => gates.push(resolve));
    running -= 1;
    return changes.map(() => 1);
  });
  const first = commits.commit(change("1"));
  while (gates.length === 0) await new Promise(setImmediate);
  const second = commits.commit(change("2"));
  const third = commits.commit(change("3"));
  gates.shift()!();
  await first;
  while (gates.length === 0) await new Promise(setImmediate);
  gates.shift()!();
  await Promise.all([second, third]);
  assert.equal(most, 1);
  assert.equal(gates.length, 0);
});

/** An event loop in which a batch takes 1 ms and `work` is done in each tick; what follows the last of it is idleness. */
function loopWith(work: readonly (() => void)[]) {
  let now = 0;
  let idle = 0;
  let ticks = 0;
  return {
    ticks: () => ticks,
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
    monotonic: () => now,
    idle: () => idle,
    async tick() {
      const next = work[ticks];
      ticks += 1;
      now += 1;
      if (next === undefined) idle += 1;
      else next();
    },
  };
}

/** The sizes of the batches when `first` callers are followed by one after `busy` ms, and by `coming` more, one in each tick. */
async function batchesAround(first: number, busy: number, ticks: number, coming: number) {
  const commits: Promise<number>[] = [];
  const sizes: number[] = [];
  const come = () => void commits.push(group.commit(change("late")));
  const loop = loopWith(Array.from({ length: ticks }, (_, index) => (index < coming ? come : () => {})));
  const group = groupCommit((changes) => {
    sizes.push(changes.length);
    loop.pass(1);
    return changes.map(() => 1);
  }, loop);
  await Promise.all(Array.from({ length: first }, () => group.commit(change("early"))));
  loop.pass(busy);
  await group.commit(change("5"));
  await Promise.all(commits);
  return { sizes, ticks: loop.ticks() };
}

test("ok/group: while there is other work a batch waits for those who are about to come", async () => {
  assert.deepEqual(await batchesAround(2, 5, 3, 3), { sizes: [2, 4], ticks: 4 });
});

test("ok/group: for 10 ms at most", async () => {
  assert.deepEqual(await batchesAround(2, 5, 100, 2), { sizes: [2, 3], ticks: 10 });
});

test("ok/group: a lone caller does not wait, nor who comes when there is little else to do", async () => {
  assert.deepEqual(await batchesAround(1, 5, 9, 0), { sizes: [1, 1], ticks: 0 });
  assert.deepEqual(await batchesAround(2, 1, 9, 0), { sizes: [2, 1], ticks: 0 });
});

test("ok/group: each caller learns how many rows it has changed", async () => {
  const commits = groupCommit((changes) => changes.map(([statement]) => Number(statement!.sql)));
  assert.deepEqual(await Promise.all(["3", "0", "7"].map((rows) => commits.commit(change(rows)))), [3, 0, 7]);
});

test("ok/group: at most 256 callers in one batch", async () => {
  const sizes: number[] = [];
  const commits = groupCommit((changes) => {
    sizes.push(changes.length);
    return changes.map(() => 1);
  });
  await Promise.all(Array.from({ length: 600 }, (_, index) => commits.commit(change(String(index)))));
  assert.deepEqual(sizes, [256, 256, 88]);
});

test("fail/group: each caller has its own outcome", async () => {
  const lost = new StoreError("guard-lost", "lost");
  const commits = groupCommit((changes) => changes.map(([statement]) => (statement!.sql === "2" ? lost : 1)));
  const settled = await Promise.allSettled(["1", "2", "3"].map((name) => commits.commit(change(name))));
  assert.deepEqual(
    settled.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
});

test("fail/group: an engine that breaks rejects its batch and nothing else", async () => {
  let broken = true;
  const commits = groupCommit((changes) => {
    if (broken) throw new Error("connection reset");
    return changes.map(() => 1);
  });
  await rejectsWith("store-failed", commits.commit(change("1")));
  broken = false;
  await commits.commit(change("2"));
});

test("ok/close: ends after the commits before it", async () => {
  let applied = 0;
  const commits = groupCommit((changes) => {
    applied += changes.length;
    return changes.map(() => 1);
  });
  const commit = commits.commit(change("1"));
  const closing = commits.close();
  await rejectsWith("store-closed", commits.commit(change("2")));
  await closing;
  assert.equal(applied, 1);
  await commit;
});
