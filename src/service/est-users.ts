import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { hashPassword, verifyPassword } from "../crypto/password.ts";
import type { Credentials } from "../protocols/ports.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";

/** Adds a user of EST's HTTP authentication, or gives an existing one a new password. */
export async function putEstUser(
  store: Store,
  user: { readonly tenant: string; readonly name: string; readonly password: string; readonly devices: string },
  actor: string,
  clock: Clock,
  randomness: Randomness,
): Promise<void> {
  const { tenant, name, password, devices } = user;
  // RFC 7617 2: a colon ends the user name.
  if (!/^[\x21-\x39\x3b-\x7e]{1,64}$/.test(name))
    throw new ServiceError("invalid", "a user name has 1 to 64 printable ASCII characters, no space and no colon");
  if (password.length < leastPassword || password.length > mostPassword) {
    throw new ServiceError("invalid", `a password has ${leastPassword} to ${mostPassword} characters`);
  }
  const passwordHash = await hashPassword(password, randomness.bytes(16));
  const now = clock.now();
  await store.commit([
    store.estUsers.put({ tenant, name, passwordHash, devices, created: now }),
    store.audit.append({ tenant, at: now, actor, action: "est-user-put", subject: name, detail: { devices } }),
  ]);
}

/**
 * Checks users of one tenant. A user that does not exist costs as much time as a wrong password, and somebody who guesses
 * is slowed down before the costly hash.
 */
export function credentialsOf(tenant: string, store: Store, clock: Clock, randomness: Randomness): Credentials {
  const failures = new Map<string, { count: number; until: number }>();
  let nobody: Promise<string> | undefined;
  return {
    async verifyPassword(name, password, address) {
      const now = clock.now();
      // By guesser and user, so that a stranger's guesses do not lock a device out.
      const guess = `${address} ${name}`;
      const failed = failures.get(guess);
      if (failed !== undefined && failed.until > now && failed.count >= mostFailures) return undefined;
      const user = await store.estUsers.find(tenant, name);
      nobody ??= hashPassword(Buffer.from(randomness.bytes(16)).toString("hex"), randomness.bytes(16));
      const right = await verifyPassword(user?.passwordHash ?? (await nobody), password);
      if (user !== undefined && right) {
        failures.delete(guess);
        return { devices: user.devices };
      }
      remember(failures, guess, now);
      return undefined;
    },
  };
}

function remember(failures: Map<string, { count: number; until: number }>, guess: string, now: number): void {
  const failed = failures.get(guess);
  const count = failed !== undefined && failed.until > now ? failed.count + 1 : 1;
  failures.delete(guess);
  failures.set(guess, { count, until: now + failureWindow });
  // The oldest entry goes first: a flood of invented names must not fill the memory.
  const oldest = failures.keys().next().value;
  if (failures.size > mostRemembered && oldest !== undefined) failures.delete(oldest);
}

const leastPassword = 8;
const mostPassword = 128;
const mostFailures = 10;
const failureWindow = 60_000;
const mostRemembered = 10_000;
