export interface MediaType {
  /** In lower case; empty when there is none. */
  readonly name: string;
  /** By their names in lower case, without quotation marks. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** RFC 9110 8.3.1: type and subtype compare without case, parameters come in any order; a space before `;` occurs (RFC 7030 A.4). */
export function mediaTypeOf(value: string | undefined): MediaType {
  const [name = "", ...rest] = (value ?? "").split(";");
  const parameters = new Map<string, string>();
  for (const part of rest) {
    // A boundary may hold this sign itself.
    const at = part.indexOf("=");
    const [key, text] = at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
    parameters.set(key.trim().toLowerCase(), text.trim().replace(/^"(.*)"$/, "$1"));
  }
  return { name: name.trim().toLowerCase(), parameters };
}
