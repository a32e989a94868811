import { concat, fromHex, utf8, view } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { equalSecret, hmacSha256 } from "../crypto/mac.ts";

/** The nonces of HTTP Digest (RFC 7616 5.4): a time and a seal over it, so that any process with the secret knows them again. */
export interface Nonces {
  issue(): string;
  /**
   * Whether the nonce is one of these, young enough, and not used with this count or a later one in this process. It is used
   * with it from then on; `use` is what may use it again with the same count.
   */
  accept(nonce: string, nc: string, use: object): boolean;
}

export function noncesOf(secret: Uint8Array, clock: Clock, randomness: Randomness): Nonces {
  const used = new Map<string, { readonly count: number; readonly issued: number }>();
  const accepted = new WeakSet<object>();
  /** Nonces from this time or before it are used up, all of them: one whose counts were forgotten was issued then. */
  let forgotten = Number.NEGATIVE_INFINITY;

  const sealed = (head: Uint8Array) =>
    concat([head, hmacSha256(secret, concat([purpose, head])).subarray(0, sealLength)]);

  function issuedAt(nonce: string): number | undefined {
    const bytes = Buffer.from(nonce, "base64url");
    if (bytes.length !== headLength + sealLength || bytes.toString("base64url") !== nonce) return undefined;
    return equalSecret(sealed(bytes.subarray(0, headLength)), bytes) ? bytes.readUIntBE(0, timeLength) : undefined;
  }

  function remember(nonce: string, count: number, issued: number): void {
    used.set(nonce, { count, issued });
    if (used.size <= mostUsed) return;
    for (const [each, { issued: then }] of used) {
      // The first in the map was used first, and need not be the oldest.
      if (used.size <= mostUsed) break;
      used.delete(each);
      forgotten = Math.max(forgotten, then);
    }
  }

  return {
    issue() {
      const time =
        fromHex(
          clock
            .now()
            .toString(16)
            .padStart(2 * timeLength, "0"),
        ) ?? new Uint8Array(timeLength);
      return view(sealed(concat([time, randomness.bytes(headLength - timeLength)]))).toString("base64url");
    },
    accept(nonce, nc, use) {
      if (accepted.has(use)) return true;
      const issued = issuedAt(nonce);
      if (issued === undefined) return false;
      const age = clock.now() - issued;
      if (age > lifetime || age < -mostAhead || issued <= forgotten) return false;
      const count = Number.parseInt(nc, 16);
      if (count <= (used.get(nonce)?.count ?? 0)) return false;
      remember(nonce, count, issued);
      accepted.add(use);
      return true;
    },
  };
}

/** Milliseconds that a nonce is good for; after that a client is given another one, and asks no person for it. */
const lifetime = 5 * 60_000;
/** Milliseconds that the clocks of two processes may differ. */
const mostAhead = 60_000;
/** Only who has proven a password puts a nonce in here. */
const mostUsed = 10_000;

/** Milliseconds since 1970 until the year 10889. */
const timeLength = 6;
const headLength = 16;
const sealLength = 16;
const purpose = utf8("hatchery est nonce ");
