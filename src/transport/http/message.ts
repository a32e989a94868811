/** Header fields in order, names as received; a name may occur more than once. */
export type Headers = readonly (readonly [name: string, value: string])[];

/** A complete HTTP request, body already bounded by the binding's limit. */
export interface HttpRequest {
  readonly method: string;
  /** Origin-form target: path and optional query, still percent-encoded. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** All values of the field `name`, case-insensitively. */
export function fieldValues(headers: Headers, name: string): readonly string[] {
  const wanted = name.toLowerCase();
  return headers.filter(([field]) => field.toLowerCase() === wanted).map(([, value]) => value);
}

/** The value of a field that occurs exactly once; undefined when it is absent or doubled. */
export function singleField(headers: Headers, name: string): string | undefined {
  const values = fieldValues(headers, name);
  return values.length === 1 ? values[0] : undefined;
}
