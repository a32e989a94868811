import { PGlite } from "@electric-sql/pglite";
import type { Answer, PostgresConnection, PostgresDatabase, Request } from "./postgres-connection.ts";
import type { Query } from "./statement.ts";

/**
 * PostgreSQL inside this process. It has one session: whoever else asks waits until a transaction has ended, so that nobody
 * sees what is not committed.
 */
export interface PgliteServer {
  /** The database as the engine uses it; closing it leaves the server and all rows where they are. */
  database(): PostgresDatabase;
  /** Runs SQL past the engine. */
  run(sql: string): Promise<void>;
  close(): Promise<void>;
}

export async function startPglite(): Promise<PgliteServer> {
  const pglite = await PGlite.create({ parsers });
  let free = Promise.resolve();

  /** Resolves when the session is free, with what gives it back. */
  async function turn(): Promise<() => void> {
    const before = free;
    const { promise, resolve } = Promise.withResolvers<void>();
    free = promise;
    await before;
    return resolve;
  }

  async function answer({ text, values }: Request): Promise<Answer> {
    try {
      if (values !== undefined) {
        const { rows, affectedRows = 0 } = await pglite.query<object>(text, [...values]);
        return { kind: "done", rows, changed: affectedRows, command: "" };
      }
      // PGlite does not tell the command tag, with which a server says that COMMIT was none.
      const command = text === "commit" && (await inFailedTransaction()) ? "ROLLBACK" : text.toUpperCase();
      const last = (await pglite.exec(text)).at(-1);
      return { kind: "done", rows: last?.rows ?? [], changed: last?.affectedRows ?? 0, command };
    } catch (error) {
      return { kind: "failed", error };
    }
  }

  function inFailedTransaction(): Promise<boolean> {
    return pglite.query("select 1").then(
      () => false,
      () => true,
    );
  }

  function connection(): PostgresConnection {
    let release: (() => void) | undefined;
    return {
      async run(requests) {
        release ??= await turn();
        const answers: Answer[] = [];
        for (const request of requests) answers.push(await answer(request));
        // Only what ends with a savepoint leaves its transaction open.
        if (!(requests.at(-1)?.text ?? "").startsWith("rollback to")) {
          release();
          release = undefined;
        }
        return answers;
      },
      close: async () => release?.(),
    };
  }

  return {
    database: () => ({
      shown: "postgres://pglite",
      async read<Row>({ sql, parameters }: Query<Row>) {
        const release = await turn();
        try {
          return (await pglite.query<Row>(sql, [...parameters])).rows;
        } finally {
          release();
        }
      },
      connect: async () => connection(),
      close: async () => {},
    }),
    async run(sql) {
      await pglite.exec(sql);
    },
    close: () => pglite.close(),
  };
}

/** As the driver's: integers as numbers. Bytes are plain arrays already. */
const parsers = { 20: (text: string) => Number(text) };
