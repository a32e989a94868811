import { codeOf, messageOf } from "../core/errors.ts";
import { StoreError, type StoreErrorCode } from "./errors.ts";
import type { PostgresSettings } from "./postgres-url.ts";
import type { Guard } from "./statement.ts";

/**
 * Any error of a statement as the store's own. PostgreSQL quotes values in its messages, so that only what is written here
 * and the SQLSTATE goes on.
 */
export function postgresErrorOf(cause: unknown, guard?: Guard): StoreError {
  if (cause instanceof StoreError) return cause;
  const [code, sentence] = meaningOf(cause, guard);
  return new StoreError(code, sentence, { details: { sqlstate: sqlStateOf(cause) } });
}

function meaningOf(cause: unknown, guard: Guard | undefined): readonly [code: StoreErrorCode, sentence: string] {
  const state = sqlStateOf(cause);
  if (isConnectionLoss(cause))
    return ["store-unreachable", `The connection to the database server broke: ${messageOf(cause)}.`];
  if (state === divisionByZero && guard !== undefined) return ["guard-lost", guard.lost];
  switch (state) {
    case uniqueViolation:
      return ["guard-lost", guard?.lost ?? "Another change made this one impossible."];
    case foreignKeyViolation:
      return ["guard-lost", "A record that the change refers to does not exist, or no longer."];
    case diskFull:
      return ["store-full", "The database cannot grow: free space on the server's disk."];
    case programLimitExceeded:
      return ["store-failed", "A name is longer than the 2,700 bytes that PostgreSQL can index."];
    case lockNotAvailable:
      return ["store-failed", "Another process holds the lock for writing to the database too long."];
    default: {
      const said = state?.startsWith(dataException) ? "it does not take a value" : messageOf(cause);
      return ["store-failed", `The database refused: ${said} (${state}).`];
    }
  }
}

/** Why no connection could be opened, in one sentence that says what to do. */
export function connectErrorOf(cause: unknown, settings: PostgresSettings): StoreError {
  if (cause instanceof StoreError) return cause;
  return new StoreError("store-unreachable", refusalOf(cause, settings), { details: { sqlstate: sqlStateOf(cause) } });
}

function refusalOf(cause: unknown, { shown, user, database, password }: PostgresSettings): string {
  const state = sqlStateOf(cause);
  switch (state) {
    case invalidPassword:
      return `the database server of ${shown} does not take the password of ${user}: set PGPASSWORD, or correct the passfile`;
    case invalidAuthorization:
      return `the database server of ${shown} does not let ${user} in: ${messageOf(cause)}`;
    case invalidCatalogName:
      return `there is no database ${database} on the server of ${shown}: make it with createdb`;
    case undefined:
      if (/does not support SSL/.test(messageOf(cause)))
        return `the database server of ${shown} does not offer TLS: turn it on there, or say sslmode=disable if nobody can listen in between`;
      return password === undefined && /client password must be/.test(messageOf(cause))
        ? `the database server of ${shown} wants a password: set PGPASSWORD, or add a line to the passfile`
        : `the database server of ${shown} cannot be reached (${reasonOf(cause)}): start it, or correct --database`;
    default:
      return `the database server of ${shown} takes no connection now: ${messageOf(cause)} (${state})`;
  }
}

/** Whether the error came with the end of the connection, and not as the answer to a statement. */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof StoreError) return error.code === "store-unreachable";
  const state = sqlStateOf(error);
  return state === undefined || endingStates.has(state) || state.startsWith("08");
}

/** Whether the same change may succeed when it is made again at once: it met another transaction, or a forgotten plan. */
export function isCollision(error: unknown): boolean {
  const state = error instanceof StoreError ? error.details["sqlstate"] : sqlStateOf(error);
  return typeof state === "string" && collisions.has(state);
}

/** The SQLSTATE with which the server answered; undefined for an error that is none of its answers. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = codeOf(error);
  // Each has a digit, which tells it from the names of system errors, such as EPIPE.
  return /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

function reasonOf(cause: unknown): string {
  // A name with several addresses has an error for each.
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join(", ");
  return messageOf(cause);
}

// PostgreSQL documentation, appendix A.
const divisionByZero = "22012";
const uniqueViolation = "23505";
const foreignKeyViolation = "23503";
const diskFull = "53100";
const programLimitExceeded = "54000";
const lockNotAvailable = "55P03";
const invalidPassword = "28P01";
const invalidAuthorization = "28000";
const invalidCatalogName = "3D000";
/** idle_in_transaction_session_timeout, admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped, idle_session_timeout. */
const endingStates: ReadonlySet<string> = new Set(["25P03", "57P01", "57P02", "57P03", "57P04", "57P05"]);
/** serialization_failure, deadlock_detected, and invalid_sql_statement_name: a plan whose making the server has passed over. */
const collisions: ReadonlySet<string> = new Set(["40001", "40P01", "26000"]);
/** Data exceptions: their messages hold the value. */
const dataException = "22";
