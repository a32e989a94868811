import { DatabaseSync } from "node:sqlite";

/** Rows of one kind. */
export interface Rows {
  readonly table: string;
  readonly count: number;
  /** Bytes of all their values. */
  readonly bytes: number;
}

/** The rows of each table in the SQLite file, which may be in use by others. */
export function rowsIn(file: string): readonly Rows[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = database.prepare("select name from sqlite_master where type = 'table'").all();
    return tables.map(({ name }) => rowsOf(database, String(name)));
  } finally {
    database.close();
  }
}

/** What each of `times` equal changes added between two readings; tables that grew by less than one row each are left out. */
export function addedByEach(before: readonly Rows[], after: readonly Rows[], times: number): readonly Rows[] {
  return after.flatMap(({ table, count, bytes }) => {
    const earlier = before.find((rows) => rows.table === table) ?? { count: 0, bytes: 0 };
    const added = Math.round((count - earlier.count) / times);
    return added === 0 ? [] : [{ table, count: added, bytes: Math.round((bytes - earlier.bytes) / times) }];
  });
}

function rowsOf(database: DatabaseSync, table: string): Rows {
  const columns = database.prepare(`select name from pragma_table_info('${table}')`).all();
  const lengths = columns.map(({ name }) => `coalesce(length(cast("${name}" as blob)), 0)`).join(" + ");
  const row = database.prepare(`select count(*) as count, coalesce(sum(${lengths}), 0) as bytes from "${table}"`).get();
  return { table, count: Number(row?.["count"]), bytes: Number(row?.["bytes"]) };
}
