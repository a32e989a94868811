import { base64, fromBase64, textOf, utf8 } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import { matchesPattern } from "../core/pattern.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";
import { keyPurpose, type Vault } from "./vault.ts";

/**
 * Symmetric keys that serverkeygen encrypts private keys under (RFC 7030 4.4.1.1), by the decryptKeyID that names them. They are
 * kept as other keys are, sealed by the vault.
 */
export interface EstKey {
  /** Its decryptKeyID, in ASCII. */
  readonly name: string;
  /** Names of devices that may use it; may hold `*`. */
  readonly devices: string;
  readonly created: number;
}

interface Parts {
  readonly store: Store;
  readonly vault: Vault;
}

interface Acting extends Parts {
  readonly tenant: string;
  readonly actor: string;
  readonly clock: Clock;
}

/** Registers a key, or replaces the one of the same name. Throws `invalid`. */
export async function putEstKey(
  { tenant, actor, clock, store, vault }: Acting,
  { name, key, devices }: { readonly name: string; readonly key: Uint8Array; readonly devices: string },
): Promise<void> {
  if (!namePattern.test(name))
    throw new ServiceError("invalid", "a key's name has 1 to 64 letters, digits, dots, dashes, underscores or colons");
  if (key.length !== 16 && key.length !== 24 && key.length !== 32)
    throw new ServiceError("invalid", "a key has 16, 24 or 32 octets, as AES key wrap takes them");
  const created = clock.now();
  const place = placeOf(name);
  const stored = await store.authorities.key(tenant, place);
  await vault.refresh();
  const kept: Kept = { key: base64(key), devices, created };
  const sealed = vault.seal(keyPurpose(tenant, place), utf8(JSON.stringify(kept)));
  await store.commit([
    stored === undefined
      ? store.authorities.addKey({ tenant, name: place, sealed })
      : store.authorities.resealKey(stored, sealed),
    store.vaultKeys.requireKeyOf(sealed),
    store.audit.append({ tenant, at: created, actor, action: "est-key-put", subject: name, detail: { devices } }),
  ]);
}

/** All of them by name, without the keys. */
export async function listEstKeys(tenant: string, { store, vault }: Parts): Promise<readonly EstKey[]> {
  const stored = await store.authorities.keysUnder(tenant, prefix);
  return Promise.all(
    stored.map(async ({ name, sealed }) => {
      const { devices, created } = await opened(tenant, name, sealed, vault);
      return { name: name.slice(prefix.length), devices, created };
    }),
  );
}

/** Forgets a key. Throws `not-found`. */
export async function removeEstKey({ tenant, actor, clock, store }: Acting, name: string): Promise<void> {
  try {
    await store.commit([
      store.authorities.removeKey(tenant, placeOf(name)),
      store.audit.append({ tenant, at: clock.now(), actor, action: "est-key-remove", subject: name, detail: {} }),
    ]);
  } catch (cause) {
    if (codeOf(cause) === "guard-lost") throw new ServiceError("not-found", `there is no EST key ${name}`, { cause });
    throw cause;
  }
}

/** The key that `identifier` names, if devices of this name may use it. */
export async function registeredKey(
  tenant: string,
  identifier: Uint8Array,
  device: string,
  { store, vault }: Parts,
): Promise<Uint8Array | undefined> {
  const name = Buffer.from(identifier).toString("latin1");
  if (!namePattern.test(name)) return undefined;
  const stored = await store.authorities.key(tenant, placeOf(name));
  if (stored === undefined) return undefined;
  const { key, devices } = await opened(tenant, stored.name, stored.sealed, vault);
  return matchesPattern(devices, device) ? fromBase64(key) : undefined;
}

/** What is sealed. */
interface Kept {
  readonly key: string;
  readonly devices: string;
  readonly created: number;
}

async function opened(tenant: string, place: string, sealed: Uint8Array, vault: Vault): Promise<Kept> {
  return JSON.parse(textOf(await vault.open(keyPurpose(tenant, place), sealed))) as Kept;
}

function placeOf(name: string): string {
  return `${prefix}${name}`;
}

/** No CA's key has such a name. */
const prefix = "est-key/";
const namePattern = /^[A-Za-z0-9._:-]{1,64}$/;
