import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { hashPassword, verifyPassword } from "../crypto/password.ts";
import type { Credentials } from "../protocols/ports.ts";
import type { Store } from "../store/store.ts";
import { type AttemptBounds, attemptLimit } from "./attempts.ts";
import { ServiceError } from "./errors.ts";
import { fairQueue } from "./fair-queue.ts";

/** Adds a user of EST's HTTP authentication, or gives an existing one a new password. */
export async function putEstUser(
  store: Store,
  user: { readonly tenant: string; readonly name: string; readonly password: string; readonly devices: string },
  actor: string,
  clock: Clock,
  randomness: Randomness,
  hashing = passwordHashing,
): Promise<void> {
  const { tenant, name, password, devices } = user;
  // RFC 7617 2: a colon ends the user name.
  if (!/^[\x21-\x39\x3b-\x7e]+$/.test(name) || name.length > longestName) {
    const sentence = `a user name has 1 to ${longestName} printable ASCII characters, no space and no colon`;
    throw new ServiceError("invalid", sentence);
  }
  if (password.length < leastPassword || password.length > mostPassword) {
    throw new ServiceError("invalid", `a password has ${leastPassword} to ${mostPassword} characters`);
  }
  // The operator does not stand in line behind those who guess.
  const passwordHash = await hashing.runFirst(() => hashPassword(password, randomness.bytes(16)));
  const now = clock.now();
  await store.commit([
    store.estUsers.put({ tenant, name, passwordHash, devices, created: now }),
    store.audit.append({ tenant, at: now, actor, action: "est-user-put", subject: name, detail: { devices } }),
  ]);
}

/**
 * Checks users of one tenant. A user that does not exist costs as much time as a wrong password, and somebody who guesses
 * is turned away before the costly hash. `verifyPassword` throws `overloaded` when too many passwords wait to be checked.
 */
export function credentialsOf(
  tenant: string,
  store: Store,
  clock: Clock,
  randomness: Randomness,
  hashing = passwordHashing,
): Credentials {
  // By guesser and user, so that a stranger's guesses do not lock a device out; by guesser, so that inventing names is
  // no way around that.
  const byUser = attemptLimit(failuresByUser, clock);
  const byGuesser = attemptLimit(failuresByGuesser, clock);
  let nobody: Promise<string> | undefined;
  return {
    async verifyPassword(name, password, address) {
      const guesser = guesserOf(address);
      // A name that is too long to be a user's is remembered in part: the memory is bounded.
      const guess = `${guesser} ${name.slice(0, longestName + 1)}`;
      if (!byGuesser.allows(guesser) || !byUser.allows(guess)) return undefined;
      return hashing.run(guesser, async () => {
        // Counted before the hash, so that guesses that are made at the same time do not pass the limit together.
        const forgetGuesser = byGuesser.begin(guesser);
        const forgetGuess = byUser.begin(guess);
        if (forgetGuesser === undefined || forgetGuess === undefined) {
          forgetGuesser?.();
          forgetGuess?.();
          return undefined;
        }
        const user = await store.estUsers.find(tenant, name);
        nobody ??= hashPassword(hex(randomness.bytes(16)), randomness.bytes(16));
        const right = await verifyPassword(user?.passwordHash ?? (await nobody), password);
        if (user === undefined || !right) return undefined;
        forgetGuesser();
        forgetGuess();
        return { devices: user.devices };
      });
    },
  };
}

/**
 * Whom an address stands for: an IPv6 host chooses freely among the 2^64 addresses of its subnet (RFC 4291 2.5.1), so all of
 * them are one guesser.
 */
function guesserOf(address: string): string {
  const host = address.replace(/[[\]]/g, "");
  if (!host.includes(":")) return host;
  const [head = [], tail = []] = host.split("::").map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0");
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(":")}::/64`;
}

const longestName = 64;
const leastPassword = 8;
const mostPassword = 128;

const minute = 60_000;
const failuresByUser: AttemptBounds = { most: 10, window: minute, keys: 10_000 };
const failuresByGuesser: AttemptBounds = { most: 100, window: minute, keys: 10_000 };

/**
 * One for the process, as its thread pool is: a hash keeps one of four threads busy for about 40 ms, and file system and
 * name look-ups need the others.
 */
const passwordHashing = fairQueue({ atOnce: 2, waiting: 64 });
