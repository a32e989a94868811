import type { Compilable } from "kysely";
import type { Clock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import type { Ddl, Engine } from "./engine.ts";
import { StoreError } from "./errors.ts";
import { compiled, guarded } from "./statement.ts";

/** One step of the schema's history. What was released is never edited: a change of the schema is a new migration. */
export interface Migration {
  /** 1 for the first, then one more each. */
  readonly number: number;
  readonly name: string;
  statements(engine: Pick<Engine, "ddl" | "queries" | "sha256">): readonly Compilable[];
}

/**
 * Applies the migrations that the database does not have yet, in order, each in a transaction of its own. When another
 * process migrates at the same time, each migration is made by the one that is first. Throws `store-newer` for a database
 * that has one this program does not know.
 */
export async function migrate(engine: Engine, migrations: readonly Migration[], clock: Clock): Promise<void> {
  await engine.commit([compiled(historyTable(engine.ddl))]);
  for (let before = -1; ; ) {
    const applied = await appliedNumber(engine);
    const next = migrations[applied];
    if (applied > migrations.length) throw newer(applied, migrations.length);
    if (next === undefined) return;
    try {
      await apply(engine, next, clock);
    } catch (error) {
      // Lost to another process, unless that has come no further since the last time.
      if (codeOf(error) !== "guard-lost" || applied === before) throw error;
      before = applied;
    }
  }
}

function newer(applied: number, known: number): StoreError {
  return new StoreError(
    "store-newer",
    `The database is at schema ${applied} and this program knows ${known}: start the newer program that wrote it, or restore a backup from before the upgrade.`,
    { details: { applied, known } },
  );
}

async function appliedNumber(engine: Engine): Promise<number> {
  const newest = engine.queries.selectFrom("migrations").select("number").orderBy("number", "desc").limit(1);
  const [row] = await engine.read(compiled(newest));
  return row?.number ?? 0;
}

async function apply(engine: Engine, migration: Migration, clock: Clock): Promise<void> {
  const { number, name } = migration;
  const entry = engine.queries.insertInto("migrations").values({ number, name, applied: clock.now() });
  await engine.commit([
    guarded(compiled(entry), `Another process applied migration ${number} first.`),
    ...migration.statements(engine).map((statement) => compiled(statement)),
  ]);
}

function historyTable({ table, text, integer }: Ddl): Compilable {
  return table("migrations")
    .ifNotExists()
    .addColumn("number", integer, (column) => column.notNull().primaryKey())
    .addColumn("name", text, (column) => column.notNull())
    .addColumn("applied", integer, (column) => column.notNull());
}
