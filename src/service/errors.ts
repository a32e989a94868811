import { HatcheryError } from "../core/errors.ts";

export type ServiceErrorCode =
  | "overloaded"
  | "upstream-unusable"
  | "contended"
  | "not-found"
  | "exists"
  | "invalid"
  | "conflict"
  | "key-file-missing"
  | "key-file-open-to-others"
  | "key-file-broken"
  | "key-file-changed"
  | "vault-source-differs"
  | "passphrase-missing"
  | "passphrase-wrong"
  | "passphrase-weak"
  | "vault-key-missing"
  | "vault-key-malformed"
  | "vault-key-wrong"
  | "data-key-missing"
  | "rekey-under-way"
  | "rekey-unknown"
  | "rekeyed-elsewhere";

/** A sentence for the operator, with a code for programs; the API turns it into a status by one table. */
export class ServiceError extends HatcheryError<ServiceErrorCode> {
  constructor(code: ServiceErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(code, message, options);
    this.name = "ServiceError";
  }
}
