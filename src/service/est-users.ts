import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { hashPassword, verifyPassword } from "../crypto/password.ts";
import { basicChallenge } from "../protocols/est/index.ts";
import type { Credentials } from "../protocols/ports.ts";
import { type AttemptBounds, attemptLimit } from "./attempts.ts";
import { ServiceError } from "./errors.ts";
import { digestUsers, type EstUserParts, sealedDigests } from "./est-digest.ts";
import { pskUser } from "./est-psks.ts";
import { fairQueue } from "./fair-queue.ts";

/** An EST user as the operator gives it. */
export interface EstUserRequest {
  readonly tenant: string;
  readonly name: string;
  readonly password: string;
  readonly devices: string;
  /** What HTTP Digest it may use beside Basic: none, with SHA-256, or with MD5 as well. */
  readonly digest?: "sha-256" | "md5";
}

/** Adds a user of EST's HTTP authentication, or gives an existing one a new password. */
export async function putEstUser(
  user: EstUserRequest,
  actor: string,
  { store, vault, clock, randomness }: EstUserParts,
  hashing = passwordHashing,
): Promise<void> {
  const { tenant, name, password, devices, digest } = user;
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
  const secrets = digest === undefined ? [] : sealedDigests(user, digest, vault);
  const now = clock.now();
  const detail = { devices, ...(digest === undefined ? {} : { digest }) };
  await store.commit([
    store.estUsers.put({ tenant, name, passwordHash, devices, created: now }, secrets),
    ...secrets.map(({ sealed }) => store.vaultKeys.requireKeyOf(sealed)),
    store.audit.append({ tenant, at: now, actor, action: "est-user-put", subject: name, detail }),
  ]);
}

/** What a listener's credentials are verified with, and what it asks for. */
export interface EstCredentials extends Credentials {
  /** Values of WWW-Authenticate, the strongest first (RFC 7235 4.1); `stale` says that the password was right. */
  challenges(stale: boolean): Promise<readonly string[]>;
}

/**
 * Checks users of one tenant. A user that does not exist costs as much time as a wrong password, and somebody who guesses
 * is turned away before the costly hash. `verifyPassword` throws `overloaded` when too many passwords wait to be checked.
 */
export function credentialsOf(tenant: string, parts: EstUserParts, hashing = passwordHashing): EstCredentials {
  const { store, clock, randomness } = parts;
  const attempts = guessing(clock);
  const digests = digestUsers(tenant, parts);
  let nobody: Promise<string> | undefined;
  return {
    async verifyPassword(name, password, address) {
      const guesser = guesserOf(address);
      if (!attempts.allows(guesser, name)) return undefined;
      return hashing.run(guesser, async () => {
        if (!attempts.allows(guesser, name)) return undefined;
        const user = await store.estUsers.find(tenant, name);
        nobody ??= hashPassword(hex(randomness.bytes(16)), randomness.bytes(16));
        const matches = await verifyPassword(user?.passwordHash ?? (await nobody), password);
        const right = attempts.judged(guesser, name, matches ? user : undefined);
        return right && { devices: right.devices };
      });
    },
    async verifyDigest(proof, address) {
      const guesser = guesserOf(address);
      if (!attempts.allows(guesser, proof.user)) return undefined;
      const user = attempts.judged(guesser, proof.user, await digests.verify(proof));
      if (user === undefined) return undefined;
      return (await digests.accept(proof)) ? { devices: user.devices } : "stale";
    },
    pskUser: (identity) => pskUser(tenant, identity, parts),
    challenges: async (stale) => [...(await digests.challenges(stale)), basicChallenge],
  };
}

/**
 * Limits by guesser and user, so that a stranger's guesses do not lock a device out; and by guesser, so that inventing names is no
 * way around that. Only a guess that was found wrong counts: a fleet that logs in at once guesses nothing.
 */
function guessing(clock: Clock) {
  const byUser = attemptLimit(failuresByUser, clock);
  const byGuesser = attemptLimit(failuresByGuesser, clock);
  // A name that is too long to be a user's is remembered in part: the memory is bounded.
  const guess = (guesser: string, name: string) => `${guesser} ${name.slice(0, longestName + 1)}`;
  const allows = (guesser: string, name: string) => byGuesser.allows(guesser) && byUser.allows(guess(guesser, name));
  return {
    allows,
    /** The user that a guess has found, undefined for none: told only while the guesses that were judged before allow it. */
    judged<User>(guesser: string, name: string, user: User | undefined): User | undefined {
      // Looked at again, so that guesses that are made at the same time do not pass the limit together.
      if (!allows(guesser, name)) return undefined;
      if (user !== undefined) return user;
      byGuesser.count(guesser);
      byUser.count(guess(guesser, name));
      return undefined;
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
const passwordHashing = fairQueue({ atOnce: 2, waiting: 64, work: "passwords wait to be checked" });
