import { channel } from "node:diagnostics_channel";
import { StoreError } from "./errors.ts";
import type { Change, Outcome } from "./group-commit.ts";
import { type SqliteConnection, storeErrorOf } from "./sqlite-connection.ts";

/**
 * Applies all changes in one transaction, so that a change that fails leaves no trace and the others go on; one outcome for
 * each change, in order. Synchronous from BEGIN to COMMIT: nothing else can use the connection in between.
 */
export function commitTogether(connection: SqliteConnection, changes: readonly Change[]): readonly Outcome[] {
  if (changes.length === 0) return [];
  return tryAtOnce(connection, changes) ?? commitSeparably(connection, changes);
}

/**
 * Nearly always every change succeeds, and then nothing is needed to take one back: a savepoint for each lets SQLite copy
 * every page before its change, which costs as much as the changes. Undefined when one of several fails; nothing was kept.
 */
function tryAtOnce(connection: SqliteConnection, changes: readonly Change[]): readonly Outcome[] | undefined {
  try {
    connection.run(begin);
  } catch (error) {
    // Trying each alone would wait for the same lock again and again.
    const failed = storeErrorOf(error);
    return changes.map(() => failed);
  }
  try {
    const outcomes = changes.map((change) => apply(connection, change));
    return committed(connection, outcomes);
  } catch (error) {
    if (connection.inTransaction()) connection.run(rollback);
    return changes.length === 1 ? [storeErrorOf(error)] : undefined;
  }
}

/** The same with a savepoint for each change. */
function commitSeparably(connection: SqliteConnection, changes: readonly Change[]): readonly Outcome[] {
  if (changes.length === 0) return [];
  const attempt = trySeparably(connection, changes);
  if (attempt.kind === "decided") return attempt.outcomes;
  if (attempt.kind === "culprit") {
    const others = commitSeparably(connection, changes.toSpliced(attempt.index, 1));
    return others.toSpliced(attempt.index, 0, attempt.error);
  }
  if (changes.length === 1) return [attempt.error];
  // COMMIT names nobody, and what is too much together may fit alone.
  return changes.flatMap((change) => commitSeparably(connection, [change]));
}

/**
 * - `decided`: the transaction has ended, and every change has its outcome.
 * - `culprit`: the error of one change took the whole transaction with it, as a full disk does; the others are to run again.
 * - `unfinished`: the transaction could not be ended; nothing was kept.
 */
type Attempt =
  | { readonly kind: "decided"; readonly outcomes: readonly Outcome[] }
  | { readonly kind: "culprit"; readonly index: number; readonly error: StoreError }
  | { readonly kind: "unfinished"; readonly error: StoreError };

function trySeparably(connection: SqliteConnection, changes: readonly Change[]): Attempt {
  try {
    connection.run(begin);
  } catch (error) {
    const failed = storeErrorOf(error);
    return { kind: "decided", outcomes: changes.map(() => failed) };
  }
  try {
    const outcomes: Outcome[] = [];
    for (const [index, change] of changes.entries()) {
      const outcome = applyOne(connection, change);
      if (typeof outcome !== "number" && !connection.inTransaction()) return { kind: "culprit", index, error: outcome };
      outcomes.push(outcome);
    }
    return { kind: "decided", outcomes: committed(connection, outcomes) };
  } catch (error) {
    if (connection.inTransaction()) connection.run(rollback);
    return { kind: "unfinished", error: storeErrorOf(error) };
  }
}

function applyOne(connection: SqliteConnection, change: Change): Outcome {
  try {
    connection.run(savepoint);
    const changed = apply(connection, change);
    connection.run(release);
    return changed;
  } catch (error) {
    if (connection.inTransaction()) {
      connection.run(rollbackToSavepoint);
      connection.run(release);
    }
    return storeErrorOf(error);
  }
}

/** The rows changed; throws `guard-lost` and what SQLite throws, and leaves it to the caller to take the rest back. */
function apply(connection: SqliteConnection, change: Change): number {
  let changed = 0;
  for (const statement of change) {
    const rows = connection.run(statement);
    if (statement.guard !== undefined && rows !== statement.guard.rows)
      throw new StoreError("guard-lost", statement.guard.lost);
    changed += rows;
  }
  return changed;
}

/** Ends the transaction of changes with these outcomes, and answers what has become of them. */
function committed(connection: SqliteConnection, outcomes: readonly Outcome[]): readonly Outcome[] {
  commit(connection, outcomes.filter((outcome) => typeof outcome === "number").length);
  // After COMMIT: what was then still in its place will be found there by the next start.
  const lost = connection.lost();
  return lost === undefined ? outcomes : outcomes.map((outcome) => (typeof outcome === "number" ? lost : outcome));
}

function commit(connection: SqliteConnection, callers: number): void {
  if (callers === 0) {
    connection.run(rollback);
    return;
  }
  beforeCommit.publish({ callers });
  connection.run(commitTransaction);
  afterCommit.publish({ callers });
}

/** Published around COMMIT with `{ callers }`: before it nothing of the transaction is durable, after it everything is. */
const beforeCommit = channel("hatchery:commit:before");
const afterCommit = channel("hatchery:commit:after");

const begin = { sql: "BEGIN IMMEDIATE", parameters: [] };
const savepoint = { sql: "SAVEPOINT caller", parameters: [] };
const release = { sql: "RELEASE caller", parameters: [] };
const rollbackToSavepoint = { sql: "ROLLBACK TO caller", parameters: [] };
const commitTransaction = { sql: "COMMIT", parameters: [] };
const rollback = { sql: "ROLLBACK", parameters: [] };
