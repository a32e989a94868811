/** Where a connection comes from. */
export interface Source {
  readonly host: string;
  readonly port: number;
}

/** Says of `socket` that it carries the connection of `source`, as a proxy that is believed has told. */
export function setSource(socket: object, source: Source): void {
  sources.set(socket, source);
}

/** What a proxy told of `socket`; undefined when its own addresses are the ones that count. */
export function sourceOf(socket: object): Source | undefined {
  return sources.get(socket);
}

const sources = new WeakMap<object, Source>();
