import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";

export type BodyOutcome =
  | { readonly kind: "complete"; readonly body: Uint8Array }
  | { readonly kind: "too-large" }
  | { readonly kind: "aborted"; readonly cause: unknown };

/** Reads the body of `message` up to `limit` bytes and leaves the rest unread; never throws. */
export function readBody(message: IncomingMessage, limit: number): Promise<BodyOutcome> {
  if (Number(message.headers["content-length"] ?? 0) > limit) return Promise.resolve({ kind: "too-large" });
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (outcome: BodyOutcome) => {
      message.off("data", keep).off("end", end).off("error", abort).off("close", abort);
      resolve(outcome);
    };
    const keep = (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limit) {
        chunks.push(chunk);
        return;
      }
      message.pause();
      settle({ kind: "too-large" });
    };
    const end = () => settle({ kind: "complete", body: Buffer.concat(chunks, length) });
    const abort = () => settle({ kind: "aborted", cause: message.errored });
    message.on("data", keep).on("end", end).on("error", abort).on("close", abort).resume();
    if (message.destroyed) abort();
  });
}
