import type { Compilable, CompiledQuery, Kysely, RawBuilder } from "kysely";
import type { Write } from "../core/write.ts";
import type { Schema } from "./schema.ts";

/** What every engine can bind and return. */
export type SqlValue = string | number | null | Uint8Array;

declare const row: unique symbol;

/** Compiled SQL with its parameters bound in order, and the type of the rows that it returns. */
export interface Query<Row = unknown> {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
  readonly [row]?: Row;
}

/** One statement of a `Write`: plain data, so that a worker can post it to the thread that writes. */
export interface Statement extends Query {
  /** When present, the change is lost unless the statement changes exactly `rows` rows and breaks no constraint. */
  readonly guard?: Guard;
  /** Changes what operators set: copies of it in memory are old when this is committed. */
  readonly setting?: true;
}

export interface Guard {
  readonly rows: number;
  /** One sentence for the error: what another change made impossible. Never a secret. */
  readonly lost: string;
}

/**
 * Compiles a statement once, at its first use, and binds it afterwards; an absent argument is NULL. `build` is given a
 * stand-in for each argument and must pass it on as a value; it cannot look at one.
 */
export function prepared<Args extends object, Row>(
  build: (parameters: Args) => Compilable<Row>,
): (args: Readonly<Args>) => Query<Row> {
  let query: CompiledQuery<Row> | undefined;
  return (args) => {
    query ??= build(standIns as Args).compile();
    const values = args as Readonly<Record<string, SqlValue>>;
    const parameters = query.parameters.map((parameter) =>
      bindable(parameter instanceof StandIn ? (values[parameter.name] ?? null) : (parameter as SqlValue)),
    );
    return { sql: query.sql, parameters };
  };
}

/** Compiles a statement whose shape differs from call to call. */
export function compiled<Row>(query: Compilable<Row>): Query<Row> {
  const { sql, parameters } = query.compile();
  return { sql, parameters: (parameters as readonly SqlValue[]).map(bindable) };
}

/** SQL that is written out, for what a query builder cannot say in all dialects. */
export function written(queries: Kysely<Schema>, sql: RawBuilder<unknown>): Compilable {
  return { compile: () => sql.compile(queries) };
}

/** `query` as a statement that must change exactly one row. */
export function guarded(query: Query, lost: string): Statement {
  return { ...query, guard: { rows: 1, lost } };
}

/** The statements as one opaque change. */
export function write(...statements: readonly Statement[]): Write {
  return statements as unknown as Write;
}

/** As `write`, for what operators set and services keep in memory. */
export function settingWrite(...statements: readonly Statement[]): Write {
  return write(...statements.map((statement) => ({ ...statement, setting: true }) as const));
}

/** The statements of all `writes`, in order. */
export function statementsOf(writes: readonly Write[]): readonly Statement[] {
  return writes.flatMap((each) => each as unknown as readonly Statement[]);
}

/**
 * Text as every engine can keep it. PostgreSQL has no NUL character in a text, and strangers may send one in a name; it becomes
 * the replacement character, as UTF-8 does with half a surrogate pair.
 */
function bindable(value: SqlValue): SqlValue {
  return typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value;
}

class StandIn {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

const standIns: object = new Proxy({}, { get: (_, name) => new StandIn(String(name)) });
