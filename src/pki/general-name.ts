import type { DerReader } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { contextConstructed, contextPrimitive, tags } from "../encoding/tags.ts";
import { type Name, readName } from "./name.ts";

/** A GeneralName (RFC 5280 4.2.1.6), by the names of its alternatives there. */
export type GeneralName =
  /** `value` is the DER of the element under the explicit tag. */
  | { readonly kind: "otherName"; readonly type: string; readonly value: Uint8Array }
  | { readonly kind: "rfc822Name" | "dNSName" | "uniformResourceIdentifier"; readonly text: string }
  | { readonly kind: "directoryName"; readonly name: Name }
  /** 4 octets, 16, or none in a template, where the client has to fill it in (RFC 9908 3.4). */
  | { readonly kind: "iPAddress"; readonly address: Uint8Array }
  | { readonly kind: "registeredID"; readonly identifier: string }
  /** Kept as it was received, tag included. */
  | { readonly kind: "x400Address" | "ediPartyName"; readonly raw: Uint8Array };

/** Reads one GeneralName; throws DerError. It does not check that names of hosts or mailboxes look like such. */
export function readGeneralName(reader: DerReader): GeneralName {
  if (reader.has(contextPrimitive(7))) return { kind: "iPAddress", address: address(reader.any().content) };
  return readNameButAddress(reader);
}

/** Reads one GeneralName that is no iPAddress: what that holds depends on where it stands; throws DerError. */
export function readNameButAddress(reader: DerReader): Exclude<GeneralName, { readonly kind: "iPAddress" }> {
  if (reader.has(contextConstructed(0)))
    return reader.explicit(0, (content) => ({
      kind: "otherName",
      type: content.objectIdentifier(),
      value: content.explicit(0, (inner) => inner.any().raw),
    }));
  if (reader.has(contextPrimitive(1))) return { kind: "rfc822Name", text: ia5(reader, 1) };
  if (reader.has(contextPrimitive(2))) return { kind: "dNSName", text: ia5(reader, 2) };
  if (reader.has(contextConstructed(3))) return { kind: "x400Address", raw: reader.any().raw };
  // Explicit, because Name is a CHOICE (X.680 31.2.7).
  if (reader.has(contextConstructed(4))) return { kind: "directoryName", name: reader.explicit(4, readName) };
  if (reader.has(contextConstructed(5))) return { kind: "ediPartyName", raw: reader.any().raw };
  if (reader.has(contextPrimitive(6))) return { kind: "uniformResourceIdentifier", text: ia5(reader, 6) };
  return { kind: "registeredID", identifier: reader.objectIdentifier(contextPrimitive(8)) };
}

/** One GeneralName in DER; throws DerError. */
export function encodeGeneralName(name: GeneralName): Uint8Array {
  switch (name.kind) {
    case "otherName":
      return der.implicit(0, der.sequence([der.objectIdentifier(name.type), der.explicit(0, name.value)]));
    case "rfc822Name":
      return der.implicit(1, der.ia5String(name.text));
    case "dNSName":
      return der.implicit(2, der.ia5String(name.text));
    case "directoryName":
      return der.explicit(4, name.name.raw);
    case "uniformResourceIdentifier":
      return der.implicit(6, der.ia5String(name.text));
    case "iPAddress":
      return der.element(contextPrimitive(7), address(name.address));
    case "registeredID":
      return der.implicit(8, der.objectIdentifier(name.identifier));
    case "x400Address":
    case "ediPartyName":
      return name.raw;
  }
}

/** Reads GeneralNames: at least one of them (RFC 5280 4.2.1.6: SIZE (1..MAX)); throws DerError. */
export function readGeneralNames(reader: DerReader, tag: number = tags.sequence): readonly GeneralName[] {
  const names = reader.listOf(readGeneralName, maximumNames, tag);
  if (names.length === 0) throw new DerError("bad-value", "GeneralNames holds no name.");
  return names;
}

function ia5(reader: DerReader, number: number): string {
  return reader.text(tags.ia5String, contextPrimitive(number));
}

function address(octets: Uint8Array): Uint8Array {
  if (octets.length === 4 || octets.length === 16 || octets.length === 0) return octets;
  throw new DerError("bad-value", "iPAddress has neither 4 nor 16 octets.");
}

const maximumNames = 256;
