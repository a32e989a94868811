import type { Pkcs11ErrorCode } from "./errors.ts";
import type { KeyUri } from "./uri.ts";

/** What the service asks of the process that holds the module. */
export type Question =
  | { readonly kind: "open"; readonly module: string; readonly token: string; readonly pin: string }
  /** Whether the token is open, which it is when this is answered. */
  | { readonly kind: "check" }
  | { readonly kind: "find"; readonly key: KeyUri }
  | { readonly kind: "generate"; readonly label: string; readonly id: Uint8Array; readonly key: TokenKeyKind }
  /** `data`: the hash for EC, a DigestInfo for RSA. */
  | { readonly kind: "sign"; readonly key: KeyUri; readonly data: Uint8Array };

export type TokenKeyKind = "P-256" | "P-384" | "RSA-2048" | "RSA-3072";

/** The public half of a key as the token holds it. */
export type TokenPublicKey =
  | { readonly kind: "ec"; readonly parameters: Uint8Array; readonly point: Uint8Array }
  | { readonly kind: "rsa"; readonly modulus: Uint8Array; readonly exponent: Uint8Array };

export interface Request {
  readonly number: number;
  readonly question: Question;
}

export type Response =
  | { readonly number: number; readonly kind: "done"; readonly answer: Answer }
  | { readonly number: number; readonly kind: "failed"; readonly code: Pkcs11ErrorCode; readonly message: string };

/** Nothing after `open` and `check`, the public key after `find` and `generate`, the signature after `sign`. */
export type Answer = { readonly publicKey?: TokenPublicKey; readonly signature?: Uint8Array };
