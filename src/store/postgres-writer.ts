import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { StoreError } from "./errors.ts";
import type { Change, Outcome } from "./group-commit.ts";
import { commitTogether, type Session, writeLock } from "./postgres-commit.ts";
import type { PostgresConnection, PostgresDatabase, Request } from "./postgres-connection.ts";
import { isCollision, postgresErrorOf } from "./postgres-errors.ts";

export interface PostgresWriterOptions {
  readonly clock: Clock;
  readonly randomness: Randomness;
}

export interface PostgresWriter {
  /** One outcome for each change, in order; never rejects. Not to be called again before it has ended. */
  apply(changes: readonly Change[]): Promise<readonly Outcome[]>;
  close(): Promise<void>;
}

/**
 * Commits changes over one connection, which is opened anew when it breaks. When it breaks between COMMIT and the answer,
 * the database is asked whether the transaction is there: it is neither repeated nor answered before.
 */
export function postgresWriter(database: PostgresDatabase, options: PostgresWriterOptions): PostgresWriter {
  const { clock, randomness } = options;
  let current: Session | undefined;

  async function open(): Promise<Session> {
    const connection = await database.connect();
    const id = hex(randomness.bytes(16));
    try {
      await succeed(connection, [durable, forgetOld, { text: register, values: [id] }]);
    } catch (error) {
      await connection.close();
      throw error;
    }
    return { connection, id, number: 0 };
  }

  function leave(): void {
    // The connection may hang: nobody waits for its end.
    void current?.connection.close();
    current = undefined;
  }

  async function applyOnce(changes: readonly Change[]): Promise<readonly Outcome[]> {
    for (let left = mostAttempts; ; left -= 1) {
      let failure: StoreError;
      try {
        current ??= await open();
        const attempt = await commitTogether(current, changes);
        if (attempt.kind === "decided") return attempt.outcomes;
        const { id, number } = current;
        leave();
        if (attempt.kind === "refused") return changes.map(() => attempt.error);
        if (attempt.kind === "unknown" && (await isCommitted(id, number))) return attempt.outcomes;
        failure = attempt.error;
      } catch (error) {
        return changes.map(() => postgresErrorOf(error));
      }
      if (left === 1) return changes.map(() => failure);
    }
  }

  /**
   * Whether the connection `id` has committed its transaction behind the `number` before. Giving the connection up in the
   * same statement means that a COMMIT which is still on its way finds no row to count up, and fails. Asking twice gives the
   * same answer.
   */
  async function isCommitted(id: string, number: number): Promise<boolean> {
    const deadline = clock.monotonic() + askMilliseconds;
    for (;;) {
      try {
        current ??= await open();
        const { rows } = await succeed(current.connection, [{ text: giveUp, values: [id] }]);
        const [row] = rows as readonly { readonly number: number }[];
        if (row === undefined) throw new StoreError("store-failed", "The database has forgotten the connection.");
        return row.number > number;
      } catch (error) {
        leave();
        if (clock.monotonic() > deadline)
          throw new StoreError(
            "commit-unknown",
            "The connection to the database broke while changes were committed, and it could not be asked in time whether they were kept.",
            { cause: error },
          );
        await clock.sleep(askPause);
      }
    }
  }

  async function apply(changes: readonly Change[], left = mostAttempts): Promise<readonly Outcome[]> {
    const outcomes = await applyOnce(changes);
    const collided = outcomes.flatMap((outcome, index) => (isCollision(outcome) ? [index] : []));
    if (collided.length === 0 || left === 1) return outcomes;
    const again = await apply(
      collided.map((index) => changes[index]!),
      left - 1,
    );
    return outcomes.map((outcome, index) => again[collided.indexOf(index)] ?? outcome);
  }

  return {
    apply: (changes) => apply(changes),
    async close() {
      if (current === undefined) return;
      await current.connection.run([{ text: forget, values: [current.id] }]);
      await current.connection.close();
    },
  };
}

/** Makes the table in which connections count their commits; what the store keeps is made by migrations, which are commits. */
export async function prepareCommits(database: PostgresDatabase): Promise<void> {
  const connection = await database.connect();
  try {
    await succeed(connection, [{ text: `begin; ${writeLock}; ${table}; commit` }]);
  } finally {
    await connection.close();
  }
}

/** The last answer when all have come; throws the store's error of the first that failed. */
async function succeed(connection: PostgresConnection, requests: readonly Request[]) {
  const answers = await connection.run(requests);
  for (const answer of answers) if (answer.kind === "failed") throw postgresErrorOf(answer.error);
  const last = answers.at(-1);
  if (last?.kind !== "done") throw new StoreError("store-failed", "The database was asked nothing.");
  return last;
}

const table = `create table if not exists commits (
  session text primary key,
  number bigint not null,
  given_up integer not null,
  opened timestamptz not null default now()
)`;
/** Every other setting waits for the disk of this server at least. */
const durable: Request = {
  text: `select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`,
};
const register = "insert into commits (session, number, given_up) values ($1, 0, 0)";
const giveUp = "update commits set given_up = 1 where session = $1 returning number";
const forget = "delete from commits where session = $1";
/** Left by processes that were killed. A connection that lives longer is refused its next commit, and opens another. */
const forgetOld: Request = { text: "delete from commits where opened < now() - interval '30 days'" };

const mostAttempts = 3;
/** Longer than a server takes to start again after a crash, shorter than devices wait for an answer. */
const askMilliseconds = 25_000;
const askPause = 100;
