import { HatcheryError } from "../core/errors.ts";

/**
 * What can go wrong in the store.
 *
 * - `guard-lost`: another change was first; read again and decide again.
 * - `store-full`: the disk, or the size the database may have, is used up; nothing of the change was kept.
 * - `store-failed`: the database refused for any other reason; nothing of the change was kept.
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
