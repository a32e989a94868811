import { equal, hex } from "../core/bytes.ts";
import { messageOf } from "../core/errors.ts";
import type { Certificate } from "../pki/certificate.ts";
import type { CertificationRequest } from "../pki/csr.ts";
import { PathError, PkiError } from "../pki/errors.ts";
import type { Extension } from "../pki/extensions.ts";
import { encodeGeneralName, type GeneralName } from "../pki/general-name.ts";
import { attribute, type Name, parseName } from "../pki/name.ts";
import { attributeTypes } from "../pki/oids.ts";
import { validatePath } from "../pki/path.ts";
import { isForRegistrationAuthority } from "../pki/registration-authority.ts";
import { basicConstraintsOf, keyUsageOf, subjectAltNameOf } from "../pki/standard-extensions.ts";
import { anchorsAmong } from "../protocols/est/index.ts";

/** What was decided here about a request that another CA is asked to certify. */
export interface Admitted {
  /** Name in DER. */
  readonly subject: Uint8Array;
  readonly subjectAltName?: Extension;
  /** The request as the device wrote it. */
  readonly request: CertificationRequest;
}

/**
 * Why a certificate is not one for what was admitted, for the end of a sentence; undefined when it is: the same key, no
 * names but the admitted ones, no rights of a CA or an RA, valid now. Organisation and country may be the upstream's own
 * addition, unless the device itself asked for them. Whether the certificate leads to a trusted CA is not checked here.
 */
export function complaintAbout(certificate: Certificate, admitted: Admitted, now: number): string | undefined {
  const { request } = admitted;
  if (!equal(certificate.subjectPublicKeyInfo, request.subjectPublicKeyInfo)) return "it is for another key";
  try {
    return (
      complaintAboutSubject(certificate.subject, parseName(admitted.subject), request.subject) ??
      complaintAboutAltNames(certificate, admitted) ??
      complaintAboutRights(certificate) ??
      (now < certificate.notBefore || now > certificate.notAfter ? "it is not valid now" : undefined)
    );
  } catch (error) {
    if (error instanceof PkiError) return messageOf(error);
    throw error;
  }
}

/**
 * Why a certificate does not lead to the upstream's CA, for the end of a sentence; undefined when it does. `authorities` are
 * trusted, and have been verified. CAs that came along with the certificate do not help: devices get no others than cacerts
 * publishes, which has to hold all that they need (RFC 7030 4.1.3).
 */
export function complaintAboutPath(
  certificate: Certificate,
  authorities: readonly Certificate[],
  now: number,
): string | undefined {
  const anchors = anchorsAmong(authorities);
  const between = authorities.filter((each) => !anchors.includes(each));
  try {
    validatePath({
      chain: [certificate, ...between].slice(0, mostInPath),
      anchors,
      at: now,
      profile: "tls-client",
    });
    return undefined;
  } catch (error) {
    if (error instanceof PathError) return messageOf(error);
    throw error;
  }
}

function complaintAboutSubject(subject: Name, admitted: Name, asked: Name): string | undefined {
  if (attribute(subject, attributeTypes.commonName) !== attribute(admitted, attributeTypes.commonName))
    return "its common name is not the admitted one";
  const holds = (name: Name, type: string, text: string | undefined) =>
    name.relativeDistinguishedNames.flat().some((each) => each.type === type && each.text === text);
  const foreign = subject.relativeDistinguishedNames
    .flat()
    .find(
      ({ type, text }) =>
        text === undefined || !(holds(admitted, type, text) || (organisational.has(type) && !holds(asked, type, text))),
    );
  return foreign && `its subject holds the attribute ${foreign.type}, which was not admitted`;
}

function complaintAboutAltNames({ extensions, subject }: Certificate, admitted: Admitted): string | undefined {
  const allowed = subjectAltNameOf(admitted.subjectAltName === undefined ? [] : [admitted.subjectAltName]) ?? [];
  // Many CAs repeat the common name there (RFC 9525 6.3 wants it so).
  const commonName = attribute(subject, attributeTypes.commonName);
  const own: readonly GeneralName[] = commonName === undefined ? [] : [{ kind: "dNSName", text: commonName }];
  const admittedNames = new Set([...own, ...allowed].map((name) => hex(encodeGeneralName(name))));
  const foreign = subjectAltNameOf(extensions)?.find((name) => !admittedNames.has(hex(encodeGeneralName(name))));
  return foreign && `it holds an alternative name of kind ${foreign.kind} that was not admitted`;
}

function complaintAboutRights(certificate: Certificate): string | undefined {
  const { extensions } = certificate;
  if (basicConstraintsOf(extensions)?.cA === true || keyUsageOf(extensions)?.has("keyCertSign") === true)
    return "it makes the device a CA";
  if (isForRegistrationAuthority(certificate.raw)) return "it makes the device a registration authority";
  return undefined;
}

/** Attributes by which a CA says whose certificate it is, rather than which device's. */
const organisational: ReadonlySet<string> = new Set([
  attributeTypes.countryName,
  attributeTypes.stateOrProvinceName,
  attributeTypes.localityName,
  attributeTypes.streetAddress,
  attributeTypes.organizationName,
  attributeTypes.organizationalUnitName,
  attributeTypes.domainComponent,
]);

/** What `validatePath` looks at. */
const mostInPath = 16;
