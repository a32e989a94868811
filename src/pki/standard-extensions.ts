import { sha256 } from "../crypto/mac.ts";
import { decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed, contextPrimitive } from "../encoding/tags.ts";
import { encoding } from "./errors.ts";
import { type Extension, extensionValue, readDefaultFalse } from "./extensions.ts";
import { encodeGeneralName, type GeneralName, readGeneralNames } from "./general-name.ts";
import { extensionTypes } from "./oids.ts";

/** The extensions of RFC 5280 4.2.1 that are used here: `...Of` reads one of a list, `encode...` makes one. */

export interface BasicConstraints {
  readonly cA: boolean;
  readonly pathLenConstraint?: number;
}

/** The basicConstraints (RFC 5280 4.2.1.9); undefined when absent; throws PkiError `malformed-extension`. */
export function basicConstraintsOf(extensions: readonly Extension[]): BasicConstraints | undefined {
  return extensionValue(extensions, extensionTypes.basicConstraints, (reader) =>
    reader.sequence((content) => {
      const cA = readDefaultFalse(content);
      return content.done ? { cA } : { cA, pathLenConstraint: content.smallInteger(0x7fffffff) };
    }),
  );
}

/** Critical, as RFC 5280 4.2.1.9 demands for certificates of CAs. */
export function encodeBasicConstraints({ cA, pathLenConstraint }: BasicConstraints): Extension {
  const length = pathLenConstraint === undefined ? [] : [der.integer(pathLenConstraint)];
  const value = der.sequence([...(cA ? [der.boolean(true)] : []), ...length]);
  return { type: extensionTypes.basicConstraints, critical: true, value };
}

/** The bits of KeyUsage in their order (RFC 5280 4.2.1.3). */
const keyUsages = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;
export type KeyUsage = (typeof keyUsages)[number];

/** The keyUsage; undefined when absent, and then everything is allowed; throws PkiError `malformed-extension`. */
export function keyUsageOf(extensions: readonly Extension[]): ReadonlySet<KeyUsage> | undefined {
  return extensionValue(extensions, extensionTypes.keyUsage, (reader) => {
    const { bytes } = reader.bitString();
    return new Set(keyUsages.filter((_, bit) => ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0));
  });
}

/** Critical, as RFC 5280 4.2.1.3 recommends. */
export function encodeKeyUsage(usages: readonly KeyUsage[]): Extension {
  const value = der.namedBits(usages.map((usage) => keyUsages.indexOf(usage)));
  return { type: extensionTypes.keyUsage, critical: true, value };
}

/** The purposes of extKeyUsage in dotted form; undefined when absent; throws PkiError `malformed-extension`. */
export function extKeyUsageOf(extensions: readonly Extension[]): readonly string[] | undefined {
  return extensionValue(extensions, extensionTypes.extKeyUsage, (reader) =>
    reader.listOf((item) => item.objectIdentifier(), maximumPurposes),
  );
}

/** Not critical; purposes in dotted form; throws PkiError `unencodable`. */
export function encodeExtKeyUsage(purposes: readonly string[]): Extension {
  const value = encoding("extKeyUsage", () => der.sequence(purposes.map(der.objectIdentifier)));
  return { type: extensionTypes.extKeyUsage, critical: false, value };
}

/** The subjectAltName; undefined when absent; throws PkiError `malformed-extension`. */
export function subjectAltNameOf(extensions: readonly Extension[]): readonly GeneralName[] | undefined {
  return extensionValue(extensions, extensionTypes.subjectAltName, readGeneralNames);
}

/** `critical` has to be true when the subject's name is empty (RFC 5280 4.2.1.6). Throws PkiError `unencodable`. */
export function encodeSubjectAltName(names: readonly GeneralName[], critical = false): Extension {
  const value = encoding("subjectAltName", () => der.sequence(names.map(encodeGeneralName)));
  return { type: extensionTypes.subjectAltName, critical, value };
}

/** The subjectKeyIdentifier; undefined when absent; throws PkiError `malformed-extension`. */
export function subjectKeyIdentifierOf(extensions: readonly Extension[]): Uint8Array | undefined {
  return extensionValue(extensions, extensionTypes.subjectKeyIdentifier, (reader) => reader.octetString());
}

/** Not critical (RFC 5280 4.2.1.2). */
export function encodeSubjectKeyIdentifier(keyIdentifier: Uint8Array): Extension {
  return { type: extensionTypes.subjectKeyIdentifier, critical: false, value: der.octetString(keyIdentifier) };
}

/** The keyIdentifier of authorityKeyIdentifier; undefined when either is absent; throws PkiError `malformed-extension`. */
export function authorityKeyIdentifierOf(extensions: readonly Extension[]): Uint8Array | undefined {
  return extensionValue(extensions, extensionTypes.authorityKeyIdentifier, (reader) =>
    reader.sequence((content) => {
      const keyIdentifier = content.has(contextPrimitive(0)) ? content.octetString(contextPrimitive(0)) : undefined;
      if (content.has(contextConstructed(1))) content.any();
      if (content.has(contextPrimitive(2))) content.integer(contextPrimitive(2));
      return keyIdentifier;
    }),
  );
}

/** The keyIdentifier form, as RFC 5280 4.2.1.1 demands of certificates that CAs issue. */
export function encodeAuthorityKeyIdentifier(keyIdentifier: Uint8Array): Extension {
  const value = der.sequence([der.implicit(0, der.octetString(keyIdentifier))]);
  return { type: extensionTypes.authorityKeyIdentifier, critical: false, value };
}

/** The responder's own certificate need not be asked about for as long as it is valid; not critical (RFC 6960 4.2.2.2.1). */
export function encodeOcspNoCheck(): Extension {
  return { type: extensionTypes.ocspNoCheck, critical: false, value: der.nullValue() };
}

/**
 * A key identifier for a SubjectPublicKeyInfo: the leftmost 160 bits of the SHA-256 of the key's bits (RFC 7093 2, method 1).
 * Throws PkiError `unencodable` when the bytes are no SubjectPublicKeyInfo.
 */
export function keyIdentifierOf(subjectPublicKeyInfo: Uint8Array): Uint8Array {
  return sha256(encoding("key identifier", () => publicKeyBitsOf(subjectPublicKeyInfo))).subarray(0, 20);
}

/** The octets of a SubjectPublicKeyInfo's BIT STRING, without tag, length and number of unused bits; throws DerError. */
export function publicKeyBitsOf(subjectPublicKeyInfo: Uint8Array): Uint8Array {
  return decodeDer(subjectPublicKeyInfo, (reader) =>
    reader.sequence((content) => {
      content.any();
      return content.octetsOfBitString();
    }),
  );
}

const maximumPurposes = 64;
