declare const opaque: unique symbol;

/**
 * A change that a port would make to the store, handed back instead of made: the caller commits all writes of one step
 * together, or none. Only the store knows what is inside.
 */
export interface Write {
  readonly [opaque]: true;
}
