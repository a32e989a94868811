// npm run bench store [--json]: durable rows per second on both engines, and what one costs this process.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type PostgresServer, startPostgres } from "../interop/postgresql/server.ts";
import { codeOf } from "../src/core/errors.ts";
import type { Write } from "../src/core/write.ts";
import { openPostgresStore } from "../src/store/postgres.ts";
import { parsePostgresUrl } from "../src/store/postgres-url.ts";
import { openSqliteStore } from "../src/store/sqlite.ts";
import type { Store } from "../src/store/store.ts";
import { inFlight, median, table } from "./measure.ts";

/** What one commit changes. */
interface Change {
  readonly name: string;
  readonly rows: number;
  writes(store: Store, id: string): readonly Write[];
}

interface Figure {
  readonly engine: string;
  readonly change: string;
  readonly writers: number;
  /** Durable rows in a second of wall time; the median of all rounds, as the others. */
  readonly rowsPerSecond: number;
  /** CPU microseconds of this process for one row; the server's are not in it. */
  readonly cpuPerRow: number;
  /** The cheapest and the dearest round. */
  readonly cpuRange: readonly [number, number];
}

interface Figures {
  readonly machine: { readonly node: string; readonly processors: number; readonly load: number };
  readonly rounds: number;
  readonly figures: readonly Figure[];
}

const tenant = "default";
const writers = [1, 16, 64];
const warming = 2;
const rounds = 7;
const ledger = randomBytes(6_400);

const changes: readonly Change[] = [
  { name: "one row", rows: 1, writes: (store, id) => [store.devices.insert(device(id))] },
  {
    name: "enrolment",
    rows: 3,
    writes: (store, id) => [
      store.devices.insert(device(id)),
      store.runs.save({
        ...{ tenant, id, protocol: "est", variant: "est/idevid", device: id, label: id, started: 1, ended: 2 },
        ...{ outcome: "granted", reason: "claimed", run: ledger },
      }),
      store.audit.append({ tenant, at: 1, actor: "est", action: "granted", subject: id, detail: { run: id } }),
    ],
  },
];

const { values } = parseArgs({ options: { json: { type: "boolean" } } });
const figures = await measure();
console.log(values.json ? JSON.stringify(figures, null, 2) : textOf(figures));

async function measure(): Promise<Figures> {
  const machine = { node: process.version, processors: availableParallelism(), load: loadavg()[0] ?? Number.NaN };
  const directory = mkdtempSync(join(tmpdir(), "hatchery-bench-"));
  const server = await postgresIfInstalled();
  const stores: { readonly engine: string; readonly store: Store }[] = [];
  try {
    stores.push({ engine: "SQLite", store: await openSqliteStore(join(directory, "hatchery.db")) });
    if (server !== undefined) {
      const settings = parsePostgresUrl(server.url(await server.create("bench")));
      stores.push({ engine: "PostgreSQL", store: await openPostgresStore(settings) });
    }
    for (const { store } of stores) await store.commit([store.tenants.ensure({ tenant, created: 1 })]);
    const cells = changes.flatMap((change) =>
      writers.flatMap((width) => stores.map((one) => ({ ...one, change, width, samples: [] as Sample[] }))),
    );
    for (let number = 0; number < warming + rounds; number += 1)
      for (const cell of cells) {
        const sample = await round(cell.store, cell.change, cell.width);
        if (number >= warming) cell.samples.push(sample);
      }
    return { machine, rounds, figures: cells.map(figureOf) };
  } finally {
    for (const { store } of stores) await store.close();
    await server?.remove();
    rmSync(directory, { recursive: true });
  }
}

interface Sample {
  readonly rowsPerSecond: number;
  readonly cpuPerRow: number;
}

async function round(store: Store, change: Change, width: number): Promise<Sample> {
  const ids = Array.from({ length: commitsPerWriter(width) * width }, () => randomBytes(8).toString("hex"));
  const began = performance.now();
  const before = process.cpuUsage();
  await inFlight(ids, width, (id) => store.commit(change.writes(store, id)));
  const { user, system } = process.cpuUsage(before);
  const rows = ids.length * change.rows;
  return { rowsPerSecond: (1000 * rows) / (performance.now() - began), cpuPerRow: (user + system) / rows };
}

function figureOf(cell: {
  readonly engine: string;
  readonly change: Change;
  readonly width: number;
  readonly samples: readonly Sample[];
}): Figure {
  const cpus = cell.samples.map(({ cpuPerRow }) => cpuPerRow);
  return {
    engine: cell.engine,
    change: cell.change.name,
    writers: cell.width,
    rowsPerSecond: median(cell.samples.map(({ rowsPerSecond }) => rowsPerSecond)),
    cpuPerRow: median(cpus),
    cpuRange: [Math.min(...cpus), Math.max(...cpus)],
  };
}

function textOf({ machine, rounds, figures }: Figures): string {
  const whole = (value: number) => value.toFixed(0);
  return [
    "Durable rows: each writer waits until its commit would survive a power cut, then makes the next one.",
    `${machine.node}, ${machine.processors} processors (load ${machine.load.toFixed(1)} before); median of ${rounds} interleaved rounds.`,
    "CPU is of the process with the store, in microseconds for one row.",
    "",
    table(
      ["commit of", "engine", "writers", "rows per second", "CPU us per row", "range"],
      figures.map(({ change, engine, writers, rowsPerSecond, cpuPerRow, cpuRange }) => [
        change,
        engine,
        String(writers),
        whole(rowsPerSecond),
        whole(cpuPerRow),
        cpuRange.map(whole).join("-"),
      ]),
    ),
  ].join("\n");
}

async function postgresIfInstalled(): Promise<PostgresServer | undefined> {
  try {
    return await startPostgres();
  } catch (error) {
    if (codeOf(error) !== "not-installed") throw error;
    console.error("PostgreSQL is not installed: the figures are of SQLite alone.");
    return undefined;
  }
}

function device(id: string) {
  return { tenant, id, name: id, lifecycle: "operational", created: 1, updated: 1 } as const;
}

/** A lone writer waits for the disk each time. */
function commitsPerWriter(width: number): number {
  return width === 1 ? 150 : 40;
}
