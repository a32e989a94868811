import type { Write } from "../core/write.ts";
import { type Approvals, approvalsIn } from "./approvals.ts";
import { type Audit, auditIn } from "./audit.ts";
import { type Authorities, authoritiesIn } from "./authorities.ts";
import { type Devices, devicesIn } from "./devices.ts";
import type { Engine } from "./engine.ts";
import { type EstUsers, estUsersIn } from "./est-users.ts";
import { type Policy, policyIn } from "./policy.ts";
import { type Profiles, profilesIn } from "./profiles.ts";
import { type Runs, runsIn } from "./runs.ts";
import { type Sessions, sessionsIn } from "./sessions.ts";
import { statementsOf } from "./statement.ts";
import { type Tenants, tenantsIn } from "./tenants.ts";
import { type VaultKeys, vaultKeysIn } from "./vault-keys.ts";

/**
 * Everything that outlives an association. Reads answer from what is committed; changes are returned as `Write`s and
 * happen in `commit`. Every method throws `StoreError` only.
 */
export interface Store {
  readonly tenants: Tenants;
  readonly devices: Devices;
  readonly policy: Policy;
  readonly approvals: Approvals;
  readonly estUsers: EstUsers;
  readonly authorities: Authorities;
  readonly vaultKeys: VaultKeys;
  readonly profiles: Profiles;
  readonly sessions: Sessions;
  readonly runs: Runs;
  readonly audit: Audit;
  /**
   * Makes all changes in order, or none, and resolves when they will survive a power cut. Throws `guard-lost` when a
   * guard does not hold (each guard sees the changes before it), `store-full`, `store-failed`, `store-unreachable`,
   * `commit-unknown` or `store-closed`.
   */
  commit(writes: readonly Write[]): Promise<void>;
  /** How often this process has changed anchors, rules, profiles or a whole tenant: a copy of them from before is old. */
  settingsChanges(): number;
  /**
   * Commits one clean-up, which changes a bounded number of records, and resolves to how many it changed: while that is
   * not 0 there may be more. Throws as `commit` does.
   */
  cleanUp(write: Write): Promise<number>;
  /** Ends when all commits that were asked for have ended. */
  close(): Promise<void>;
}

/** The store in any engine's database, whose schema must be up to date. */
export function storeOver(engine: Engine): Store {
  let settingsChanges = 0;
  return {
    tenants: tenantsIn(engine),
    devices: devicesIn(engine),
    policy: policyIn(engine),
    approvals: approvalsIn(engine),
    estUsers: estUsersIn(engine),
    authorities: authoritiesIn(engine),
    vaultKeys: vaultKeysIn(engine),
    profiles: profilesIn(engine),
    sessions: sessionsIn(engine),
    runs: runsIn(engine),
    audit: auditIn(engine),
    async commit(writes) {
      const statements = statementsOf(writes);
      if (statements.length === 0) return;
      try {
        await engine.commit(statements);
      } finally {
        // Also when it failed: whether a change is in the database may not be known.
        if (statements.some(({ setting }) => setting)) settingsChanges += 1;
      }
    },
    settingsChanges: () => settingsChanges,
    cleanUp: (write) => engine.commit(statementsOf([write])),
    close: () => engine.close(),
  };
}
