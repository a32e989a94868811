import { HatcheryError } from "../core/errors.ts";

export type Pkcs11ErrorCode =
  | "hsm-uri" // not a PKCS#11 URI, or one that this program does not take
  | "hsm-module" // the module is not there, or is not one of PKCS#11
  | "hsm-token-missing"
  | "hsm-key-missing"
  | "hsm-pin-wrong"
  | "hsm-pin-locked" // one more wrong PIN would lock the token, or it is locked
  | "hsm-refused" // what the token, or this program with a token, does not do
  | "hsm-failed" // the module answered with an error
  | "hsm-signature" // the token gave a signature that its public key does not verify
  | "hsm-timeout"
  | "hsm-busy" // too much is asked of the token at once
  | "hsm-crashed"
  | "hsm-closed";

/** What a hardware module, or the way to it, did not do. Never holds the PIN. */
export class Pkcs11Error extends HatcheryError<Pkcs11ErrorCode> {
  override readonly name = "Pkcs11Error";
}
