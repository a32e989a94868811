import type { DerReader } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { contextConstructed, contextPrimitive } from "../encoding/tags.ts";
import { encoding } from "./errors.ts";
import { type Extension, extensionValue } from "./extensions.ts";
import { encodeGeneralName, type GeneralName, readNameButAddress } from "./general-name.ts";
import { isHostName } from "./host-name.ts";
import { extensionTypes } from "./oids.ts";

/** The base of a GeneralSubtree (RFC 5280 4.2.1.10), by the names of the alternatives of GeneralName. */
export type Subtree =
  | Exclude<GeneralName, { readonly kind: "iPAddress" }>
  /** A range in the manner of CIDR: both have 4 octets, or both 16. */
  | { readonly kind: "iPAddress"; readonly address: Uint8Array; readonly mask: Uint8Array };

export interface NameConstraints {
  readonly permittedSubtrees: readonly Subtree[];
  readonly excludedSubtrees: readonly Subtree[];
}

/**
 * The nameConstraints; undefined when absent. Throws PkiError `malformed-extension`, for a base as well that no name of its
 * form can be compared with, and for a minimum or maximum, which RFC 5280 4.2.1.10 does not allow.
 */
export function nameConstraintsOf(extensions: readonly Extension[]): NameConstraints | undefined {
  return extensionValue(extensions, extensionTypes.nameConstraints, (reader) =>
    reader.sequence((content) => {
      if (content.done) throw new DerError("bad-value", "nameConstraints is empty.");
      const permittedSubtrees = readSubtrees(content, 0);
      const excludedSubtrees = readSubtrees(content, 1);
      return { permittedSubtrees, excludedSubtrees };
    }),
  );
}

/** Critical, as RFC 5280 4.2.1.10 demands; throws PkiError `unencodable`. */
export function encodeNameConstraints({ permittedSubtrees, excludedSubtrees }: NameConstraints): Extension {
  const value = encoding("nameConstraints", () =>
    der.sequence([...encodeSubtrees(0, permittedSubtrees), ...encodeSubtrees(1, excludedSubtrees)]),
  );
  return { type: extensionTypes.nameConstraints, critical: true, value };
}

function readSubtrees(reader: DerReader, number: number): readonly Subtree[] {
  if (!reader.has(contextConstructed(number))) return [];
  const subtrees = reader.listOf(readSubtree, maximumSubtrees, contextConstructed(number));
  if (subtrees.length === 0) throw new DerError("bad-value", "GeneralSubtrees holds no subtree.");
  return subtrees;
}

function readSubtree(reader: DerReader): Subtree {
  return reader.sequence((content) => {
    const base = content.has(contextPrimitive(7)) ? readRange(content) : readNameButAddress(content);
    if (!isComparable(base)) throw new DerError("bad-value", `A ${base.kind} of nameConstraints is not of its form.`);
    // DER leaves a minimum of zero out (X.690 11.5); one that is written says the same.
    if (content.has(contextPrimitive(0))) content.smallInteger(0, contextPrimitive(0));
    return base;
  });
}

function readRange(reader: DerReader): Subtree {
  const octets = reader.octetString(contextPrimitive(7));
  const half = octets.length / 2;
  const [address, mask] = [octets.subarray(0, half), octets.subarray(half)];
  if ((half !== 4 && half !== 16) || !isPrefix(mask))
    throw new DerError("bad-value", "An iPAddress of nameConstraints is no address with the mask of a prefix.");
  return { kind: "iPAddress", address, mask };
}

/** RFC 4632 3.1: ones, then zeros. */
function isPrefix(mask: Uint8Array): boolean {
  return /^1*0*$/.test(Array.from(mask, (octet) => octet.toString(2).padStart(8, "0")).join(""));
}

/** An empty text is the whole of its form: any name can be made from it by adding labels. */
function isComparable(base: Subtree): boolean {
  switch (base.kind) {
    case "dNSName":
      return base.text === "" || isHostName(base.text);
    case "uniformResourceIdentifier":
      return base.text === "" || isHostName(base.text.replace(/^\./, ""));
    case "rfc822Name":
      return base.text === "" || isHostName(base.text.replace(/^.+@|^\./, ""));
    default:
      return true;
  }
}

function encodeSubtrees(number: number, subtrees: readonly Subtree[]): readonly Uint8Array[] {
  if (subtrees.length === 0) return [];
  return [der.implicit(number, der.sequence(subtrees.map((base) => der.sequence([encodeBase(base)]))))];
}

function encodeBase(base: Subtree): Uint8Array {
  if (base.kind !== "iPAddress") return encodeGeneralName(base);
  return der.element(contextPrimitive(7), Buffer.concat([base.address, base.mask]));
}

/** CAs that are held to a country's or a company's names have up to some hundred. */
const maximumSubtrees = 512;
