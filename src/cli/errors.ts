import { HatcheryError } from "../core/errors.ts";

export type CliErrorCode =
  | "usage"
  | "file-unreadable"
  | "file-unwritable"
  | "answer-unexpected"
  | "audit-broken"
  | "hook-failed"
  | "nothing-there"
  | "interrupted";

/** What a command could not do by itself; the sentence says what to do. `usage` ends the process with 2, the others with 1. */
export class CliError extends HatcheryError<CliErrorCode> {
  override readonly name = "CliError";
}

/** The service refused a request; code and sentence are the service's own, so the set of codes is the API's. */
export class ServiceRefused extends HatcheryError {
  override readonly name = "ServiceRefused";
}

/** The exit code of an error: 2 when the command was used wrongly or no service runs, else 1. */
export function exitCodeOf(code: string): 1 | 2 {
  return code === "usage" || code === "service-not-running" ? 2 : 1;
}
