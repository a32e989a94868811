import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { codeOf } from "../../src/core/errors.ts";
import { seededRandomness } from "../../src/core/randomness.ts";
import { emptyChain } from "../../src/store/audit-chain.ts";
import { auditEntry, device } from "../../src/store/conformance/fixtures.test-suite.ts";
import { each } from "../../src/store/paging.ts";
import { openPostgresStore } from "../../src/store/postgres.ts";
import { writeLock } from "../../src/store/postgres-commit.ts";
import { parsePostgresUrl } from "../../src/store/postgres-url.ts";
import type { Store } from "../../src/store/store.ts";
import { type CuttingProxy, startProxy } from "./proxy.ts";
import { type PostgresServer, startPostgres } from "./server.ts";

/** What breaks between the store and a real server, under load. */
describe("PostgreSQL: faults", { timeout: 110_000 }, () => {
  let server: PostgresServer;
  let proxy: CuttingProxy;
  before(async () => {
    server = await startPostgres();
    proxy = await startProxy(server.port);
  });
  after(async () => {
    await proxy.close();
    await server.remove();
  });

  const openStore = async (name: string, port = server.port): Promise<Store> => {
    const store = await openPostgresStore(parsePostgresUrl(server.url(name, port)));
    await store.commit([store.tenants.ensure({ tenant: "a", created: 1 })]);
    return store;
  };

  for (const when of ["before", "after"] as const)
    test(`ok/cut ${when} the server has a COMMIT, again and again: every change once`, async (t) => {
      const name = await server.create(`cut_${when}`);
      const store = await openStore(name, proxy.port);
      const load = writeWhile(store, async () => {
        for (let round = 0; round < rounds; round += 1) {
          proxy.cutAtCommit(1 + (round % 3), when);
          await proxy.cut();
        }
      });
      const outcomes = await load;
      t.diagnostic(await check(store, outcomes));
      assert.equal(outcomes.unknown.length, 0, "the server could be asked each time");
      await store.close();
    });

  test("ok/sessions are ended by the administrator at any moment: every change once", async (t) => {
    const name = await server.create("terminated");
    const store = await openStore(name);
    const randomness = seededRandomness("terminate");
    const outcomes = await writeWhile(store, async () => {
      for (let round = 0; round < 2 * rounds; round += 1) {
        await delay((randomness.bytes(1)[0] ?? 0) / 8);
        await server.query("postgres", terminate, [name]);
      }
    });
    t.diagnostic(await check(store, outcomes));
    assert.equal(outcomes.unknown.length, 0);
    await store.close();
  });

  test("ok/the server crashes under load and starts again: nothing that was promised is lost", async (t) => {
    const name = await server.create("crashed");
    const store = await openStore(name);
    const outcomes = await writeWhile(store, async () => {
      for (let round = 0; round < 3; round += 1) {
        await delay(300);
        await server.stop("immediate");
        await server.start();
      }
    });
    t.diagnostic(await check(store, outcomes));
    assert.equal(outcomes.unknown.length, 0);
    await store.close();
  });

  test("fail/the server is away: refused at once, and well again by itself", async () => {
    const name = await server.create("away");
    const store = await openStore(name);
    await server.stop("fast");
    const settled = await Promise.allSettled([
      store.commit([store.devices.insert(device("d1"))]),
      store.devices.find("a", "d1"),
    ]);
    assert.deepEqual(
      settled.map((each) => (each.status === "rejected" ? codeOf(each.reason) : "fulfilled")),
      ["store-unreachable", "store-unreachable"],
    );
    await assert.rejects(openPostgresStore(parsePostgresUrl(server.url(name))), {
      code: "store-unreachable",
      message: /cannot be reached \(.*ECONNREFUSED.*\): start it, or correct --database$/,
    });
    await server.start();
    await store.commit([store.devices.insert(device("d1"))]);
    assert.deepEqual(await store.devices.find("a", "d1"), device("d1"));
    await store.close();
  });

  test("fail/a process that hangs in a transaction: the others wait, and go on when the server has ended it", async () => {
    const name = await server.create("hung");
    const store = await openStore(name);
    const hung = new Client({ connectionString: server.url(name), idle_in_transaction_session_timeout: 1_000 });
    hung.on("error", () => {});
    await hung.connect();
    await hung.query(`begin; ${writeLock}`);
    const began = performance.now();
    await store.commit([store.devices.insert(device("d1"))]);
    assert.ok(performance.now() - began > 500, "the lock was waited for");
    await store.close();
  });

  test("ok/two processes write at once: one audit without a gap, and no guard lost for nothing", async () => {
    const name = await server.create("two");
    const stores = await Promise.all([openStore(name), openStore(name)]);
    const each = await Promise.all(
      stores.map((store, index) =>
        Promise.all(Array.from({ length: 100 }, (_, nth) => enrol(store, `${index}-${nth}`))),
      ),
    );
    assert.deepEqual(new Set(each.flat()), new Set(["kept"]));
    const [store] = stores;
    assert.ok(store);
    const { head, broken } = await wholeChain(store);
    assert.deepEqual([head.sequence, broken], [200, undefined]);
    // The same device at both: one is first, and the other learns of it.
    const both = await Promise.all(stores.map((one) => enrol(one, "same")));
    assert.deepEqual(both.toSorted(), ["guard-lost", "kept"]);
    await Promise.all(stores.map((one) => one.close()));
  });
});

interface Outcomes {
  readonly kept: readonly string[];
  readonly refused: readonly string[];
  readonly unknown: readonly string[];
}

/** One enrolment's change: what became of it. */
async function enrol(store: Store, id: string): Promise<string> {
  try {
    await store.commit([store.devices.insert(device(id)), store.audit.append(auditEntry("granted", { subject: id }))]);
    return "kept";
  } catch (error) {
    return codeOf(error);
  }
}

/** Writes at sixteen places and reads at four until `harm` has ended. */
async function writeWhile(store: Store, harm: () => Promise<void>): Promise<Outcomes> {
  const outcomes = { kept: [] as string[], refused: [] as string[], unknown: [] as string[] };
  let going = true;
  const writers = Array.from({ length: 16 }, async (_, place) => {
    for (let nth = 0; going; nth += 1) {
      const id = `${place}-${nth}`;
      const outcome = await enrol(store, id);
      if (outcome === "kept") outcomes.kept.push(id);
      else if (outcome === "commit-unknown") outcomes.unknown.push(id);
      else {
        // A change that was made twice would lose its own guard.
        assert.equal(outcome, "store-unreachable", id);
        outcomes.refused.push(id);
        await delay(20);
      }
    }
  });
  const readers = Array.from({ length: 4 }, async () => {
    while (going) {
      const read = await store.devices.list("a", { limit: 10 }).catch(codeOf);
      assert.ok(typeof read !== "string" || read === "store-unreachable", String(read));
      await delay(typeof read === "string" ? 20 : 1);
    }
  });
  try {
    await harm();
  } finally {
    going = false;
    await Promise.all([...writers, ...readers]);
  }
  return outcomes;
}

/** No acknowledged write lost, none twice, none half; nothing of what was refused. Returns what was seen. */
async function check(store: Store, { kept, refused, unknown }: Outcomes): Promise<string> {
  const devices = new Set<string>();
  for await (const { id } of each((page) => store.devices.list("a", page))) devices.add(id);
  const lines: string[] = [];
  for await (const { subject } of each((page) => store.audit.list("a", "oldest-first", page))) lines.push(subject);
  for (const id of kept) assert.ok(devices.has(id), `${id} was promised`);
  for (const id of refused) assert.ok(!devices.has(id), `${id} was refused`);
  assert.deepEqual(lines.toSorted(), [...devices].sort(), "a line of audit for each device, and one only");
  const { broken } = await wholeChain(store);
  assert.equal(broken, undefined);
  assert.ok(kept.length > 0);
  return `${kept.length} kept, ${refused.length} refused, ${unknown.length} unknown`;
}

async function wholeChain(store: Store) {
  let section = await store.audit.verify("a", emptyChain);
  while (!section.done) section = await store.audit.verify("a", section.head);
  return section;
}

const terminate = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = $1 and application_name = 'hatchery' and pid <> pg_backend_pid()`;
const rounds = 20;
