import type { Clock } from "../../core/clock.ts";
import { codeOf } from "../../core/errors.ts";
import type { Write } from "../../core/write.ts";
import { each } from "../../store/paging.ts";
import type { VaultKey } from "../../store/records.ts";
import type { Store } from "../../store/store.ts";
import { keyPurpose, sessionPurpose } from "../vault.ts";
import type { VaultSource } from "./key-file.ts";
import type { KeyChange, LiveVault } from "./live-vault.ts";

/** The vault's keys as an operator sees them; no secret is in here. */
export interface VaultStatus {
  readonly source: VaultSource;
  /** The current one first; `sealed` counts what it sealed. */
  readonly keys: readonly (Pick<VaultKey, "id" | "state" | "created"> & { readonly sealed: number })[];
  /** Why a retiring key could not go; absent while all is well. */
  readonly problem?: string;
}

export interface Rekeying {
  /** Makes a new data key and begins to seal everything with it; resolves when the new key is in force. */
  begin(change: KeyChange, actor: string): Promise<void>;
  status(): Promise<VaultStatus>;
  stop(): Promise<void>;
}

interface Parts {
  readonly store: Store;
  readonly vault: LiveVault;
  readonly clock: Clock;
  /** Told of what keeps a retiring key from going; the service goes on with both keys. Must not throw. */
  readonly onError: (error: unknown) => void;
}

/**
 * Seals anew, in the background, what is under a key that retires, and takes that key away when nothing is: first what a
 * service that ended in the middle has left, then whatever `begin` brings.
 */
export function startRekeying(parts: Parts): Rekeying {
  const { store, vault, clock, onError } = parts;
  const over = new AbortController();
  let problem: unknown;
  const work = async () => {
    problem = undefined;
    try {
      for (const { id, state } of await store.vaultKeys.list())
        if (state === "retiring") await sealAnew(id, parts, over.signal);
    } catch (error) {
      if (over.signal.aborted) return;
      problem = error;
      onError(error);
    }
  };
  let working = work();
  return {
    async begin(change, actor) {
      const from = vault.source();
      const detail = { from, to: change.source ?? from };
      const audit = await audited(store, clock, actor, "vault-rekey-begin", detail);
      // Also after one that failed: what was begun before it may have come to a halt.
      await vault.changeKey(change, audit).finally(() => {
        working = working.then(work);
      });
    },
    async status() {
      await vault.refresh();
      const keys = (await store.vaultKeys.list()).map(async ({ id, state, created }) => {
        return { id, state, created, sealed: await store.vaultKeys.count(id) };
      });
      const found = { source: vault.source(), keys: await Promise.all(keys) };
      return problem === undefined ? found : { ...found, problem: codeOf(problem) };
    },
    async stop() {
      over.abort();
      await working;
    },
  };
}

/** Throws `seal-broken` at a value that the retiring key does not open: then nothing takes the key away. */
async function sealAnew(id: string, { store, vault, clock }: Parts, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    await vault.refresh();
    // Another service on the database may have been first to take it away.
    if (!vault.ring.keys.has(id)) return;
    const { keys, sessions } = await store.vaultKeys.sealedWith(id, batch);
    const anew = async (purpose: string, sealed: Uint8Array) => vault.seal(purpose, await vault.open(purpose, sealed));
    const changes = await Promise.all([
      ...keys.map(async (key) => {
        const sealed = await anew(keyPurpose(key.tenant, key.name), key.sealed);
        return [store.authorities.resealKey(key, sealed), store.vaultKeys.requireKeyOf(sealed)];
      }),
      ...sessions.map(async (session) => {
        const { tenant, protocol, key, expires } = session;
        const data = await anew(sessionPurpose(tenant, protocol, key), session.data);
        return [store.sessions.save(session, { data, expires }), store.vaultKeys.requireKeyOf(data)];
      }),
    ]);
    if (changes.length === 0) {
      const done = await audited(store, clock, "service", "vault-rekey", { retired: id });
      if (await committed(store, [store.vaultKeys.remove(id), ...done])) return vault.refresh();
    } else if (!(await committed(store, changes.flat()))) {
      // An enrolment was first with one of them; the others need not wait for it.
      for (const change of changes) await committed(store, change);
    }
    await clock.sleep(pause, signal);
  }
}

/** Whether it was committed; not when somebody else was first. */
async function committed(store: Store, writes: readonly Write[]): Promise<boolean> {
  try {
    await store.commit(writes);
    return true;
  } catch (error) {
    if (codeOf(error) === "guard-lost") return false;
    throw error;
  }
}

/** One line in the audit of every tenant: the vault seals for all of them. */
async function audited(
  store: Store,
  clock: Clock,
  actor: string,
  action: string,
  detail: Readonly<Record<string, string>>,
): Promise<readonly Write[]> {
  const lines: Write[] = [];
  for await (const { tenant } of each((page) => store.tenants.list(page)))
    lines.push(store.audit.append({ tenant, at: clock.now(), actor, action, subject: "vault", detail }));
  return lines;
}

/** Of each kind: what one commit may hold up the thread for. */
const batch = 50;
/** Longer than a batch takes, so that enrolments have the thread most of the time. */
const pause = 10;
