import type { CreateTableBuilder, Expression, Kysely, RawBuilder } from "kysely";
import type { Schema } from "./schema.ts";
import type { Query, Statement } from "./statement.ts";

/** One database: all that the store knows of SQLite, PostgreSQL or another engine. */
export interface Engine {
  /** Builds and compiles queries in the engine's dialect; never runs one. */
  readonly queries: Kysely<Schema>;
  readonly ddl: Ddl;
  /** SHA-256 of a text in UTF-8 as lower-case hex, computed by the database. */
  sha256(text: Expression<string>): Expression<string>;
  /**
   * The rows of one query outside any transaction, integers as numbers and bytes as plain `Uint8Array`s; throws
   * `store-failed`, `store-unreachable` or `store-closed`.
   */
  read<Row>(query: Query<Row>): Promise<readonly Row[]>;
  /**
   * Makes all changes or none, and resolves to the number of rows that the statements changed when they will survive a
   * power cut; throws `guard-lost`, `store-full`, `store-failed`, `store-unreachable`, `commit-unknown` or `store-closed`.
   * Rows that a foreign key removes with others do not count.
   */
  commit(statements: readonly Statement[]): Promise<number>;
  /** Ends when all commits that were asked for have ended. */
  close(): Promise<void>;
}

/** What a migration needs to know of the engine. */
export interface Ddl {
  readonly schema: Kysely<Schema>["schema"];
  table<Name extends string>(name: Name): CreateTableBuilder<Name>;
  /** Text that is compared and ordered by code point, whatever the locale. */
  readonly text: ColumnType;
  /** At least the integers of 53 bits. */
  readonly integer: ColumnType;
  readonly bytes: ColumnType;
}

export type ColumnType = RawBuilder<unknown>;
