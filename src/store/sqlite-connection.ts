import { hash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { codeOf, messageOf } from "../core/errors.ts";
import { StoreError } from "./errors.ts";
import { filesInUse } from "./files-in-use.ts";
import type { Query, Statement } from "./statement.ts";

/** A database file in use, with its prepared statements. Synchronous. */
export interface SqliteConnection {
  all<Row>(query: Query<Row>): readonly Row[];
  /** The number of rows that the statement changed; throws SQLite's error, or `guard-lost` for a broken constraint. */
  run(statement: Statement): number;
  /** False after an error means that SQLite has rolled the whole transaction back by itself. */
  inTransaction(): boolean;
  /** `store-replaced` when the path names the database no more, so that what was committed last may be lost. */
  lost(): StoreError | undefined;
  close(): void;
}

/** Opens `path`, or a private database in memory for `:memory:`; throws `store-failed` when it is no usable database. */
export function openSqliteConnection(path: string): SqliteConnection {
  const database = openDatabase(path);
  const prepared = new Map<string, StatementSync>();
  const lostFile = filesInUse(path === inMemory ? [] : [path, `${path}-wal`]);

  function statement(sql: string): StatementSync {
    const known = prepared.get(sql);
    if (known !== undefined) return known;
    if (prepared.size >= maxPrepared) prepared.delete(prepared.keys().next().value!);
    const fresh = database.prepare(sql);
    prepared.set(sql, fresh);
    return fresh;
  }

  return {
    all: <Row>(query: Query<Row>) => statement(query.sql).all(...query.parameters) as unknown as readonly Row[],
    run({ sql, parameters, guard }) {
      try {
        return Number(statement(sql).run(...parameters).changes);
      } catch (error) {
        throw lostTo(error, guard?.lost) ?? error;
      }
    },
    inTransaction: () => database.isTransaction,
    lost() {
      const file = lostFile();
      return file === undefined ? undefined : replaced(file);
    },
    close: () => database.close(),
  };
}

/**
 * Creates `path` empty and readable by its owner only, in a directory of the same kind; leaves an existing file alone.
 * SQLite gives its companion files the same mode.
 */
export function createPrivateFile(path: string): void {
  makeDirectory(dirname(path));
  try {
    // Never opens an existing file: closing it again would drop the POSIX locks that this process holds on it.
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

/**
 * A directory with mode 0700, and those above it that are missing. Node's own recursive mkdir never returns where a
 * directory exists and takes no entries, as under /proc.
 */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  if (dirname(path) !== path) makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** Any error of SQLite as the store's own; the message never holds a bound value. */
export function storeErrorOf(cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  if (errorNumberOf(cause) === sqliteFull)
    return new StoreError("store-full", "The database cannot grow: free space on its disk.", { cause });
  return new StoreError("store-failed", `The database refused: ${messageOf(cause)}.`, { cause });
}

/** The SQLite result code of an error, without its extension; undefined for other errors. */
export function errorNumberOf(error: unknown): number | undefined {
  const number = extendedErrorNumberOf(error);
  return number === undefined ? undefined : number & 0xff;
}

function extendedErrorNumberOf(error: unknown): number | undefined {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : undefined;
}

function lostTo(cause: unknown, lost = "Another change made this one impossible."): StoreError | undefined {
  switch (extendedErrorNumberOf(cause)) {
    case constraintUnique:
    case constraintPrimaryKey:
      return new StoreError("guard-lost", lost, { cause });
    case constraintForeignKey:
      return new StoreError("guard-lost", "A record that the change refers to does not exist, or no longer.", {
        cause,
      });
    default:
      return undefined;
  }
}

function replaced(file: string): StoreError {
  return new StoreError(
    "store-replaced",
    `${file} was removed or replaced while it was in use, so nothing can be kept any more: put it back, or restore the whole data directory from one backup, and start again.`,
  );
}

function openDatabase(path: string): DatabaseSync {
  try {
    if (path !== inMemory) createPrivateFile(path);
    const database = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: busyMilliseconds });
    try {
      configure(database, path);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (cause) {
    if (cause instanceof StoreError) throw cause;
    throw new StoreError("store-failed", `The database ${path} cannot be opened: ${messageOf(cause)}.`, { cause });
  }
}

function configure(database: DatabaseSync, path: string): void {
  const mode = database.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"];
  if (path !== inMemory && mode !== "wal")
    throw new StoreError("store-failed", `The file system of ${path} cannot keep a write-ahead log; use a local disk.`);
  database.function("sha256", { deterministic: true, directOnly: true }, (text) => hash("sha256", String(text)));
  // FULL: a commit is on the disk when it returns, also when the power fails (SQLite documentation, PRAGMA synchronous).
  database.exec("PRAGMA synchronous = FULL");
  // What a statement or a savepoint may have to take back is kept in memory: a temporary file costs as much as the change.
  database.exec("PRAGMA temp_store = MEMORY");
  database.exec(`PRAGMA cache_size = ${-cacheKibibytes}`);
}

const inMemory = ":memory:";

/** How long to wait for a backup program's lock; nothing else writes to the file. */
const busyMilliseconds = 2_000;

/** More than the fixed statements of the store, so that only rare list shapes are prepared again. */
const maxPrepared = 256;

/** Room for the upper pages of all indexes and for what a group of commits changes; SQLite has 2 MiB by itself. */
const cacheKibibytes = 16 * 1024;

// Result codes, https://sqlite.org/rescode.html.
export const sqliteBusy = 5;
const sqliteFull = 13;
const constraintForeignKey = 787;
const constraintPrimaryKey = 1555;
const constraintUnique = 2067;
