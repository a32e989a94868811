import { hex } from "../core/bytes.ts";
import { tags } from "../encoding/tags.ts";
import { authorityInfoAccessOf, crlDistributionPointsOf } from "./access-extensions.ts";
import { PkiError } from "./errors.ts";
import { type ExplainedField, error, type Finding, field } from "./explain-model.ts";
import { counted, generalNameText } from "./explain-words.ts";
import { type Extension, extensionValue } from "./extensions.ts";
import { nameConstraintsOf } from "./name-constraints.ts";
import { accessMethods, extensionTypes, keyPurposes } from "./oids.ts";
import { certificatePoliciesOf } from "./policies.ts";
import {
  authorityKeyIdentifierOf,
  basicConstraintsOf,
  extKeyUsageOf,
  keyUsageOf,
  subjectAltNameOf,
  subjectKeyIdentifierOf,
} from "./standard-extensions.ts";

/** Extensions in words, and those that cannot be read or are not known. */
export function explainExtensions(extensions: readonly Extension[]): {
  readonly fields: readonly ExplainedField[];
  readonly findings: readonly Finding[];
} {
  const findings: Finding[] = [];
  const others: string[] = [];
  for (const { type, critical, value } of extensions) {
    if (explained.has(type)) continue;
    others.push(`${type}${critical ? ", critical" : ""}, ${counted(value.length, "octet")}`);
    if (critical)
      findings.push(
        error(
          "unknown-critical-extension",
          `Extension ${type} is critical and not known here: a reader has to refuse.`,
        ),
      );
  }
  const fields = [...explained.values()].flatMap(({ name, read }) => {
    try {
      return field(name, ...read(extensions));
    } catch (refusal) {
      if (!(refusal instanceof PkiError)) throw refusal;
      findings.push(error("malformed-extension", `The ${name} cannot be read. ${refusal.message}`));
      return [];
    }
  });
  return { fields: [...fields, ...field("others", ...others)], findings };
}

/** Reads an extension that has been complained of already when it is malformed; undefined then. */
export function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof PkiError) return undefined;
    throw error;
  }
}

/** The address of the authority that vouches for the device's owner (RFC 8995 2.3.2); throws PkiError `malformed-extension`. */
export function masaUrlOf(extensions: readonly Extension[]): string | undefined {
  return extensionValue(extensions, masaUrl, (reader) => reader.text(tags.ia5String));
}

interface Explained {
  readonly name: string;
  /** Values for the field; throws PkiError. */
  read(extensions: readonly Extension[]): readonly (string | undefined)[];
}

function basicConstraintsText(extensions: readonly Extension[]): readonly (string | undefined)[] {
  const constraints = basicConstraintsOf(extensions);
  if (constraints === undefined) return [];
  const { cA, pathLenConstraint } = constraints;
  if (!cA) return ["no"];
  if (pathLenConstraint === undefined) return ["yes, with any number of CAs below it"];
  return [
    pathLenConstraint === 0
      ? "yes, with no other CA below it"
      : `yes, with ${counted(pathLenConstraint, "CA")} in a row below it at most`,
  ];
}

function nameConstraintsText(extensions: readonly Extension[]): readonly string[] {
  const constraints = nameConstraintsOf(extensions);
  return [
    ...(constraints?.permittedSubtrees ?? []).map((name) => `allowed: ${generalNameText(name)}`),
    ...(constraints?.excludedSubtrees ?? []).map((name) => `forbidden: ${generalNameText(name)}`),
  ];
}

function hexOf(octets: Uint8Array | undefined): string | undefined {
  return octets === undefined ? undefined : hex(octets);
}

/** IANA SMI Security for PKIX Certificate Extension: id-pe-masa-url (RFC 8995 2.3.2). */
const masaUrl = "1.3.6.1.5.5.7.1.32";

const purposeNames: ReadonlyMap<string, string> = new Map([
  [keyPurposes.anyExtendedKeyUsage, "anything"],
  [keyPurposes.serverAuth, "TLS server"],
  [keyPurposes.clientAuth, "TLS client"],
  [keyPurposes.OCSPSigning, "OCSP responder"],
  [keyPurposes.cmcCA, "CMC certification authority"],
  [keyPurposes.cmcRA, "CMC registration authority"],
  ["1.3.6.1.5.5.7.3.3", "code signing"],
  ["1.3.6.1.5.5.7.3.4", "e-mail"],
  ["1.3.6.1.5.5.7.3.8", "time stamps"],
]);

const keyUsageNames: ReadonlyMap<string, string> = new Map([
  ["digitalSignature", "sign"],
  ["nonRepudiation", "sign for good (nonRepudiation)"],
  ["keyEncipherment", "encrypt keys"],
  ["dataEncipherment", "encrypt data"],
  ["keyAgreement", "agree on keys"],
  ["keyCertSign", "sign certificates"],
  ["cRLSign", "sign CRLs"],
  ["encipherOnly", "only encrypt when agreeing"],
  ["decipherOnly", "only decrypt when agreeing"],
]);

const accessNames: ReadonlyMap<string, string> = new Map([
  [accessMethods.ocsp, "OCSP"],
  [accessMethods.caIssuers, "issuer's certificate"],
]);

const explained: ReadonlyMap<string, Explained> = new Map<string, Explained>([
  [extensionTypes.subjectAltName, { name: "names", read: (all) => (subjectAltNameOf(all) ?? []).map(generalNameText) }],
  [extensionTypes.basicConstraints, { name: "CA", read: basicConstraintsText }],
  [
    extensionTypes.keyUsage,
    {
      name: "key usage",
      read: (all) => [[...(keyUsageOf(all) ?? [])].map((usage) => keyUsageNames.get(usage) ?? usage).join(", ")],
    },
  ],
  [
    extensionTypes.extKeyUsage,
    {
      name: "purposes",
      read: (all) => [(extKeyUsageOf(all) ?? []).map((purpose) => purposeNames.get(purpose) ?? purpose).join(", ")],
    },
  ],
  [extensionTypes.nameConstraints, { name: "name limits", read: nameConstraintsText }],
  [
    extensionTypes.certificatePolicies,
    {
      name: "policies",
      read: (all) => (certificatePoliciesOf(all) ?? []).map(({ policyIdentifier }) => policyIdentifier),
    },
  ],
  [masaUrl, { name: "MASA", read: (all) => [masaUrlOf(all)] }],
  [extensionTypes.subjectKeyIdentifier, { name: "key id", read: (all) => [hexOf(subjectKeyIdentifierOf(all))] }],
  [
    extensionTypes.authorityKeyIdentifier,
    { name: "issuer key", read: (all) => [hexOf(authorityKeyIdentifierOf(all))] },
  ],
  [
    extensionTypes.cRLDistributionPoints,
    {
      name: "CRL at",
      read: (all) =>
        (crlDistributionPointsOf(all) ?? []).flatMap(({ fullName }) => (fullName ?? []).map(generalNameText)),
    },
  ],
  [
    extensionTypes.authorityInfoAccess,
    {
      name: "more at",
      read: (all) =>
        (authorityInfoAccessOf(all) ?? []).map(
          ({ accessMethod, accessLocation }) =>
            `${accessNames.get(accessMethod) ?? accessMethod}: ${generalNameText(accessLocation)}`,
        ),
    },
  ],
  ...[extensionTypes.policyMappings, extensionTypes.policyConstraints, extensionTypes.inhibitAnyPolicy].map(
    (type) => [type, { name: `policy rules (${type})`, read: () => [] }] as const,
  ),
]);
