import { equal, textOf, utf8 } from "../core/bytes.ts";
import type { Write } from "../core/write.ts";
import { decodePem, encodePem } from "../encoding/pem.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import type { Store } from "../store/store.ts";
import type { UpstreamRequest } from "./upstream-settings.ts";
import { keyPurpose, type Vault } from "./vault.ts";

/** What is kept of a tenant's upstream. Holds its credential: never shown, and sealed in the store. */
export interface UpstreamState {
  /** As the operator gave them; absent once the upstream was removed. */
  readonly settings?: UpstreamRequest;
  /** The upstream's CA as last published, each certificate found to lead to the anchors. */
  readonly authorities: readonly Certificate[];
  /** The upstream's CA as certified by this tenant's root, for devices that trust the latter. */
  readonly cross: readonly Certificate[];
  /** CAs of earlier upstreams: what they issued to this tenant's devices stays the devices' own. */
  readonly former: readonly Certificate[];
}

/** The state as it is stored. */
export interface KeptUpstream {
  readonly state: UpstreamState;
  /** Guard: nobody has replaced it meanwhile. */
  replace(state: UpstreamState): readonly Write[];
}

interface Parts {
  readonly store: Store;
  readonly vault: Vault;
}

/** What the store keeps of the tenant's upstream; throws `seal-broken`. */
export async function keptUpstream(tenant: string, { store, vault }: Parts): Promise<KeptUpstream> {
  const purpose = keyPurpose(tenant, keyName);
  await vault.refresh();
  const stored = await store.authorities.key(tenant, keyName);
  return {
    state: stored === undefined ? nothing : decoded(await vault.open(purpose, stored.sealed)),
    replace(state) {
      const sealed = vault.seal(purpose, encoded(state));
      return [
        stored === undefined
          ? store.authorities.addKey({ tenant, name: keyName, sealed })
          : store.authorities.resealKey(stored, sealed),
        store.vaultKeys.requireKeyOf(sealed),
      ];
    },
  };
}

/** Whether two states say the same, so that the one need not be taken up for the other. */
export function isSameState(a: UpstreamState, b: UpstreamState): boolean {
  return equal(encoded(a), encoded(b));
}

interface StoredState {
  readonly settings?: UpstreamRequest;
  /** Certificates in PEM, one behind the other. */
  readonly authorities: string;
  readonly cross: string;
  readonly former: string;
}

function encoded({ authorities, cross, former, ...settings }: UpstreamState): Uint8Array {
  const pem = (certificates: readonly Certificate[]) =>
    certificates.map(({ raw }) => encodePem("CERTIFICATE", raw)).join("");
  const state: StoredState = {
    ...settings,
    authorities: pem(authorities),
    cross: pem(cross),
    former: pem(former),
  };
  return utf8(JSON.stringify(state));
}

function decoded(bytes: Uint8Array): UpstreamState {
  const { authorities, cross, former, ...settings } = JSON.parse(textOf(bytes)) as StoredState;
  const certificates = (pem: string) => decodePem(pem).map(({ bytes: der }) => parseCertificate(der));
  return {
    ...settings,
    authorities: certificates(authorities),
    cross: certificates(cross),
    former: certificates(former),
  };
}

const nothing: UpstreamState = { authorities: [], cross: [], former: [] };
const keyName = "upstream";
