import { Client, type ClientConfig, Pool, type QueryArrayResult, type QueryResult, types } from "pg";
import { StoreError } from "./errors.ts";
import { connectErrorOf, sqlStateOf } from "./postgres-errors.ts";
import type { PostgresSettings } from "./postgres-url.ts";
import type { Query, SqlValue } from "./statement.ts";

/** A PostgreSQL database: connections for reading that are shared, and others that belong to who opens them. */
export interface PostgresDatabase {
  /** Which database this is, for people; holds no password. */
  readonly shown: string;
  /** The rows of one query outside any transaction; throws the driver's error, or `store-unreachable`. */
  read<Row>(query: Query<Row>): Promise<readonly Row[]>;
  /** Throws `store-unreachable`. */
  connect(): Promise<PostgresConnection>;
  close(): Promise<void>;
}

export interface PostgresConnection {
  /**
   * Sends all requests at once, and resolves with one answer for each when the last has come; never rejects. What stands
   * behind a request that failed is executed all the same: the transaction decides what becomes of it.
   */
  run(requests: readonly Request[]): Promise<readonly Answer[]>;
  close(): Promise<void>;
}

export interface Request {
  /** Several statements with semicolons between them when there are no values. */
  readonly text: string;
  readonly values?: readonly SqlValue[];
  /** Prepared once for each connection under this name. */
  readonly name?: string;
}

export type Answer =
  | { readonly kind: "done"; readonly changed: number; readonly command: string; readonly rows: readonly object[] }
  | { readonly kind: "failed"; readonly error: unknown };

/** The database behind the network. Connects when it is first used. */
export function postgresDatabase(settings: PostgresSettings): PostgresDatabase {
  const config: ClientConfig = {
    host: settings.host,
    port: settings.port,
    user: settings.user,
    database: settings.database,
    // Not undefined: then the driver would look for a passfile by itself.
    password: () => settings.password ?? "",
    ssl: settings.ssl,
    application_name: "hatchery",
    connectionTimeoutMillis: connectMilliseconds,
    keepAlive: true,
    types: { getTypeParser: parserOf as typeof types.getTypeParser },
  };
  const pool = new Pool({
    ...config,
    max: mostReaders,
    statement_timeout: readMilliseconds,
    query_timeout: 2 * readMilliseconds,
  });
  // A connection that breaks while nobody uses it is replaced by the next reader; one in use tells its reader.
  pool.on("error", () => {});
  pool.on("connect", (client) => void client.on("error", () => {}));
  const names = statementNames();

  return {
    shown: settings.shown,
    async read<Row>(query: Query<Row>) {
      const client = await pool.connect().catch((cause) => {
        throw connectErrorOf(cause, settings);
      });
      try {
        const request = { text: query.sql, values: [...query.parameters], ...names(query.sql) };
        const { rows } = await client.query(request);
        client.release();
        return rows as Row[];
      } catch (error) {
        // An answer leaves the connection as it was, but for plans that another program's migration has made stale.
        client.release(sqlStateOf(error) === undefined || sqlStateOf(error) === stalePlan);
        throw error;
      }
    },
    async connect() {
      const client = new Client({
        ...config,
        pipeline: true,
        statement_timeout: writeMilliseconds,
        lock_timeout: lockMilliseconds,
        idle_in_transaction_session_timeout: idleMilliseconds,
      });
      // Whoever waits for an answer gets the error there.
      client.on("error", () => {});
      try {
        await client.connect();
      } catch (cause) {
        // A server that waits for a password would wait on.
        void client.end();
        throw connectErrorOf(cause, settings);
      }
      return connectionOver(client);
    },
    close: () => pool.end(),
  };
}

/** A name for each text that was asked for, as long as there are few; pg prepares what has a name. */
export function statementNames(): (text: string) => { readonly name?: string } {
  const names = new Map<string, { readonly name: string }>();
  return (text) => {
    const known = names.get(text);
    if (known !== undefined) return known;
    if (names.size >= mostPrepared) return {};
    const fresh = { name: `hatchery_${names.size}` };
    names.set(text, fresh);
    return fresh;
  };
}

function connectionOver(client: Client): PostgresConnection {
  return {
    run(requests) {
      const { promise, resolve } = Promise.withResolvers<readonly Answer[]>();
      const answers: Answer[] = [];
      const { stream } = client.connection;
      // A server that is cut off without a word never answers.
      const timer = setTimeout(() => stream.destroy(), 2 * writeMilliseconds);
      let missing = requests.length;
      const take = (index: number, answer: Answer) => {
        answers[index] = answer;
        missing -= 1;
        if (missing > 0) return;
        clearTimeout(timer);
        resolve(answers);
      };
      stream.cork();
      for (const [index, { text, values = [], name }] of requests.entries()) {
        const config = { text, values: values as SqlValue[], ...(name === undefined ? {} : { name }) };
        client.query(config, (error: Error | null, result) =>
          take(index, error ? { kind: "failed", error } : doneBy(result)),
        );
      }
      stream.uncork();
      return promise;
    },
    close: () => client.end(),
  };
}

/** Several statements in one text have several results: the last one counts. */
function doneBy(result: QueryResult | QueryArrayResult | readonly QueryResult[]): Answer {
  const last = (Array.isArray(result) ? result.at(-1) : result) as QueryResult;
  return { kind: "done", changed: last.rowCount ?? 0, command: last.command, rows: last.rows };
}

/** Integers as numbers and bytes as plain arrays; what else there is as the driver reads it. */
function parserOf(oid: number, format?: "text" | "binary"): (text: string) => unknown {
  if (oid === int8) return safeInteger;
  if (oid === bytea) return plainBytes;
  return types.getTypeParser(oid, format as "text");
}

function safeInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new StoreError(
    "store-failed",
    "The database holds an integer of more than 53 bits, which no program wrote there.",
  );
}

/** `\x` and hexadecimal digits, the form in which PostgreSQL has sent them since 9.0. */
function plainBytes(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length - 2) / 2);
  Buffer.from(bytes.buffer).write(text.slice(2), "hex");
  return bytes;
}

// pg_type.dat of PostgreSQL.
const int8 = 20;
const bytea = 17;
const stalePlan = "0A000";

const mostReaders = 8;
/** More than the fixed statements of the store, so that only rare list shapes are prepared again. */
const mostPrepared = 256;
const connectMilliseconds = 5_000;
const readMilliseconds = 10_000;
/** A migration of a large database takes its time. */
const writeMilliseconds = 60_000;
/** Longer than a process that was cut off in a transaction keeps the lock. */
const lockMilliseconds = 20_000;
const idleMilliseconds = 10_000;
