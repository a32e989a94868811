import { HatcheryError, messageOf } from "../core/errors.ts";

/** Everything that a transport reports by an error; what a listener only refuses and counts is in `http/refusals.ts`. */
export type TransportErrorCode =
  | "connect-failed"
  | "handshake-failed"
  | "server-not-trusted"
  | "name-mismatch"
  | "association-closed"
  | "timeout"
  | "response-too-large"
  | "broken-response"
  | "invalid-request"
  | "one-direction"
  | "no-binding"
  | "unusable-credential"
  | "address-in-use"
  | "listen-failed"
  | "invalid-address"
  | "service-not-running";

/** The error of every transport room: one code of the closed union and one sentence. */
export class TransportError extends HatcheryError<TransportErrorCode> {
  override readonly name = "TransportError";
}

/** What `cause` says, fit for the end of a sentence: the short reason of an OpenSSL error, or the first line of any other. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof Error && "reason" in cause && typeof cause.reason === "string") return cause.reason;
  return (messageOf(cause).split("\n", 1)[0] ?? "").replace(/\.$/, "");
}
