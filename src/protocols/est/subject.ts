import { equal, hex } from "../../core/bytes.ts";
import { messageOf } from "../../core/errors.ts";
import { isPrintable } from "../../encoding/strings.ts";
import type { Certificate } from "../../pki/certificate.ts";
import { parseCertificate } from "../../pki/certificate.ts";
import { type ChangeSubjectName, changeSubjectNameOf } from "../../pki/change-subject-name.ts";
import { type Extension, extensionOf } from "../../pki/extensions.ts";
import { encodeGeneralName, type GeneralName } from "../../pki/general-name.ts";
import { attribute, encodeName, equalNames, isEmptyName, type Name } from "../../pki/name.ts";
import { attributeTypes, extensionTypes } from "../../pki/oids.ts";
import { encodeSubjectAltName, subjectAltNameOf } from "../../pki/standard-extensions.ts";
import type { CertificateProfile, Ports } from "../ports.ts";
import type { Client } from "./authenticate.ts";
import { EstRefused } from "./errors.ts";
import type { EnrollRequest } from "./messages.ts";

/** What a certificate will say about its holder. */
export interface CertifiedNames {
  /** The device's name: common name of the certificate. */
  readonly name: string;
  /** Name in DER. */
  readonly subject: Uint8Array;
  readonly subjectAltName?: Extension;
  /** The name is certified as a host's too. */
  readonly hostName?: true;
  /** Another name than that of the certificate that is renewed. */
  readonly changed?: true;
}

/** What a profile says of names. */
type NameRules = Pick<CertificateProfile, "name" | "subjectAltName" | "subject" | "changeSubjectName">;

/**
 * The names to certify for a request. A first enrolment gets the common name and serial number that it asks for, if they
 * are the client's, what the profile says of all devices, and nothing else of the subject that it wrote; a renewal keeps its
 * names byte for byte (RFC 7030 4.2.2), unless it asks for others and its profile lets it. None of them is one of those that
 * `isOwnName` knows: with it a device could stand in for the server. Throws EstRefused `name-not-the-client`, `name-missing`,
 * `name-change-refused` and `name-reserved`.
 */
export function certifiedNames(
  request: EnrollRequest,
  client: Client,
  profile: NameRules,
  isOwnName: Ports["isOwnName"],
): CertifiedNames {
  const names = namesFor(request, client, profile);
  const { name, subjectAltName } = names;
  const alternatives = subjectAltName === undefined ? [] : alternativeNames([subjectAltName]).map(hostOf);
  if ([name, ...alternatives].some((each) => each !== undefined && isOwnName(each)))
    throw new EstRefused(
      "name-reserved",
      "a name that the request asks for is one by which this server itself is reached",
    );
  return names;
}

function hostOf(name: GeneralName): string | Uint8Array | undefined {
  if (name.kind === "iPAddress") return name.address;
  return name.kind === "dNSName" ? name.text : undefined;
}

function namesFor(request: EnrollRequest, client: Client, profile: NameRules): CertifiedNames {
  const { kind, csr } = request;
  // In fullcmc, who shows a certificate of this authority renews it, as RFC 7030 4.2.2 tells.
  const renews = kind === "simplereenroll" || (kind === "fullcmc" && client.credential === "ldevid");
  if (!renews) return first({ subject: csr.subject, extensions: csr.extensionRequest }, client, profile);
  const names = renewed(request, client.certificate as Certificate);
  const change = nameChange(csr);
  return change === undefined ? names : changed(change, client, profile);
}

function nameChange(csr: EnrollRequest["csr"]): ChangeSubjectName | undefined {
  try {
    return changeSubjectNameOf(csr);
  } catch (cause) {
    throw new EstRefused("csr-malformed", messageOf(cause), { cause });
  }
}

/**
 * RFC 6402 2.8: the request itself has the names of the old certificate, and what it wants instead takes their place. Whether the
 * new name is another device's is for the inventory to say. A serialNumber is the maker's, and does not change.
 */
function changed({ subject, subjectAlt }: ChangeSubjectName, client: Client, profile: NameRules): CertifiedNames {
  if (profile.changeSubjectName === "refused")
    throw new EstRefused(
      "name-change-refused",
      `the profile ${profile.name} renews certificates under their names only`,
    );
  // The RFC would have the subject empty then; every certificate here names its device there.
  if (subject === undefined)
    throw new EstRefused("name-missing", "changeSubjectName leaves the certificate no subject");
  const serial = attribute(subject, attributeTypes.serialNumber);
  // What a user may enrol is about the old name; it lets nobody have another one.
  const mayName = (name: string) => (name !== serial && client.user === undefined) || client.mayName(name);
  const asked = { subject, extensions: subjectAlt === undefined ? [] : [subjectAlt] };
  return { ...first(asked, { ...client, name: undefined, mayName }, profile), changed: true };
}

/** Names and extensions of a renewal request for the certificate at the head of `chain`. */
export function namesToRenew(chain: readonly Uint8Array[]): {
  readonly subject: Uint8Array;
  readonly extensions: readonly Extension[];
} {
  const { subject, extensions } = parseCertificate(chain[0] as Uint8Array);
  const subjectAltName = extensionOf(extensions, extensionTypes.subjectAltName);
  return { subject: subject.raw, extensions: subjectAltName === undefined ? [] : [subjectAltName] };
}

/** Whether a device's name can stand in a dNSName: a host name (RFC 1123 2.1) without wildcards. */
export function isDeviceHostName(name: string): boolean {
  return hostPattern.test(name);
}

function renewed({ csr }: EnrollRequest, certificate: Certificate): CertifiedNames {
  // strongSwan writes a PrintableString where the certificate has a UTF8String: the same name by RFC 5280 7.1.
  if (!equalNames(csr.subject, certificate.subject)) {
    throw new EstRefused(
      "name-not-the-client",
      "the renewal's subject is not the one of the certificate that is renewed",
    );
  }
  const kept = extensionOf(certificate.extensions, extensionTypes.subjectAltName);
  const asked = extensionOf(csr.extensionRequest, extensionTypes.subjectAltName);
  // RFC 7030 4.2.2 wants them identical; strongSwan and openssl leave an absent extension out, which asks for no change.
  if (asked !== undefined && (kept === undefined || !equal(asked.value, kept.value))) {
    throw new EstRefused(
      "name-not-the-client",
      "the renewal's alternative names are not those of the certificate that is renewed",
    );
  }
  const name =
    attribute(certificate.subject, attributeTypes.commonName) ??
    attribute(certificate.subject, attributeTypes.serialNumber) ??
    "";
  return { name, subject: certificate.subject.raw, ...(kept === undefined ? {} : { subjectAltName: kept }) };
}

/** The names that somebody asks for. */
interface NamesAsked {
  readonly subject: Name;
  readonly extensions: readonly Extension[];
}

function first(
  { subject: wanted, extensions }: NamesAsked,
  client: Client,
  { subject: shared, subjectAltName: alternatives }: NameRules,
): CertifiedNames {
  const asked = {
    commonName: attribute(wanted, attributeTypes.commonName),
    serialNumber: attribute(wanted, attributeTypes.serialNumber),
  };
  for (const attributes of wanted.relativeDistinguishedNames) {
    for (const { type } of attributes) {
      // `attribute` answers undefined for a doubled one: which of two names is meant must not be a matter of who reads.
      const name =
        type === attributeTypes.commonName
          ? asked.commonName
          : type === attributeTypes.serialNumber
            ? asked.serialNumber
            : "";
      if (name === undefined)
        throw new EstRefused(
          "name-not-the-client",
          "the request's subject has two names of one kind, or one that is no text",
        );
    }
  }
  const name = asked.commonName ?? client.name ?? asked.serialNumber;
  if (name === undefined || (isEmptyName(wanted) && client.name === undefined)) {
    throw new EstRefused("name-missing", "the request names no device and the credential proves no name");
  }
  for (const each of [name, asked.serialNumber]) {
    if (each === undefined) continue;
    if (!namePattern.test(each))
      throw new EstRefused(
        "name-not-the-client",
        "a device's name has 1 to 64 printable ASCII characters, no wildcard, and no space at an end",
      );
    if (!client.mayName(each))
      throw new EstRefused("name-not-the-client", `the request asks for the name ${each}, which is not this client's`);
  }
  // The common name of an IDevID is often that of the model: the serial number has to tell one device from the other.
  const serialNumber = asked.serialNumber ?? (name === client.serial ? undefined : client.serial);
  // X.520 6.2.9: a serialNumber is a PrintableString.
  if (serialNumber !== undefined && !isPrintable(serialNumber))
    throw new EstRefused(
      "name-not-the-client",
      "the serial number has characters that a serialNumber cannot hold; ask for it as common name",
    );
  // Order of the bytes is fixed here, so that a certificate's names do not depend on how a client wrote them.
  const subject = encodeName([
    ...shared.flatMap(({ type, value }) => (value === undefined ? [] : [{ type: attributeTypes[type], value }])),
    ...(serialNumber === undefined ? [] : [{ type: attributeTypes.serialNumber, value: serialNumber }]),
    { type: attributeTypes.commonName, value: name },
  ]);
  const subjectAltName = extensionOf(extensions, extensionTypes.subjectAltName);
  if (subjectAltName === undefined) return { name, subject };
  const own = ownNames(extensions, name, alternatives);
  const isHost = own.some(({ kind }) => kind === "dNSName");
  return {
    name,
    subject,
    subjectAltName: encodeSubjectAltName(own, subjectAltName.critical),
    ...(isHost ? { hostName: true } : {}),
  };
}

/**
 * The alternative names of a request, each once. A host name is certified only when it is the device's own name. An address is
 * what the device says: nobody can tell whose it is, so the operator decides by the profile whether it is certified at all.
 */
function ownNames(
  extensions: readonly Extension[],
  name: string,
  alternatives: CertificateProfile["subjectAltName"],
): readonly GeneralName[] {
  const distinct = new Map(alternativeNames(extensions).map((each) => [hex(encodeGeneralName(each)), each]));
  if (distinct.size > mostAlternativeNames)
    throw new EstRefused(
      "name-not-the-client",
      `the request asks for more than ${mostAlternativeNames} alternative names`,
    );
  for (const each of distinct.values()) {
    const certified = alternatives.some((kind) => kind === each.kind);
    if (certified && each.kind === "dNSName" && each.text === name && isDeviceHostName(name)) continue;
    if (certified && each.kind === "iPAddress" && each.address.length > 0) continue;
    throw new EstRefused(
      "name-not-the-client",
      certified
        ? `the request asks for an alternative name of kind ${each.kind} that is not the device's own name`
        : `the request asks for an alternative name of kind ${each.kind}, which its profile does not certify`,
    );
  }
  return [...distinct.values()];
}

function alternativeNames(extensions: readonly Extension[]): readonly GeneralName[] {
  try {
    return subjectAltNameOf(extensions) ?? [];
  } catch (cause) {
    throw new EstRefused("csr-malformed", "the request's subjectAltName is malformed", { cause });
  }
}

/**
 * X.520 bounds a common name at 64 characters. Letters that look like others, spaces at an end and wildcards would mislead
 * whoever reads the name, a person who approves it above all.
 */
const namePattern = /^(?=.{1,64}$)[!-)+-~](?:[ -)+-~]*[!-)+-~])?$/;

const hostPattern =
  /^(?=.{1,64}$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/;

/** A device has one host name, and an address or two per interface. */
const mostAlternativeNames = 16;
