import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "../../core/clock.ts";
import { seededRandomness } from "../../core/randomness.ts";
import { openSqliteStore } from "../../store/sqlite.ts";
import type { Store } from "../../store/store.ts";
import type { Vault } from "../vault.ts";
import type { LiveVault } from "./live-vault.ts";
import { openVault, type VaultOptions } from "./open-vault.ts";

/** One data directory over its lives: the store stays, the vault is opened again and again. */
export interface VaultBench {
  readonly directory: string;
  readonly store: Store;
  readonly clock: ManualClock;
  open(options?: Partial<VaultOptions>): Promise<LiveVault>;
}

/** Nothing is secret here, and sealing draws no random numbers. */
export const unsealed: Vault = {
  seal: (_purpose, plaintext) => plaintext,
  open: async (_purpose, sealed) => sealed,
  refresh: async () => {},
};

let seeds = 0;

/** An empty directory and an empty store with the tenants `default` and `demo`. */
export async function vaultBench(): Promise<VaultBench> {
  const directory = mkdtempSync(join(tmpdir(), "hatchery-vault-"));
  const store = await openSqliteStore(":memory:");
  const clock = new ManualClock(1_000);
  for (const tenant of ["default", "demo"]) await store.commit([store.tenants.ensure({ tenant, created: 0 })]);
  return {
    directory,
    store,
    clock,
    open(options = {}) {
      seeds += 1;
      return openVault({
        directory,
        store,
        clock,
        randomness: seededRandomness(`vault ${seeds}`),
        secrets: {},
        ...options,
      });
    },
  };
}
