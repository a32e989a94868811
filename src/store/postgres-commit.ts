import { channel } from "node:diagnostics_channel";
import { StoreError } from "./errors.ts";
import type { Change, Outcome } from "./group-commit.ts";
import { type Answer, type PostgresConnection, type Request, statementNames } from "./postgres-connection.ts";
import { isConnectionLoss, postgresErrorOf } from "./postgres-errors.ts";
import type { Statement } from "./statement.ts";

/**
 * A connection for writing, with its row in the table `commits`: the row counts the transactions that this connection has
 * committed, in those very transactions.
 */
export interface Session {
  readonly connection: PostgresConnection;
  /** Random, lower-case hex. */
  readonly id: string;
  /** Transactions so far. */
  number: number;
}

/**
 * - `decided`: the transaction has ended, and every change has its outcome.
 * - `refused`: the transaction could not begin; nothing was kept.
 * - `lost`: the connection broke, or was given up, before anything was committed; nothing was kept.
 * - `unknown`: COMMIT was sent and not answered.
 *
 * The connection can be used again only after `decided`.
 */
export type Attempt =
  | { readonly kind: "decided"; readonly outcomes: readonly Outcome[] }
  | { readonly kind: "refused" | "lost"; readonly error: StoreError }
  | { readonly kind: "unknown"; readonly outcomes: readonly Outcome[]; readonly error: StoreError };

/**
 * Applies all changes in one transaction with a savepoint for each, so that a change that fails leaves no trace and the
 * others go on; one outcome for each change, in order. Two round trips: all statements, then COMMIT.
 */
export async function commitTogether(session: Session, changes: readonly Change[]): Promise<Attempt> {
  const { connection } = session;
  const sent = changes.map((change) => change.map(requestOf));
  const answers = await connection.run([begin, ...sent.flatMap((requests) => [...requests, keep, undo])]);
  const broken = answers.find((answer) => answer.kind === "failed" && isConnectionLoss(answer.error));
  if (broken?.kind === "failed") return { kind: "lost", error: postgresErrorOf(broken.error) };
  const [begun] = answers;
  if (begun?.kind === "failed") return { kind: "refused", error: postgresErrorOf(begun.error) };

  let next = 1;
  const outcomes = changes.map((change) => {
    const own = answers.slice(next, next + change.length + 1);
    next += change.length + 2;
    return outcomeOf(change, own);
  });
  const callers = outcomes.filter((outcome) => typeof outcome === "number").length;
  if (callers === 0) {
    const [ended] = await connection.run([rollback]);
    if (ended?.kind === "failed") return { kind: "lost", error: postgresErrorOf(ended.error) };
    return { kind: "decided", outcomes };
  }
  return commit(session, outcomes, callers);
}

async function commit(session: Session, outcomes: readonly Outcome[], callers: number): Promise<Attempt> {
  beforeCommit.publish({ callers });
  const counting = { text: counted, name: "hatchery_counted", values: [session.id, session.number] };
  const [, committed] = await session.connection.run([counting, commitTransaction]);
  if (committed?.kind !== "done") return { kind: "unknown", outcomes, error: postgresErrorOf(committed?.error) };
  // COMMIT of a transaction that has failed is answered with ROLLBACK: the row was not there to be counted up.
  if (committed.command !== "COMMIT")
    return { kind: "lost", error: new StoreError("store-failed", "The database did not count the commit.") };
  session.number += 1;
  afterCommit.publish({ callers });
  return { kind: "decided", outcomes };
}

/** `answers`: one for each statement of the change, and one for its end. */
function outcomeOf(change: Change, answers: readonly Answer[]): Outcome {
  let changed = 0;
  for (const [index, answer] of answers.entries()) {
    const guard = change[index]?.guard;
    if (answer.kind === "failed") return postgresErrorOf(answer.error, guard);
    if (index < change.length) changed += guard === undefined ? answer.changed : guard.rows;
  }
  return changed;
}

/**
 * The server holds the guard, so that nobody has to wait for the number of rows: a wrong one makes it divide by zero, which
 * fails the statement, and with it the change.
 */
function requestOf({ sql, parameters, guard }: Statement): Request {
  if (guard === undefined)
    return parameters.length === 0 ? { text: sql } : { text: sql, values: parameters, ...names(sql) };
  const text = `with changed as (${sql} returning 1) select count(*) / (count(*) = ${guard.rows})::int from changed`;
  return { text, values: parameters, ...names(text) };
}

/** Published around COMMIT with `{ callers }`: before it nothing of the transaction is durable, after it everything is. */
const beforeCommit = channel("hatchery:commit:before");
const afterCommit = channel("hatchery:commit:after");

/**
 * One process writes at a time, whatever process it is: guards, sequences and the audit's chain then see all that was
 * committed before, and wait instead of being lost again and again. The lock ends with the transaction.
 */
export const writeLock = "select pg_advisory_xact_lock(5208647235)";

/**
 * Counts up the row of this connection, once: it divides by zero when the row has another number, or belongs to a connection
 * that was given up.
 */
const counted = `with changed as (
  update commits set number = number + 1 where session = $1 and number = $2 and given_up = 0 returning 1
) select 1 / count(*) from changed`;

const names = statementNames();

const begin: Request = { text: `begin isolation level read committed read write; ${writeLock}; savepoint caller` };
/** In a transaction that has failed only ROLLBACK TO is executed: it goes back to the savepoint before the change. */
const keep: Request = { text: "release caller; savepoint caller" };
/** Behind a change that was kept there is nothing to undo: the savepoint is the new one. */
const undo: Request = { text: "rollback to caller" };
const commitTransaction: Request = { text: "commit" };
const rollback: Request = { text: "rollback" };
