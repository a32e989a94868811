import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../../src/core/clock.ts";
import { codeOf } from "../../src/core/errors.ts";
import { systemRandomness } from "../../src/core/randomness.ts";
import { decodePem, encodePem } from "../../src/encoding/pem.ts";
import { type Manufacturer, openFactory } from "../../src/lab/factory.ts";
import { type PostgresDatabase, postgresDatabase } from "../../src/store/postgres-connection.ts";
import { parsePostgresUrl } from "../../src/store/postgres-url.ts";
import { requestUnix } from "../../src/transport/http/unix.ts";
import { type Fleet, fleetOf } from "../../test/crash/fleet.ts";
import { checkRows, type Kept, queries } from "../../test/crash/invariants.ts";
import { killsOf } from "../../test/crash/points.ts";
import {
  anyPorts,
  type HatcheryOptions,
  hatchery,
  type ServiceProcess,
  startUp,
  type Up,
} from "../../test/system/hatchery.ts";
import { type PostgresServer, startPostgres } from "./server.ts";

/** The whole service on a real server. */
describe("PostgreSQL: the service", { timeout: 115_000 }, () => {
  let server: PostgresServer;
  let parent: string;
  /** All that any service wrote on its outputs. */
  let said = "";
  before(async () => {
    server = await startPostgres();
    parent = await mkdtemp(join(tmpdir(), "hatchery-postgresql-"));
  });
  after(async () => {
    await server.remove();
    await rm(parent, { recursive: true });
  });

  const urlOf = (name: string) => `postgres://hatchery@127.0.0.1:${server.port}/${name}`;

  const start = (name: string, data: string, options: HatcheryOptions = {}): ServiceProcess => {
    const env = { PGPASSWORD: server.password, ...options.env };
    const service = startUp(join(parent, data), ["--database", urlOf(name)], { ...options, env });
    service.ended.then(({ stdout, stderr }) => (said += stdout + stderr));
    return service;
  };
  const whileUp = async <T>(
    name: string,
    data: string,
    use: (up: Up, service: ServiceProcess) => Promise<T>,
  ): Promise<T> => {
    const service = start(name, data);
    try {
      const up = (await service.up) ?? assert.fail((await service.ended).stderr);
      const result = await use(up, service);
      service.kill("SIGTERM");
      assert.equal((await service.ended).code, 0);
      return result;
    } finally {
      service.kill("SIGKILL");
    }
  };
  /** A service on a new database that trusts a factory, and lets devices without a credential wait for a person. */
  const prepare = async (name: string, data: string, factory: Manufacturer): Promise<Uint8Array> => {
    await server.create(name);
    return whileUp(name, data, async (up) => {
      await call(up, "POST", "/anchors", { name: "acme", pem: encodePem("CERTIFICATE", factory.certificate) });
      await call(up, "POST", "/rules", { verdict: "allow", match: { issuer: "acme" } });
      await call(up, "POST", "/rules", { verdict: "wait", match: { credential: "anonymous" } });
      const { root } = (await call(up, "GET", "/ca")) as { readonly root: string };
      return decodePem(root)[0]?.bytes ?? assert.fail("the CA has a root");
    });
  };
  const refused = async (name: string, data: string, env: Readonly<Record<string, string>> = {}): Promise<string> => {
    const args = [
      "up",
      ...anyPorts,
      "--data",
      join(parent, data),
      "--database",
      name.includes("://") ? name : urlOf(name),
    ];
    const { code, stdout, stderr } = await hatchery(args, { env: { PGPASSWORD: server.password, ...env } });
    assert.deepEqual([code, stdout], [1, ""], stderr);
    assert.match(stderr, /^error: [^\n]+\n$/);
    said += stderr;
    return stderr;
  };

  test("ok/devices onboard, wait, are approved and renew, while the service is killed again and again", async (t) => {
    const factory = await openFactory("Acme", systemClock, systemRandomness);
    const fleet = fleetOf(factory, await prepare("killed", "killed", factory), "k");
    const preload = new URL("../../test/crash/preload.ts", import.meta.url);
    let unheard = 0;
    for (const { point, nth } of killsOf("postgresql", kills)) {
      const service = start("killed", "killed", { preload, env: { HATCHERY_TEST_KILL: `${point}#${nth}` } });
      const up = await service.up;
      if (up !== undefined) await fleet.workUntilKilled(up);
      const { signal, stderr } = await service.ended;
      assert.equal(signal, "SIGKILL", stderr);
      unheard += (await check("killed", fleet)).unheard;
    }
    await whileUp("killed", "killed", async (up) => {
      await fleet.finish(up);
      const before = await check("killed", fleet);
      assert.equal(before.unheard, 0);
      for (const received of fleet.received)
        assert.deepEqual(new Uint8Array(await fleet.askAgain(up, received)), new Uint8Array(received.certificate));
      assert.deepEqual(await check("killed", fleet), before, "asking again grants nothing");
    });
    assert.ok(fleet.received.length > kills / 2);
    t.diagnostic(`${kills} kills, ${fleet.received.length} certificates, ${unheard} replies lost after their grant`);
  });

  test("ok/two services on one database onboard at once", async (t) => {
    const factory = await openFactory("Acme", systemClock, systemRandomness);
    const root = await prepare("shared", "first", factory);
    await mkdir(join(parent, "second"), { mode: 0o700 });
    await copyFile(join(parent, "first", "vault.key"), join(parent, "second", "vault.key"));
    const fleets = ["x", "y"].map((prefix) => fleetOf(factory, root, prefix));
    const services = ["first", "second"].map((data) => start("shared", data));
    const ups = await Promise.all(
      services.map(async (each) => (await each.up) ?? assert.fail((await each.ended).stderr)),
    );
    const work = Promise.all(fleets.map((fleet, index) => fleet.workUntilKilled(ups[index]!)));
    await delay(4_000);
    for (const service of services) service.kill("SIGKILL");
    await work;
    await whileUp("shared", "second", async (up) => {
      for (const fleet of fleets) await fleet.finish(up);
    });
    const received = fleets.flatMap((fleet) => fleet.received);
    const { certificates, unheard } = await check("shared", { received });
    assert.deepEqual([certificates, unheard], [received.length, 0]);
    for (const fleet of fleets) assert.ok(fleet.received.length > 4, "both took part");
    t.diagnostic(`${fleets.map((fleet) => fleet.received.length).join(" and ")} certificates`);
  });

  test("fail/the server goes away under a running service: said once, answered, and well again by itself", async () => {
    const factory = await openFactory("Acme", systemClock, systemRandomness);
    const root = await prepare("away", "away", factory);
    const fleet = fleetOf(factory, root, "a");
    await whileUp("away", "away", async (up, service) => {
      await server.stop("immediate");
      for (let time = 0; time < 5; time += 1) {
        const { status } = await ask(up, "POST", "/rules", { verdict: "deny", match: { serial: "none" } });
        assert.equal(status, 503);
      }
      const problem = async () => {
        const { body } = await requestUnix(up.socket, { method: "GET", path: "/api/v1/status" });
        return (body as { readonly databaseProblem?: string }).databaseProblem;
      };
      assert.match((await problem()) ?? "", /cannot be reached|broke/);
      await server.start();
      assert.equal(await problem(), undefined);
      const status = async () => (await ask(up, "GET", "/ca")).status;
      assert.equal(await status(), 200);
      const work = fleet.workUntilKilled(up);
      await delay(1_500);
      service.kill("SIGTERM");
      await work;
      const { stderr } = await service.ended;
      const told = stderr.split("\n").filter((line) => line.includes("the store fails"));
      assert.equal(told.length, 1, stderr);
      assert.match(told[0] ?? "", /store-unreachable/);
    });
    assert.ok(fleet.received.length > 0, "devices are onboarded again");
    await check("away", fleet);
  });

  test("fail/a start that cannot be: one sentence each, that says what to do", async () => {
    await server.create("used");
    await whileUp("used", "used", async () => {});
    await server.create("empty");
    await server.create("latin", "encoding latin1 template template0");
    assert.match(await refused("nowhere", "new"), /no database nowhere on the server .* make it with createdb/);
    assert.match(
      await refused("used", "new", { PGPASSWORD: "wrong" }),
      /does not take the password of hatchery: set PGPASSWORD/,
    );
    assert.match(await refused("used", "new", { PGPASSWORD: "" }), /wants a password: set PGPASSWORD, or add a line/);
    assert.match(
      await refused("postgres://127.0.0.1:1/x", "new"),
      /cannot be reached \(.*\): start it, or correct --database/,
    );
    assert.match(await refused("latin", "new"), /has the encoding LATIN1; make one with: createdb --encoding=UTF8/);
    assert.match(await refused("empty", "used"), /is empty, and \S+vault\.key belongs to another one; name that one/);
    assert.match(await refused("used", "new"), /there is no \S+vault\.key.*copy the vault\.key of a service/);
    const forgotten = await hatchery(["up", ...anyPorts, "--data", join(parent, "used")]);
    assert.equal(
      forgotten.stderr,
      `error: the records of this data directory are in PostgreSQL (${urlOf("used")}): give --database or HATCHERY_DATABASE\n`,
    );
    await server.query("used", "insert into migrations (number, name, applied) values (999, 'later', 1)");
    assert.match(await refused("used", "used"), /is at schema 999 .*: start the newer program/);
    const slack = await server.create("slack");
    await server.query(slack, "alter database slack set default_transaction_read_only = on");
    assert.match(
      await refused("slack", "new"),
      /takes no changes: it is a standby, or default_transaction_read_only is on/,
    );
  });

  test("ok/a Unix socket and a passfile do as well, and the password is in no list of processes", async () => {
    await server.create("socket");
    const url = `postgres:///socket?host=${server.socket}&port=${server.port}&user=hatchery`;
    const passfile = join(parent, "passfile");
    await writeFile(passfile, `localhost:*:socket:hatchery:${server.password}\n`, { mode: 0o600 });
    const service = startUp(join(parent, "socket"), [], { env: { HATCHERY_DATABASE: url, PGPASSFILE: passfile } });
    const up = (await service.up) ?? assert.fail((await service.ended).stderr);
    const { body } = await requestUnix(up.socket, { method: "GET", path: "/api/v1/status" });
    assert.equal(
      (body as { database: string }).database,
      `postgres://hatchery@/socket?host=${server.socket}&port=${server.port}`,
    );
    assert.ok(!(await readFile(`/proc/${service.pid}/cmdline`, "utf8")).includes(server.password));
    service.kill("SIGTERM");
    const { stdout, stderr } = await service.ended;
    said += stdout + stderr + JSON.stringify(body);
  });

  test("ok/the password is in nothing that was said", () => {
    assert.ok(said.includes("hatchery@127.0.0.1"), "the search reads what was said");
    assert.ok(!said.includes(server.password));
  });

  async function check(name: string, { received }: Pick<Fleet, "received">): Promise<Kept> {
    const database = postgresDatabase(parsePostgresUrl(server.url(name)));
    try {
      const read = <Row>(sql: string) => reading<Row>(database, sql);
      const [certificates, runs, audit, devices, approvals] = await Promise.all([
        read(queries.certificates),
        read(queries.runs),
        read(queries.audit),
        read(queries.devices),
        read(queries.approvals),
      ] as const);
      return checkRows({ certificates, runs, audit, devices, approvals } as Parameters<typeof checkRows>[0], received);
    } finally {
      await database.close();
    }
  }
});

function reading<Row>(database: PostgresDatabase, sql: string): Promise<readonly Row[]> {
  return database.read<Row>({ sql, parameters: [] });
}

function ask(up: Up, method: string, path: string, body?: unknown) {
  const request = { method, path: `/api/v1/tenants/default${path}`, ...(body === undefined ? {} : { body }) };
  return requestUnix(up.socket, request);
}

async function call(up: Up, method: string, path: string, body?: unknown): Promise<unknown> {
  const { status, body: answer } = await ask(up, method, path, body);
  assert.equal(status, 200, `${codeOf(answer)} ${JSON.stringify(answer)}`);
  return answer;
}

const kills = 16;
