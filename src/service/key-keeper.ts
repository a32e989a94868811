import type { Write } from "../core/write.ts";
import {
  type GeneratedKeyKind,
  generateKey,
  type PrivateKey,
  privateKeyFromDer,
  privateKeyToDer,
  signerOf,
} from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";
import { keyPurpose, type Vault } from "./vault.ts";

/**
 * Where the private keys of CAs live: in the store, sealed by the vault, or in a hardware module. It is asked for
 * signatures only; no private key comes out of it.
 */
export interface KeyKeeper {
  /** Makes a key pair in keeping. `name` is unique within the tenant: the writes lose their guard when it is taken. */
  generate(tenant: string, name: string, kind: GeneratedKeyKind): Promise<KeptKey>;
  /** Takes a private key that was made elsewhere into keeping; throws `hsm-refused` where that cannot be done. */
  keep(tenant: string, name: string, key: PrivateKey): Promise<KeptKey>;
  /** The signer of a kept key by its reference; throws `not-found`, `seal-broken`, or Pkcs11Error. */
  signer(tenant: string, key: string): Promise<Signer>;
}

export interface KeptKey {
  /** The reference that is stored with the CA and given to `signer`. */
  readonly key: string;
  readonly signer: Signer;
  /** What has to be committed so that the key is kept, together with what refers to it. */
  readonly writes: readonly Write[];
}

/** Keys in the store, sealed by the vault; their references are their names. */
export function sealedKeyKeeper({ store, vault }: { readonly store: Store; readonly vault: Vault }): KeyKeeper {
  const keep = async (tenant: string, name: string, key: PrivateKey): Promise<KeptKey> => {
    const signer = signerOf(key);
    await vault.refresh();
    const sealed = vault.seal(keyPurpose(tenant, name), privateKeyToDer(key));
    return {
      key: name,
      signer,
      writes: [store.authorities.addKey({ tenant, name, sealed }), store.vaultKeys.requireKeyOf(sealed)],
    };
  };
  return {
    generate: (tenant, name, kind) => keep(tenant, name, generateKey(kind)),
    keep,
    async signer(tenant, key) {
      const stored = await store.authorities.key(tenant, key);
      if (stored === undefined) {
        throw new ServiceError(
          "not-found",
          `the store does not hold the key ${key} of tenant ${tenant}; restore the whole data directory from one backup`,
        );
      }
      return signerOf(privateKeyFromDer(await vault.open(keyPurpose(tenant, key), stored.sealed)));
    },
  };
}
