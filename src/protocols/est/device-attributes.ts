import { equal } from "../../core/bytes.ts";
import { messageOf } from "../../core/errors.ts";
import type { SignatureAlgorithm } from "../../crypto/algorithms.ts";
import type { Signer } from "../../crypto/signer.ts";
import * as der from "../../encoding/der-writer.ts";
import type { AttrOrOid } from "../../pki/csr-attributes.ts";
import { type RequestRequirements, requirementsOf } from "../../pki/csr-attributes-requirements.ts";
import {
  type ExtensionTemplate,
  isComplete,
  type KeyRequirement,
  type NameAttributeTemplate,
} from "../../pki/csr-attributes-template.ts";
import { PkiError } from "../../pki/errors.ts";
import type { Extension } from "../../pki/extensions.ts";
import type { GeneralName } from "../../pki/general-name.ts";
import { attribute, encodeName, isEmptyName, type Name, parseName } from "../../pki/name.ts";
import { attributeTypes, curves, extensionTypes, keyPurposes, keyTypes } from "../../pki/oids.ts";
import {
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
  subjectAltNameOf,
} from "../../pki/standard-extensions.ts";
import type { DeviceKey, KeyKind } from "../ports.ts";
import { serialOf } from "./accept.ts";
import type { EstDeviceSettings } from "./device-env.ts";
import { EstFailed } from "./errors.ts";
import { isDeviceHostName, namesToRenew } from "./subject.ts";

/** What elements of CsrAttrs ask for; throws EstFailed `csrattrs-malformed` when they may not stand together. */
export function requirementsIn(elements: readonly AttrOrOid[]): RequestRequirements {
  // libest's example server lists an e-mail address by its bare type, which no device has and RFC 5280 4.1.2.6 has given up.
  const wanted = elements.filter(({ kind, type }) => kind !== "oid" || type !== attributeTypes.emailAddress);
  try {
    return requirementsOf(wanted);
  } catch (cause) {
    if (cause instanceof PkiError) throw malformed(cause);
    throw cause;
  }
}

/**
 * The kind of key to make: `chosen` when the CA takes it, else the first that it takes, P-256 before all others. Throws EstFailed
 * `key-kind-conflict` when it wants another than the chosen one, or `key-kind-unsupported` when this device makes none of those.
 */
export function keyKindFor(requirements: RequestRequirements, chosen: KeyKind | undefined): KeyKind {
  const found = (chosen === undefined ? keyKinds : [chosen]).find((kind) => isWanted(requirements, kind));
  if (found !== undefined) return found;
  if (chosen === undefined)
    throw new EstFailed(
      "key-kind-unsupported",
      `the CA wants ${wanted(requirements)}, which this device does not make`,
    );
  throw new EstFailed(
    "key-kind-conflict",
    `the CA wants ${wanted(requirements)}, not the chosen kind ${chosen}; choose another kind, or none`,
  );
}

/** Holds the key of an interrupted enrolment against what the CA wants by now; throws EstFailed `key-kind-conflict`. */
export function requireWantedKey(requirements: RequestRequirements, kept: DeviceKey): void {
  if (isWanted(requirements, kept.kind)) return;
  throw new EstFailed(
    "key-kind-conflict",
    `the CA wants ${wanted(requirements)}, and the kept key of an enrolment that has not ended is of kind ${kept.kind}; remove that key to begin anew`,
  );
}

/** Signs as the CA wants it; throws EstFailed `signature-unsupported` when the key's keeper cannot. */
export function signerFor({ signatureAlgorithms }: RequestRequirements, { kind, signer, signerBy }: DeviceKey): Signer {
  const isOwn = ({ identifier }: SignatureAlgorithm) => equal(identifier, signer.algorithm);
  if (signatureAlgorithms.length === 0 || signatureAlgorithms.some(isOwn)) return signer;
  const fitting = signatureAlgorithms.find(({ keyType }) => keyType === keyTypeOf(kind));
  if (fitting !== undefined && signerBy !== undefined) return signerBy(fitting);
  const names = signatureAlgorithms.map(({ name }) => name).join(" or ");
  throw new EstFailed(
    "signature-unsupported",
    `the CA wants the request signed by ${names}, which this device's ${kind} key does not do`,
  );
}

/**
 * Subject and extensions of a request that holds what the CA wants. A renewal keeps its names (RFC 7030 4.2.2). Throws EstFailed
 * `binding-wanted` when settings leave out what the CA wants in challengePassword, or `request-not-fillable` for what the CA
 * leaves to this device and the device does not have.
 */
export function requestContent(requirements: RequestRequirements, settings: EstDeviceSettings): RequestContent {
  if (requirements.challengePassword && settings.binding === "never")
    throw new EstFailed(
      "binding-wanted",
      "the CA wants the channel binding in the request, and the settings leave it out; let it in (--binding auto)",
    );
  try {
    return filledIn(requirements, settings);
  } catch (cause) {
    // A name or an extension of the CA's that is none is found when it is used.
    if (cause instanceof PkiError) throw malformed(cause);
    throw cause;
  }
}

export interface RequestContent {
  /** Name in DER. */
  readonly subject: Uint8Array;
  readonly extensions: readonly Extension[];
}

function filledIn(requirements: RequestRequirements, settings: EstDeviceSettings): RequestContent {
  const { identity } = settings;
  if (identity?.credential === "ldevid") {
    const { subject, extensions } = namesToRenew(identity.chain);
    const name = parseName(subject);
    const others = requirements.extensions.filter(({ type }) => type !== extensionTypes.subjectAltName);
    return { subject, extensions: [...extensions, ...others.map((each) => filled(each, name, settings))] };
  }
  const subject = parseName(subjectFor(requirements, settings));
  return { subject: subject.raw, extensions: requirements.extensions.map((each) => filled(each, subject, settings)) };
}

function malformed(cause: PkiError): EstFailed {
  return new EstFailed("csrattrs-malformed", `what the CA wants in requests cannot be told: ${cause.message}`, {
    cause,
  });
}

/** Whether the CA takes a key of this kind. */
export function isWanted({ keys, signatureAlgorithms }: RequestRequirements, kind: KeyKind): boolean {
  return (
    (keys.length === 0 || keys.some((key) => fits(kind, key))) &&
    (signatureAlgorithms.length === 0 || signatureAlgorithms.some(({ keyType }) => keyType === keyTypeOf(kind)))
  );
}

function fits(kind: KeyKind, { algorithm, curve, bits }: KeyRequirement): boolean {
  switch (kind) {
    case "P-256":
    case "P-384":
      return algorithm === keyTypes.ecPublicKey && (curve === undefined || curve === curves[kind]);
    case "Ed25519":
      return algorithm === keyTypes.ed25519;
    case "RSA-2048":
    case "RSA-3072":
    case "RSA-4096":
      return algorithm === keyTypes.rsaEncryption && (bits === undefined || kind === `RSA-${bits}`);
  }
}

function keyTypeOf(kind: KeyKind): SignatureAlgorithm["keyType"] {
  if (kind === "Ed25519") return "ed25519";
  return kind === "P-256" || kind === "P-384" ? "ec" : "rsa";
}

function wanted({ keys, signatureAlgorithms }: RequestRequirements): string {
  const algorithms = signatureAlgorithms.map(({ name }) => name).join(" or ");
  const signed = algorithms === "" ? "" : ` that signs by ${algorithms}`;
  return `${keys.map(keyInWords).join(" or ") || "a key"}${signed}`;
}

function keyInWords({ algorithm, curve, bits }: KeyRequirement): string {
  if (algorithm === keyTypes.rsaEncryption) return bits === undefined ? "an RSA key" : `an RSA key of ${bits} bits`;
  if (algorithm === keyTypes.ecPublicKey && curve !== undefined)
    return `a key on the curve ${nameOf(curves, curve) ?? curve}`;
  return `a key of type ${nameOf(keyTypes, algorithm) ?? algorithm}`;
}

/** RFC 9908 3.4: values that are given are used, the others filled in; what the CA says nothing about stays the device's own. */
function subjectFor({ subject: templates }: RequestRequirements, settings: EstDeviceSettings): Uint8Array {
  if (templates.length === 0) return settings.subject;
  const own = parseName(settings.subject);
  const named = new Set(templates.flat().map(({ type }) => type));
  const rdns = templates.map((rdn) =>
    der.setOf(rdn.map((each) => der.sequence([der.objectIdentifier(each.type), valueFor(each, own, settings)]))),
  );
  const others = own.relativeDistinguishedNames.filter((rdn) => !rdn.some(({ type }) => named.has(type)));
  return der.sequence([
    ...rdns,
    ...others.map((rdn) =>
      der.setOf(rdn.map(({ type, value }) => der.sequence([der.objectIdentifier(type), value.raw]))),
    ),
  ]);
}

function valueFor({ type, value }: NameAttributeTemplate, own: Name, { identity }: EstDeviceSettings): Uint8Array {
  if (value !== undefined) return value;
  const found = own.relativeDistinguishedNames.flat().find((each) => each.type === type);
  if (found !== undefined) return found.value.raw;
  const [leaf] = identity?.chain ?? [];
  const serial = leaf === undefined ? undefined : serialOf(leaf);
  if (type !== attributeTypes.serialNumber || serial === undefined)
    throw notFillable(`${nameOf(attributeTypes, type) ?? type} in the subject`);
  try {
    const [rdn] = parseName(encodeName([{ type, value: serial }])).relativeDistinguishedNames;
    return rdn?.[0]?.value.raw as Uint8Array;
  } catch (cause) {
    throw notFillable(`serialNumber in the subject: ${messageOf(cause)}`);
  }
}

function filled(extension: ExtensionTemplate, subject: Name, settings: EstDeviceSettings): Extension {
  if (isComplete(extension)) return extension;
  const { type, critical } = extension;
  switch (type) {
    case extensionTypes.subjectAltName:
      return encodeSubjectAltName(alternativeNames(extension, subject, settings), critical);
    // What a device that signs in TLS needs.
    case extensionTypes.keyUsage:
      return { ...encodeKeyUsage(["digitalSignature"]), critical };
    case extensionTypes.extKeyUsage:
      return { ...encodeExtKeyUsage([keyPurposes.clientAuth]), critical };
    default:
      throw notFillable(`the extension ${nameOf(extensionTypes, type) ?? type}`);
  }
}

/** Names that are given stay; empty ones are filled in, and all of them when the CA says none. */
function alternativeNames(
  { type, critical, value }: ExtensionTemplate,
  subject: Name,
  settings: EstDeviceSettings,
): readonly GeneralName[] {
  const addresses = (settings.addresses ?? []).map((address): GeneralName => ({ kind: "iPAddress", address }));
  if (value === undefined) {
    const name = attribute(parseName(settings.subject), attributeTypes.commonName);
    if (name !== undefined && isDeviceHostName(name)) return [{ kind: "dNSName", text: name }];
    if (addresses.length === 0) throw notFillable("subjectAltName: its name is no host name, and it knows no address");
    return addresses;
  }
  return (subjectAltNameOf([{ type, critical, value }]) ?? []).flatMap((name): readonly GeneralName[] => {
    if (name.kind === "directoryName" && isEmptyName(name.name)) return [{ kind: "directoryName", name: subject }];
    if (name.kind !== "iPAddress" || name.address.length > 0) return [name];
    if (addresses.length === 0) throw notFillable("iPAddress in subjectAltName");
    return addresses;
  });
}

function notFillable(what: string): EstFailed {
  return new EstFailed(
    "request-not-fillable",
    `the CA leaves it to this device to say ${what}; give it in the settings, or leave the CA's wishes out (--csrattrs never)`,
  );
}

function nameOf(names: Readonly<Record<string, string>>, identifier: string): string | undefined {
  return Object.keys(names).find((name) => names[name] === identifier);
}

const keyKinds: readonly KeyKind[] = ["P-256", "P-384", "Ed25519", "RSA-2048", "RSA-3072", "RSA-4096"];
