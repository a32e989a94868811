import type { Clock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import type { Randomness } from "../core/randomness.ts";
import {
  type DigestAlgorithm,
  digestChallenge,
  digestSecret,
  realm,
  verifyDigestResponse,
} from "../protocols/est/index.ts";
import type { DigestProof } from "../protocols/ports.ts";
import { digestSecretName } from "../store/est-users.ts";
import type { DigestSecret, EstUser } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { type Nonces, noncesOf } from "./est-nonces.ts";
import { keyPurpose, type Vault } from "./vault.ts";

export interface EstUserParts {
  readonly store: Store;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** What is kept of a user's password for HTTP Digest, sealed: whoever opens it can log in here as this user, and guess fast. */
export function sealedDigests(
  { tenant, name, password }: { readonly tenant: string; readonly name: string; readonly password: string },
  digest: "sha-256" | "md5",
  vault: Vault,
): readonly DigestSecret[] {
  const algorithms: readonly DigestAlgorithm[] = digest === "md5" ? ["SHA-256", "MD5"] : ["SHA-256"];
  return algorithms.map((algorithm) => ({
    algorithm,
    sealed: vault.seal(
      keyPurpose(tenant, digestSecretName(algorithm, name)),
      digestSecret(algorithm, name, realm, password),
    ),
  }));
}

/** What HTTP Digest a user may use, as `sealedDigests` was told; undefined for none. */
export async function digestOf(tenant: string, name: string, store: Store): Promise<"sha-256" | "md5" | undefined> {
  const kept = (algorithm: DigestAlgorithm) => store.authorities.key(tenant, digestSecretName(algorithm, name));
  const [sha256, md5] = await Promise.all([kept("SHA-256"), kept("MD5")]);
  if (md5 !== undefined) return "md5";
  return sha256 === undefined ? undefined : "sha-256";
}

/** The users of one tenant that HTTP Digest is possible for (RFC 7616). */
export interface DigestUsers {
  /** The user of a right response; undefined for a wrong one and for a user without Digest. The nonce is not looked at. */
  verify(proof: DigestProof): Promise<EstUser | undefined>;
  /** Whether the nonce of a right response is good for it, which it is once. */
  accept(proof: DigestProof): Promise<boolean>;
  /** One challenge for each algorithm that some user has. */
  challenges(stale: boolean): Promise<readonly string[]>;
}

export function digestUsers(tenant: string, { store, vault, clock, randomness }: EstUserParts): DigestUsers {
  let made: Promise<Nonces> | undefined;
  let offered: { readonly algorithms: readonly DigestAlgorithm[]; readonly at: number } | undefined;
  const nobody = randomness.bytes(32);

  /** The nonces of all processes on this database; throws what the store and the vault throw. */
  function nonces(): Promise<Nonces> {
    made ??= nonceSecret().then((secret) => noncesOf(secret, clock, randomness));
    made.catch(() => {
      made = undefined;
    });
    return made;
  }

  async function nonceSecret(): Promise<Uint8Array> {
    const purpose = keyPurpose(tenant, nonceKey);
    for (;;) {
      const stored = await store.authorities.key(tenant, nonceKey);
      if (stored !== undefined) return vault.open(purpose, stored.sealed);
      const secret = randomness.bytes(32);
      const sealed = vault.seal(purpose, secret);
      try {
        await store.commit([
          store.authorities.addKey({ tenant, name: nonceKey, sealed }),
          store.vaultKeys.requireKeyOf(sealed),
        ]);
        return secret;
      } catch (error) {
        // Another process was first with it, or with another key of the vault.
        if (codeOf(error) !== "guard-lost") throw error;
        await vault.refresh();
      }
    }
  }

  return {
    async verify(proof) {
      const name = digestSecretName(proof.algorithm, proof.user);
      const [user, stored] = await Promise.all([
        store.estUsers.find(tenant, proof.user),
        store.authorities.key(tenant, name),
      ]);
      const secret = stored === undefined ? nobody : await vault.open(keyPurpose(tenant, name), stored.sealed);
      const right = verifyDigestResponse(secret, proof, proof.response);
      return right && stored !== undefined ? user : undefined;
    },
    accept: async (proof) => (await nonces()).accept(proof.nonce, proof.nc, proof),
    async challenges(stale) {
      const now = clock.monotonic();
      if (offered === undefined || now - offered.at >= longestUnseen)
        offered = { algorithms: await store.estUsers.digestAlgorithms(tenant), at: now };
      const { algorithms } = offered;
      if (algorithms.length === 0) return [];
      const nonce = (await nonces()).issue();
      return algorithms.map((algorithm) => digestChallenge(algorithm, nonce, stale));
    },
  };
}

const nonceKey = "est-nonces";

/** Milliseconds until the first user of an algorithm, or the end of its last, shows in what is offered. */
const longestUnseen = 1000;
