import { createSecretKey } from "node:crypto";
import { fromBase64 } from "../../core/bytes.ts";
import { codeOf } from "../../core/errors.ts";
import { keyFromPassphrase } from "../../crypto/passphrase.ts";
import { ServiceError } from "../errors.ts";
import type { KeyFile, SecretKey, VaultSource } from "./key-file.ts";

/** What the operator has besides the data directory. */
export interface VaultSecrets {
  /** Asks for the passphrase; `chosen` is true when it is a new one. Absent when nobody can be asked. */
  readonly passphrase?: (chosen: boolean) => Promise<string>;
  /** The environment's key: base64 of 32 octets. */
  readonly environmentKey?: string;
}

/** How the operator wants the vault opened. */
export interface VaultSettings {
  readonly secrets: VaultSecrets;
  /** Where a new vault's key comes from, `file` unless given; one that is there must have it from there. */
  readonly source?: VaultSource;
}

/**
 * The key that the file tells of. `chosen` says that it is to be used for the first time. Throws `passphrase-missing`,
 * `passphrase-weak`, `vault-key-missing`, `vault-key-malformed` and `key-file-broken`. Does not check that it is the right
 * one.
 */
export async function wrappingKey(file: KeyFile, secrets: VaultSecrets, chosen: boolean): Promise<SecretKey> {
  switch (file.kind) {
    case "file":
      return file.key;
    case "env":
      return environmentKey(secrets.environmentKey);
    case "passphrase": {
      if (secrets.passphrase === undefined)
        throw new ServiceError(
          "passphrase-missing",
          "the vault is opened by a passphrase; start on a terminal, or with --vault-passphrase-file",
        );
      const passphrase = await secrets.passphrase(chosen);
      if (chosen && [...passphrase].length < leastPassphrase)
        throw new ServiceError(
          "passphrase-weak",
          `the passphrase has fewer than ${leastPassphrase} characters; choose a longer one, such as six random words`,
        );
      try {
        return secretKey(await keyFromPassphrase(passphrase, file.salt, file.cost));
      } catch (cause) {
        if (codeOf(cause) !== "argon2-cost" && codeOf(cause) !== "salt-length") throw cause;
        throw new ServiceError(
          "key-file-broken",
          "the key file asks for an Argon2id that is too weak or too costly; restore it from a backup",
          { cause },
        );
      }
    }
  }
}

/** The error of a key that does not unwrap what it should: the file is right, what came with it is not. */
export function wrongKey(source: VaultSource, cause: unknown): ServiceError {
  switch (source) {
    case "passphrase":
      return new ServiceError("passphrase-wrong", "the passphrase is not the one of this vault; try again", { cause });
    case "env":
      return new ServiceError(
        "vault-key-wrong",
        `the key in ${environmentVariable} is not the one of this vault; start with the one that it was given last`,
        { cause },
      );
    case "file":
      return new ServiceError(
        "key-file-changed",
        "the key file does not open the store's data keys, which were changed; restore the whole data directory from one backup",
        { cause },
      );
  }
}

function environmentKey(text: string | undefined): SecretKey {
  if (text === undefined)
    throw new ServiceError(
      "vault-key-missing",
      `the vault is opened by a key from the environment; set ${environmentVariable} to base64 of 32 octets`,
    );
  const octets = fromBase64(text.trim());
  if (octets?.length !== keyLength)
    throw new ServiceError(
      "vault-key-malformed",
      `${environmentVariable} is not base64 of 32 octets; make one with: openssl rand -base64 32`,
    );
  return secretKey(octets);
}

function secretKey(octets: Uint8Array): SecretKey {
  const key = createSecretKey(octets);
  octets.fill(0);
  return key;
}

/** The variable of the environment that holds the key; whoever starts the service removes it after reading. */
export const environmentVariable = "HATCHERY_VAULT_KEY";

const keyLength = 32;
const leastPassphrase = 12;
