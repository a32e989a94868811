import { isPrintable } from "../encoding/strings.ts";
import { tags } from "../encoding/tags.ts";
import { type Finding, warning } from "./explain-model.ts";
import type { AttributeTypeAndValue, Name } from "./name.ts";
import { attributeTypes } from "./oids.ts";

/** What readers may stumble over in a name: string types that are wrong for their attribute, or that nobody writes any more. */
export function nameFindings(name: Name, whose: string): readonly Finding[] {
  const findings = name.relativeDistinguishedNames.flat().flatMap((attribute) => complaint(attribute) ?? []);
  return [...new Set(findings)].map((text) => warning("string-type", `The ${whose} ${text}`));
}

function complaint({ type, value, text }: AttributeTypeAndValue): string | undefined {
  const demanded = demandedTypes.get(type);
  const name = attributeNames.get(type) ?? type;
  if (text === undefined) return `has an attribute ${name} that is no string.`;
  if (demanded !== undefined && value.tag !== demanded)
    return `has ${name} in another string type than ${demanded === tags.ia5String ? "IA5String" : "PrintableString"}, which RFC 5280 demands.`;
  if (oldTypes.has(value.tag)) return `has ${name} in a string type that RFC 5280 has given up: write UTF8String.`;
  if (value.tag === tags.printableString && !isPrintable(text))
    return `has ${name} as PrintableString with characters that this type has not: write UTF8String.`;
  const most = upperBounds.get(type);
  if (most !== undefined && text.length > most)
    return `has ${name} of more than the ${most} characters of RFC 5280 A.1.`;
  return undefined;
}

const attributeNames: ReadonlyMap<string, string> = new Map(
  Object.entries(attributeTypes).map(([name, type]) => [type, name]),
);

/** RFC 5280 A.1. */
const demandedTypes: ReadonlyMap<string, number> = new Map([
  [attributeTypes.countryName, tags.printableString],
  [attributeTypes.serialNumber, tags.printableString],
  [attributeTypes.dnQualifier, tags.printableString],
  [attributeTypes.domainComponent, tags.ia5String],
  [attributeTypes.emailAddress, tags.ia5String],
]);

const oldTypes: ReadonlySet<number> = new Set([tags.teletexString, tags.bmpString, tags.universalString]);

/** RFC 5280 A.1: ub-country-name-alpha-length, ub-common-name and so on. */
const upperBounds: ReadonlyMap<string, number> = new Map([
  [attributeTypes.countryName, 2],
  [attributeTypes.commonName, 64],
  [attributeTypes.organizationName, 64],
  [attributeTypes.organizationalUnitName, 64],
  [attributeTypes.serialNumber, 64],
]);
