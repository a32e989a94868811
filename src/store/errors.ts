import { HatcheryError } from "../core/errors.ts";

/**
 * What can go wrong in the store.
 *
 * - `guard-lost`: another change was first; read again and decide again.
 * - `store-full`: the disk, or the size the database may have, is used up; nothing of the change was kept.
 * - `store-failed`: the database refused for any other reason; nothing of the change was kept.
 * - `store-unreachable`: there is no connection to the database server, or it let nobody in; nothing of the change was kept.
 * - `store-unsuitable`: the server, or the way to it, is none on which a promise could be kept.
 * - `commit-unknown`: the connection broke while the change was committed, and the server could not be asked in time whether
 *   it was kept: read again before deciding again.
 * - `store-replaced`: the database file was removed or replaced while it was in use; nothing can be kept any more.
 * - `store-missing`: there is no database where there has to be one.
 * - `store-newer`: a newer program wrote the database.
 * - `store-closed`: the store was closed before the call.
 * - `data-in-use`: another process holds the data directory.
 * - `page-invalid`: the page size or the cursor of a list is not one that the store accepts.
 */
export type StoreErrorCode =
  | "guard-lost"
  | "store-full"
  | "store-failed"
  | "store-unreachable"
  | "store-unsuitable"
  | "commit-unknown"
  | "store-replaced"
  | "store-missing"
  | "store-newer"
  | "store-closed"
  | "data-in-use"
  | "page-invalid";

/** The only error that the store throws. */
export class StoreError extends HatcheryError<StoreErrorCode> {
  override readonly name = "StoreError";
}
