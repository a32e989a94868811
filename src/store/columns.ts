import { StoreError } from "./errors.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** A JSON column's text. */
export function encodeJson(value: object): string {
  return JSON.stringify(value);
}

/** The object of a JSON column; throws `store-failed` when the text is no JSON object. */
export function decodeJson<Shape extends object = JsonObject>(text: string): Shape {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Shape;
  } catch {}
  throw new StoreError("store-failed", "A JSON column of the database does not hold a JSON object.");
}

/** A row without its NULL columns: SQL's NULL is the absent property of a record. */
export function withoutNulls<Row extends object>(row: Row): WithoutNulls<Row> {
  const present = Object.entries(row).filter(([, value]) => value !== null);
  return Object.fromEntries(present) as WithoutNulls<Row>;
}

type WithoutNulls<Row> = { [Column in keyof Row as null extends Row[Column] ? never : Column]: Row[Column] } & {
  [Column in keyof Row as null extends Row[Column] ? Column : never]?: Exclude<Row[Column], null>;
};
