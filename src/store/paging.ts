import { Buffer } from "node:buffer";
import { StoreError } from "./errors.ts";

/** Which part of a list to read. */
export interface PageRequest {
  /** Records at most, 1 to `maxPage`. */
  readonly limit: number;
  /** The `next` of the page before; absent for the first page. */
  readonly after?: string;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Where the next page begins; absent on the last page. */
  readonly next?: string;
}

/**
 * All records of a list in its order, read page by page. Pages are read one after the other, so a change between two of
 * them is seen by the later one only.
 */
export async function* each<Item>(read: (page: PageRequest) => Promise<Page<Item>>): AsyncGenerator<Item> {
  let page = await read({ limit: maxPage });
  yield* page.items;
  while (page.next !== undefined) {
    page = await read({ limit: maxPage, after: page.next });
    yield* page.items;
  }
}

export type Key = readonly (string | number)[];

/** The order columns of a list, as the types that its cursor holds. */
type KeyShape<K extends Key> = { readonly [Index in keyof K]: K[Index] extends number ? "integer" : "text" };

/** A list's way of reading a page: where to begin, how many rows to ask for, and the page made of the rows. */
export interface Cursor<K extends Key> {
  /** The order columns of the last record of the page before. */
  readonly after: K | undefined;
  /** One row more than the page, to know whether there is a next one. */
  readonly rows: number;
  page<Row, Item>(rows: readonly Row[], keyOf: (row: Row) => K, recordOf: (row: Row) => Item): Page<Item>;
}

/** Checks `request` against the list's order columns; throws `page-invalid`. */
export function cursor<K extends Key>(request: PageRequest, shape: KeyShape<K>): Cursor<K> {
  const { limit, after } = request;
  if (!Number.isInteger(limit) || limit < 1 || limit > maxPage)
    throw new StoreError("page-invalid", `The page size has to be a whole number from 1 to ${maxPage}.`);
  return {
    after: after === undefined ? undefined : decodeKey(after, shape),
    rows: limit + 1,
    page(rows, keyOf, recordOf) {
      const shown = rows.slice(0, limit);
      const last = shown.at(-1);
      const items = shown.map(recordOf);
      return rows.length > limit && last !== undefined ? { items, next: encodeKey(keyOf(last)) } : { items };
    },
  };
}

function encodeKey(key: Key): string {
  return Buffer.from(JSON.stringify(key), "utf8").toString("base64url");
}

function decodeKey<K extends Key>(text: string, shape: KeyShape<K>): K {
  const key = parseKey(text);
  const kinds: readonly ("integer" | "text")[] = shape;
  const fits =
    Array.isArray(key) &&
    key.length === kinds.length &&
    kinds.every((kind, index) => (kind === "text" ? typeof key[index] === "string" : Number.isSafeInteger(key[index])));
  if (!fits)
    throw new StoreError("page-invalid", "The cursor is not one of this list; begin again with the first page.");
  return key as unknown as K;
}

function parseKey(text: string): unknown {
  if (text.length > maxCursorText) return undefined;
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Records on one page at most: what one read may hold up the thread for. */
export const maxPage = 500;

/** Longer than any key of bounded texts that was given out. */
const maxCursorText = 4096;
