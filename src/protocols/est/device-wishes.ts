import { PkiError } from "../../pki/errors.ts";
import { attribute, parseName } from "../../pki/name.ts";
import { attributeTypes, keyPurposes } from "../../pki/oids.ts";
import { basicConstraintsOf, extKeyUsageOf, keyUsageOf } from "../../pki/standard-extensions.ts";
import type { RequestContent } from "./device-attributes.ts";
import type { EstDeviceSettings } from "./device-env.ts";

/**
 * What the CA has this device ask for, in sentences, that nobody would expect in a device's request: another name than its own, or
 * the rights of a CA or of a registration authority. Refuses nothing: the CA could issue it unasked as well.
 */
export function unusualWishes(
  { subject, extensions }: RequestContent,
  { subject: own, identity }: Pick<EstDeviceSettings, "subject" | "identity">,
): readonly string[] {
  const nameIn = (name: Uint8Array) => attribute(parseName(name), attributeTypes.commonName);
  const isRenamed = identity?.credential !== "ldevid" && nameIn(subject) !== nameIn(own);
  const wishes = [
    isRenamed ? "another common name than the one that it was given" : "",
    holds(() => basicConstraintsOf(extensions)?.cA) ? "the certificate of a CA" : "",
    holds(() => keyUsageOf(extensions)?.has("keyCertSign")) ? "the right to sign certificates" : "",
    holds(() => extKeyUsageOf(extensions)?.includes(keyPurposes.cmcRA)) ? "the rights of a registration authority" : "",
  ];
  return wishes.filter((wish) => wish !== "").map((wish) => `the CA has this device ask for ${wish}`);
}

/** An extension that cannot be read gives no right that can be named; whether the CA takes it back is the CA's affair. */
function holds(right: () => boolean | undefined): boolean {
  try {
    return right() === true;
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}
