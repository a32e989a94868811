import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { tags } from "../encoding/tags.ts";
import { decoding, encoding } from "./errors.ts";

/** One element of CsrAttrs (RFC 7030 4.5.2, RFC 8951 3.2.1). */
export type AttrOrOid =
  /** `type` in dotted form. */
  | { readonly kind: "oid"; readonly type: string }
  /** `values` in DER, each with its header. */
  | { readonly kind: "attribute"; readonly type: string; readonly values: readonly Uint8Array[] };

/**
 * Parses CsrAttrs in DER of at most 64 KiB; throws PkiError `malformed-csrattrs`. What its elements mean, and whether they may
 * stand together, is not looked at: `requirementsOf` does.
 */
export function parseCsrAttrs(bytes: Uint8Array): readonly AttrOrOid[] {
  return decoding("malformed-csrattrs", "list of CSR attributes", () =>
    decodeDer(bytes, (reader) => reader.listOf(readElement, maximumElements)),
  );
}

/** CsrAttrs in DER, in the given order; throws PkiError `unencodable`. */
export function encodeCsrAttrs(elements: readonly AttrOrOid[]): Uint8Array {
  return encoding("list of CSR attributes", () => der.sequence(elements.map(encodeElement)));
}

/** Reads an Attribute; RFC 9908 3.2 lets the SET be empty where the values are left to the client. Throws DerError. */
export function readTemplateAttribute(reader: DerReader): AttrOrOid & { readonly kind: "attribute" } {
  return reader.sequence((content) => ({
    kind: "attribute",
    type: content.objectIdentifier(),
    values: content.listOf((value) => value.any().raw, maximumValues, tags.set),
  }));
}

/** An Attribute of values in DER; throws DerError. */
export function encodeTemplateAttribute(type: string, values: readonly Uint8Array[]): Uint8Array {
  return der.sequence([der.objectIdentifier(type), der.setOf(values)]);
}

function readElement(reader: DerReader): AttrOrOid {
  if (reader.has(tags.objectIdentifier)) return { kind: "oid", type: reader.objectIdentifier() };
  return readTemplateAttribute(reader);
}

function encodeElement(element: AttrOrOid): Uint8Array {
  if (element.kind === "oid") return der.objectIdentifier(element.type);
  return encodeTemplateAttribute(element.type, element.values);
}

/** The examples of the RFCs have up to seven. */
const maximumElements = 128;
const maximumValues = 32;
