import type { Extension } from "../pki/extensions.ts";
import { keyPurposes } from "../pki/oids.ts";
import { encodeBasicConstraints, encodeExtKeyUsage, encodeKeyUsage } from "../pki/standard-extensions.ts";

/** What a certificate is for: `device` for devices, `server` for the service's own listeners. */
export type Profile = "device" | "server";

/** Milliseconds that a certificate of the profile is valid. */
export const lifetimes: { readonly [profile in Profile]: number } = {
  device: 365 * 24 * 3600 * 1000,
  server: 90 * 24 * 3600 * 1000,
};

/**
 * The extensions of a profile. What a requester asks for is never copied but for `names`, its subjectAltName, which the
 * protocol has checked.
 */
export function extensionsOf(profile: Profile, names: readonly Extension[]): readonly Extension[] {
  return [
    encodeBasicConstraints({ cA: false }),
    encodeKeyUsage(["digitalSignature"]),
    encodeExtKeyUsage(profile === "server" ? [keyPurposes.serverAuth] : [keyPurposes.clientAuth]),
    ...names,
  ];
}
