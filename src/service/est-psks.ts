import { base64, fromBase64, textOf, utf8 } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import type { Randomness } from "../core/randomness.ts";
import { hmacSha256 } from "../crypto/mac.ts";
import type { VerifiedUser } from "../protocols/ports.ts";
import type { SealedKey } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import type { PreSharedKeys } from "../transport/http/psk.ts";
import { ServiceError } from "./errors.ts";
import { keyPurpose, type Vault } from "./vault.ts";

/**
 * Keys that devices without certificates share with the EST server (RFC 7030 3.3.3), by their PSK identity. They are kept as
 * other keys are, sealed by the vault.
 */
export interface EstPsk {
  /** Its PSK identity, in ASCII. */
  readonly name: string;
  /** Names of devices that it may enrol; may hold `*`. */
  readonly devices: string;
  readonly created: number;
}

export interface EstPskParts {
  readonly store: Store;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

interface Acting extends EstPskParts {
  readonly tenant: string;
  readonly actor: string;
}

/**
 * Makes a key and returns it; it replaces the one of the same name. It is always made here, because a key that somebody chose
 * may be found by trying, with one recorded handshake and no server. Throws `invalid`.
 */
export async function putEstPsk(
  { tenant, actor, clock, store, vault, randomness }: Acting,
  { name, devices }: Pick<EstPsk, "name" | "devices">,
): Promise<Uint8Array> {
  if (!namePattern.test(name))
    throw new ServiceError(
      "invalid",
      "a PSK identity has 1 to 64 letters, digits, dots, dashes, underscores or colons",
    );
  const created = clock.now();
  const place = placeOf(name);
  const stored = await store.authorities.key(tenant, place);
  if (stored === undefined && (await store.authorities.keysUnder(tenant, prefix)).length >= mostKeys)
    throw new ServiceError("invalid", `there are ${mostKeys} pre-shared keys already; remove some`);
  await vault.refresh();
  const key = randomness.bytes(keyLength);
  const kept: Kept = { key: base64(key), devices, created };
  const sealed = vault.seal(keyPurpose(tenant, place), utf8(JSON.stringify(kept)));
  await store.commit([
    stored === undefined
      ? store.authorities.addKey({ tenant, name: place, sealed })
      : store.authorities.resealKey(stored, sealed),
    store.vaultKeys.requireKeyOf(sealed),
    store.audit.append({ tenant, at: created, actor, action: "est-psk-put", subject: name, detail: { devices } }),
  ]);
  return key;
}

/** All of them by name, without the keys. */
export async function listEstPsks(
  tenant: string,
  { store, vault }: Pick<EstPskParts, "store" | "vault">,
): Promise<readonly EstPsk[]> {
  const stored = await store.authorities.keysUnder(tenant, prefix);
  return Promise.all(
    stored.map(async (each) => {
      const { devices, created } = await opened(each, vault);
      return { name: each.name.slice(prefix.length), devices, created };
    }),
  );
}

/** Forgets a key. Throws `not-found`. */
export async function removeEstPsk({ tenant, actor, clock, store }: Acting, name: string): Promise<void> {
  try {
    await store.commit([
      store.authorities.removeKey(tenant, placeOf(name)),
      store.audit.append({ tenant, at: clock.now(), actor, action: "est-psk-remove", subject: name, detail: {} }),
    ]);
  } catch (cause) {
    if (codeOf(cause) === "guard-lost")
      throw new ServiceError("not-found", `there is no pre-shared key ${name}`, { cause });
    throw cause;
  }
}

/** Whom a proven identity stands for now; undefined when its key was removed, also during the connection that it opened. */
export async function pskUser(
  tenant: string,
  identity: string,
  { store, vault }: Pick<EstPskParts, "store" | "vault">,
): Promise<VerifiedUser | undefined> {
  const stored = namePattern.test(identity) ? await store.authorities.key(tenant, placeOf(identity)) : undefined;
  return stored === undefined ? undefined : { devices: (await opened(stored, vault)).devices };
}

/** The keys of one tenant in memory, as a handshake needs them, which cannot wait for the store. */
export interface PskTable extends PreSharedKeys {
  /** Reads the keys anew; throws what the store and the vault throw, and then keeps what it has. */
  refresh(): Promise<void>;
}

export function pskTable(tenant: string, { store, vault, randomness }: Omit<EstPskParts, "clock">): PskTable {
  const decoys = randomness.bytes(keyLength);
  let keys: ReadonlyMap<string, { readonly sealed: Uint8Array; readonly key: Uint8Array }> = new Map();
  return {
    keyOf(identity) {
      // Made for known identities too, so that both take the same time.
      const decoy = hmacSha256(decoys, utf8(identity));
      return keys.get(identity)?.key ?? decoy;
    },
    async refresh() {
      const stored = await store.authorities.keysUnder(tenant, prefix);
      const read = stored.map(async (each) => {
        const name = each.name.slice(prefix.length);
        const known = keys.get(name);
        if (known !== undefined && Buffer.compare(known.sealed, each.sealed) === 0) return [name, known] as const;
        const key = fromBase64((await opened(each, vault)).key) ?? randomness.bytes(keyLength);
        return [name, { sealed: each.sealed, key }] as const;
      });
      keys = new Map(await Promise.all(read));
    },
  };
}

/** What is sealed. */
interface Kept {
  readonly key: string;
  readonly devices: string;
  readonly created: number;
}

async function opened({ tenant, name, sealed }: SealedKey, vault: Vault): Promise<Kept> {
  return JSON.parse(textOf(await vault.open(keyPurpose(tenant, name), sealed))) as Kept;
}

function placeOf(name: string): string {
  return `${prefix}${name}`;
}

/** No CA's key has such a name. */
const prefix = "est-psk/";
const namePattern = /^[A-Za-z0-9._:-]{1,64}$/;
/** As many as `keysUnder` reads: all of them are in memory. */
const mostKeys = 1_000;
const keyLength = 32;
