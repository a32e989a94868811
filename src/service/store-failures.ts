import type { Clock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";

export interface StoreFailuresOptions {
  readonly clock: Clock;
  /** Told of an error that may pass, such as a full disk: once a minute at most for each code. Must not throw. */
  readonly onFailure: (error: unknown) => void;
  /** Told once of an error after which nothing can be kept any more. Must not throw. */
  readonly onFatal: (error: unknown) => void;
}

/**
 * What becomes of the store's errors that are nobody's fault who asks: every request can run into one, so the operator
 * hears of them here and not once for each request.
 */
export function storeFailures({ clock, onFailure, onFatal }: StoreFailuresOptions): (error: unknown) => void {
  const lastTold = new Map<string, number>();
  return (error) => {
    const code = codeOf(error);
    const now = clock.monotonic();
    const last = lastTold.get(code);
    const fatal = code === "store-replaced";
    if (last !== undefined && (fatal || now - last < quietMilliseconds)) return;
    lastTold.set(code, now);
    if (fatal) onFatal(error);
    else onFailure(error);
  };
}

/** The errors of the store, of the vault over it and of the token with the CA's keys that are nobody's fault who asks; asking again may help. */
export const storeErrors: ReadonlySet<string> = new Set([
  "store-full",
  "store-failed",
  "store-unreachable",
  "store-unsuitable",
  "commit-unknown",
  "store-closed",
  "store-replaced",
  "rekeyed-elsewhere",
  "hsm-module",
  "hsm-token-missing",
  "hsm-key-missing",
  "hsm-pin-wrong",
  "hsm-pin-locked",
  "hsm-failed",
  "hsm-signature",
  "hsm-timeout",
  "hsm-busy",
  "hsm-crashed",
]);

const quietMilliseconds = 60_000;
