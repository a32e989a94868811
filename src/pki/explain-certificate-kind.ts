import { equal } from "../core/bytes.ts";
import type { Certificate } from "./certificate.ts";
import { masaUrlOf, readable } from "./explain-extensions.ts";
import { withoutEnd } from "./explain-words.ts";
import { equalNames } from "./name.ts";
import { otherNames } from "./oids.ts";
import {
  authorityKeyIdentifierOf,
  basicConstraintsOf,
  subjectAltNameOf,
  subjectKeyIdentifierOf,
} from "./standard-extensions.ts";

/** Whether it says of itself that it is a CA's. */
export function isAuthority({ extensions }: Certificate): boolean {
  return readable(() => basicConstraintsOf(extensions))?.cA === true;
}

/** Whether a manufacturer made it for a device (IEEE 802.1AR): it never ends, names hardware, or says who vouches for it. */
export function isDeviceIdentity(certificate: Certificate): boolean {
  if (isAuthority(certificate)) return false;
  const { extensions, notAfter } = certificate;
  const names = readable(() => subjectAltNameOf(extensions)) ?? [];
  return (
    notAfter === withoutEnd ||
    names.some((name) => name.kind === "otherName" && name.type === otherNames.hardwareModuleName) ||
    readable(() => masaUrlOf(extensions)) !== undefined
  );
}

/** Whether it names itself as its issuer. */
export function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return equalNames(subject, issuer);
}

/** By names and key identifiers: around a roll-over a CA issues certificates to itself under its other key (RFC 7030 4.1.3). */
export function isSelfSigned(certificate: Certificate): boolean {
  if (!isSelfIssued(certificate)) return false;
  const own = readable(() => subjectKeyIdentifierOf(certificate.extensions));
  const issuers = readable(() => authorityKeyIdentifierOf(certificate.extensions));
  return own === undefined || issuers === undefined || equal(own, issuers);
}
