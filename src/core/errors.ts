/** Facts that belong to an error. Never a secret: they reach logs, the audit and the ledger. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The only class of error that rooms throw on purpose: a stable `code` that programs may switch on, and one sentence for
 * people. A room narrows `Code` to its own closed union.
 */
export class HatcheryError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly details: ErrorDetails;

  constructor(
    code: Code,
    message: string,
    options: { readonly cause?: unknown; readonly details?: ErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "HatcheryError";
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** The sentence of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The code of any thrown value: ours, one of Node's, or `unexpected`. */
export function codeOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string")
    return error.code;
  return "unexpected";
}
