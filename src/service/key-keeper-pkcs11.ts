import type { Randomness } from "../core/randomness.ts";
import type { GeneratedKeyKind } from "../crypto/keys.ts";
import { isKeyUri, Pkcs11Error, type TokenKeys } from "../pkcs11/index.ts";
import type { KeyKeeper } from "./key-keeper.ts";

/**
 * A keeper that makes new keys in a token, where their references are PKCS#11 URIs, and leaves those that are sealed in the
 * store where they are. A key whose CA was not committed stays in the token unused; its name may be given again, because
 * the id in its reference is its own.
 */
export function tokenKeyKeeper(token: TokenKeys, sealed: KeyKeeper, randomness: Randomness): KeyKeeper {
  return {
    async generate(tenant, name, kind) {
      const { uri, signer } = await token.generate(`${tenant}/${name}`, randomness.bytes(idLength), tokenKind(kind));
      return { key: uri, signer, writes: [] };
    },
    async keep() {
      throw new Pkcs11Error(
        "hsm-refused",
        "keys are made in the token and not put into it; import it with the token's own tool and name it by its pkcs11: URI",
      );
    },
    signer: (tenant, key) => (isKeyUri(key) ? token.signer(key) : sealed.signer(tenant, key)),
  };
}

function tokenKind(kind: GeneratedKeyKind) {
  if (kind === "Ed25519" || kind === "RSA-4096")
    throw new Pkcs11Error("hsm-refused", "the token makes keys of P-256, P-384, RSA-2048 and RSA-3072 only");
  return kind;
}

const idLength = 16;
