import { StoreError } from "./errors.ts";
import type { PostgresDatabase } from "./postgres-connection.ts";
import { postgresErrorOf } from "./postgres-errors.ts";

/**
 * Throws `store-unsuitable` unless the server is one on which the store's promises hold, and `store-missing` when the
 * database holds no store and `create` does not allow one.
 */
export async function checkServer(database: PostgresDatabase, create: boolean): Promise<void> {
  const connection = await database.connect();
  const [answer] = await connection.run([{ text: settings }]);
  await connection.close();
  if (answer?.kind !== "done") throw postgresErrorOf(answer?.error);
  const [server] = answer.rows as readonly [ServerSettings];
  const { version, number, encoding, fsync, full_page_writes, read_only } = server;
  const { shown } = database;
  if (number < oldest)
    throw unsuitable(`the server of ${shown} is PostgreSQL ${version}; the oldest that will do is 14: upgrade it`);
  if (encoding !== "UTF8")
    throw unsuitable(
      `the database ${shown} has the encoding ${encoding}; make one with: createdb --encoding=UTF8 --template=template0`,
    );
  if (fsync !== "on" || full_page_writes !== "on")
    throw unsuitable(
      `the server of ${shown} runs with fsync or full_page_writes off, so a power cut would lose what was promised; set both on`,
    );
  if (read_only !== "off")
    throw unsuitable(
      `the server of ${shown} takes no changes: it is a standby, or default_transaction_read_only is on`,
    );
  if (!create && !server.holds_store) throw new StoreError("store-missing", `the database ${shown} holds no store`);
}

interface ServerSettings {
  readonly version: string;
  readonly number: number;
  readonly encoding: string;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly read_only: string;
  readonly holds_store: boolean;
}

function unsuitable(sentence: string): StoreError {
  return new StoreError("store-unsuitable", sentence);
}

const settings = `select
  current_setting('server_version') as version,
  current_setting('server_version_num')::int as number,
  current_setting('server_encoding') as encoding,
  current_setting('fsync') as fsync,
  current_setting('full_page_writes') as full_page_writes,
  current_setting('transaction_read_only') as read_only,
  to_regclass('migrations') is not null as holds_store`;

const oldest = 140_000;
