import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { textOf } from "../../core/bytes.ts";
import { systemClock } from "../../core/clock.ts";
import { codeOf } from "../../core/errors.ts";
import type { Peer } from "../../core/link.ts";
import type { EstReply, EstRequest } from "../../protocols/est/index.ts";
import { StoreError, type StoreErrorCode } from "../../store/errors.ts";
import { migrate } from "../../store/migrate.ts";
import { migrations } from "../../store/migrations.ts";
import { sqliteEngine } from "../../store/sqlite.ts";
import { openSqliteConnection } from "../../store/sqlite-connection.ts";
import { storeOver } from "../../store/store.ts";
import type { HttpResponse } from "../../transport/http/message.ts";
import { ServiceError } from "../errors.ts";
import type { Host } from "../host.ts";
import { estRoutes } from "./est.ts";

const granted: EstReply = { kind: "certificates", certificates: [] };

const peer: Peer = {
  address: "192.0.2.7:1",
  chain: [],
  binding: () => assert.fail("not asked for"),
  exporter: () => assert.fail("not asked for"),
};

/** What a device gets that asks to be enrolled, and the codes that the operator is told of. */
async function enrol(host: Host<EstRequest, EstReply>): Promise<{ response: HttpResponse; told: readonly string[] }> {
  const told: string[] = [];
  const routes = estRoutes(host, { challenges: async () => ["Basic"] }, (error) => void told.push(codeOf(error)));
  const route = routes.find(({ path }) => path.endsWith("/est/simpleenroll")) ?? assert.fail("there is such a route");
  const request = {
    method: "POST",
    path: route.path,
    headers: [["Content-Type", "application/pkcs10"]],
    body: Buffer.from("MAA="),
  } as const;
  const association = { id: "1", memory: new Map(), signal: new AbortController().signal };
  return { response: await route.handle(request, peer, association, {}), told };
}

function field({ headers }: HttpResponse, name: string): string | undefined {
  return headers.find(([each]) => each.toLowerCase() === name)?.[1];
}

const curable: readonly StoreErrorCode[] = ["store-full", "store-failed", "store-closed", "store-replaced"];
for (const code of curable)
  test(`fail/${code}: 503 with Retry-After, and the operator is told`, async () => {
    const { response, told } = await enrol(async () => {
      throw new StoreError(code, "what only the operator reads");
    });
    assert.equal(response.status, 503);
    assert.match(field(response, "retry-after") ?? "", /^\d+$/);
    assert.equal(textOf(response.body).includes("operator"), false);
    assert.deepEqual(told, [code]);
  });

test("fail/contended: 503 with Retry-After, and nobody is told", async () => {
  const { response, told } = await enrol(async () => {
    throw new ServiceError("contended", "somebody else was first");
  });
  assert.equal(response.status, 503);
  assert.deepEqual(told, []);
});

test("fail/unexpected: a mistake of ours is thrown on, asking again would not cure it", async () => {
  const mistake = new TypeError("undefined is not a function");
  await assert.rejects(
    enrol(async () => {
      throw mistake;
    }),
    mistake,
  );
});

test("fail/store-full: a database that cannot grow, until it can", async () => {
  const directory = mkdtempSync(join(tmpdir(), "hatchery-full-"));
  const connection = openSqliteConnection(join(directory, "hatchery.db"));
  const engine = sqliteEngine(connection);
  const store = storeOver(engine);
  const limit = (pages: number) => connection.all({ sql: `PRAGMA max_page_count = ${pages}`, parameters: [] });
  try {
    await migrate(engine, migrations, systemClock);
    await store.commit([store.tenants.ensure({ tenant: "a", created: 1 })]);
    const [row] = connection.all<{ page_count: number }>({ sql: "PRAGMA page_count", parameters: [] });
    const grant: Host<EstRequest, EstReply> = async () => {
      const session = { tenant: "a", protocol: "est", key: "k", data: new Uint8Array(100_000), expires: 2 };
      await store.commit([store.sessions.create(session, 1)]);
      return { reply: granted, run: undefined };
    };
    limit(row!.page_count);
    const full = await enrol(grant);
    assert.deepEqual([full.response.status, full.told], [503, ["store-full"]]);
    limit(1_000_000);
    const again = await enrol(grant);
    assert.deepEqual([again.response.status, again.told], [200, []]);
  } finally {
    await store.close();
    rmSync(directory, { recursive: true });
  }
});
