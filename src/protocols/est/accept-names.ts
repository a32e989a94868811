import { hex } from "../../core/bytes.ts";
import type { Certificate } from "../../pki/certificate.ts";
import { PkiError } from "../../pki/errors.ts";
import { encodeGeneralName } from "../../pki/general-name.ts";
import { attribute, equalNames, formatName, parseName } from "../../pki/name.ts";
import { attributeTypes, keyPurposes } from "../../pki/oids.ts";
import { basicConstraintsOf, extKeyUsageOf, keyUsageOf, subjectAltNameOf } from "../../pki/standard-extensions.ts";
import { EstFailed } from "./errors.ts";

/** What a certificate was asked for. */
export type Expected =
  /** It has to name whom this one names (RFC 7030 4.2.2). */
  | { readonly kind: "renewal"; readonly of: Certificate }
  /** The subject in the request, in DER: a CA may know the device by another name. */
  | { readonly kind: "first"; readonly subject: Uint8Array };

/**
 * Holds a certificate of the device's own key against what it is for. Throws EstFailed `certificate-of-a-ca`, `response-malformed`
 * for extensions that cannot be read, and for a renewal `certificate-names-another`; a first enrolment warns of another common name, and of rights that no device needs.
 */
export function requireOwnNames(
  certificate: Certificate,
  expected: Expected,
  warning: ((sentence: string) => void) | undefined,
): void {
  try {
    checkNames(certificate, expected, warning);
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause;
    throw new EstFailed("response-malformed", `the issued certificate cannot be read: ${cause.message}`, { cause });
  }
}

function checkNames(
  certificate: Certificate,
  expected: Expected,
  warning: ((sentence: string) => void) | undefined,
): void {
  const { subject, extensions } = certificate;
  if (basicConstraintsOf(extensions)?.cA === true)
    throw new EstFailed(
      "certificate-of-a-ca",
      "the server made the device a CA (cA in basicConstraints), which it did not ask for; tell the operator of the CA",
    );
  if (expected.kind === "renewal") {
    const { of: old } = expected;
    if (equalNames(old.subject, subject) && sameAltNames(old, certificate)) return;
    const sentence = `the renewed certificate is for ${formatName(subject)}, or has other alternative names than the one for ${formatName(old.subject)}; enrol anew, without --renew, if the device is to have another name`;
    throw new EstFailed("certificate-names-another", sentence);
  }
  const asked = parseName(expected.subject);
  const [wanted, found] = [asked, subject].map((name) => attribute(name, attributeTypes.commonName));
  if (wanted !== found)
    warning?.(`the certificate is for ${formatName(subject)}, and ${formatName(asked)} was asked for`);
  const rights = rightsOf(certificate);
  if (rights.length > 0)
    warning?.(`the certificate gives rights that a device has no use for: ${rights.join(", ")}; ask the CA's operator`);
}

function rightsOf({ extensions }: Certificate): readonly string[] {
  const purposes = extKeyUsageOf(extensions) ?? [];
  return [
    ...(keyUsageOf(extensions)?.has("keyCertSign") === true ? ["keyCertSign"] : []),
    ...(purposes.includes(keyPurposes.cmcRA) ? ["id-kp-cmcRA"] : []),
    ...(purposes.includes(keyPurposes.cmcCA) ? ["id-kp-cmcCA"] : []),
  ];
}

/** In any order: a CA writes them as it likes. */
function sameAltNames(one: Certificate, other: Certificate): boolean {
  const names = ({ extensions }: Certificate) =>
    (subjectAltNameOf(extensions) ?? [])
      .map((name) => hex(encodeGeneralName(name)))
      .sort()
      .join();
  return names(one) === names(other);
}
