import type { DerReader } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { contextPrimitive } from "../encoding/tags.ts";
import { encoding } from "./errors.ts";
import { type Extension, extensionValue } from "./extensions.ts";
import { extensionTypes, policies } from "./oids.ts";

/** A PolicyInformation (RFC 5280 4.2.1.4). */
export interface PolicyInformation {
  /** In dotted form. */
  readonly policyIdentifier: string;
  /** The types of its qualifiers in dotted form. */
  readonly policyQualifiers: readonly string[];
}

/** The certificatePolicies; undefined when absent; throws PkiError `malformed-extension`. It does not read the qualifiers. */
export function certificatePoliciesOf(extensions: readonly Extension[]): readonly PolicyInformation[] | undefined {
  return extensionValue(extensions, extensionTypes.certificatePolicies, (reader) => {
    const found = reader.listOf(
      (item) =>
        item.sequence((content) => {
          const policyIdentifier = content.objectIdentifier();
          const policyQualifiers = content.done ? [] : content.listOf(readQualifier, maximumItems);
          return { policyIdentifier, policyQualifiers };
        }),
      maximumItems,
    );
    if (found.length === 0) throw new DerError("bad-value", "certificatePolicies holds no policy.");
    return found;
  });
}

/** Not critical, without qualifiers (RFC 5280 4.2.1.4); throws PkiError `unencodable`. */
export function encodeCertificatePolicies(identifiers: readonly string[]): Extension {
  const value = encoding("certificatePolicies", () =>
    der.sequence(identifiers.map((identifier) => der.sequence([der.objectIdentifier(identifier)]))),
  );
  return { type: extensionTypes.certificatePolicies, critical: false, value };
}

/** The policies of its issuer that policyMappings map to others; undefined when absent; throws PkiError `malformed-extension`. */
export function mappedPoliciesOf(extensions: readonly Extension[]): readonly string[] | undefined {
  return extensionValue(extensions, extensionTypes.policyMappings, (reader) =>
    reader.listOf(
      (item) =>
        item.sequence((content) => {
          const mapping = [content.objectIdentifier(), content.objectIdentifier()] as const;
          // RFC 5280 4.2.1.5: neither from nor to anyPolicy.
          if (mapping.includes(policies.anyPolicy)) throw new DerError("bad-value", "policyMappings maps anyPolicy.");
          return mapping[0];
        }),
      maximumItems,
    ),
  );
}

/** Numbers of certificates that may follow (RFC 5280 4.2.1.11). */
export interface PolicyConstraints {
  readonly requireExplicitPolicy: number | undefined;
  readonly inhibitPolicyMapping: number | undefined;
}

/** The policyConstraints; undefined when absent; throws PkiError `malformed-extension`. */
export function policyConstraintsOf(extensions: readonly Extension[]): PolicyConstraints | undefined {
  return extensionValue(extensions, extensionTypes.policyConstraints, (reader) =>
    reader.sequence((content) => {
      if (content.done) throw new DerError("bad-value", "policyConstraints is empty.");
      const skip = (number: number) =>
        content.has(contextPrimitive(number)) ? content.smallInteger(maximumSkip, contextPrimitive(number)) : undefined;
      return { requireExplicitPolicy: skip(0), inhibitPolicyMapping: skip(1) };
    }),
  );
}

/** The inhibitAnyPolicy (RFC 5280 4.2.1.14); undefined when absent; throws PkiError `malformed-extension`. */
export function inhibitAnyPolicyOf(extensions: readonly Extension[]): number | undefined {
  return extensionValue(extensions, extensionTypes.inhibitAnyPolicy, (reader) => reader.smallInteger(maximumSkip));
}

function readQualifier(reader: DerReader): string {
  return reader.sequence((content) => {
    const type = content.objectIdentifier();
    content.any();
    return type;
  });
}

const maximumItems = 64;
const maximumSkip = 0x7fffffff;
