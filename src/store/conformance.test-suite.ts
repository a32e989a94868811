import { auditConformance } from "./conformance/audit.test-suite.ts";
import { authoritiesConformance } from "./conformance/authorities.test-suite.ts";
import { commitsConformance } from "./conformance/commits.test-suite.ts";
import type { Open } from "./conformance/fixtures.test-suite.ts";
import { inventoryConformance } from "./conformance/inventory.test-suite.ts";
import { isolationConformance } from "./conformance/isolation.test-suite.ts";
import { ledgerConformance } from "./conformance/ledger.test-suite.ts";
import { policyConformance } from "./conformance/policy.test-suite.ts";
import { sessionsConformance } from "./conformance/sessions.test-suite.ts";
import { vaultKeysConformance } from "./conformance/vault-keys.test-suite.ts";

/** What every engine's store must do. `open` opens an empty store each time. */
export function storeConformance(open: Open): void {
  inventoryConformance(open);
  policyConformance(open);
  authoritiesConformance(open);
  vaultKeysConformance(open);
  sessionsConformance(open);
  ledgerConformance(open);
  auditConformance(open);
  commitsConformance(open);
  isolationConformance(open);
}
