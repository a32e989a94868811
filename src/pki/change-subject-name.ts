import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import type { CertificationRequest } from "./csr.ts";
import { decoding, encoding } from "./errors.ts";
import type { Extension } from "./extensions.ts";
import { encodeGeneralName, type GeneralName, readGeneralNames } from "./general-name.ts";
import { type Name, readName } from "./name.ts";
import { extensionTypes, requestAttributes } from "./oids.ts";

/** The names that the holder of a certificate wants in the next one: ChangeSubjectName (RFC 6402 2.8). */
export interface ChangeSubjectName {
  readonly subject?: Name;
  /** As the extension that it asks for. */
  readonly subjectAlt?: Extension;
}

/**
 * The attribute of a certification request; undefined when it has none. Throws PkiError `malformed-request`, also for one that
 * names nothing. It does not check whose names these are.
 */
export function changeSubjectNameOf({ attributes }: CertificationRequest): ChangeSubjectName | undefined {
  const found = attributes.find(({ type }) => type === requestAttributes.changeSubjectName);
  if (found === undefined) return undefined;
  return decoding("malformed-request", "changeSubjectName attribute", () => {
    const [value, second] = found.values;
    if (value === undefined || second !== undefined)
      throw new DerError("bad-value", "The attribute has not exactly one value.");
    return decodeDer(value.raw, (reader) => reader.sequence(readNames));
  });
}

/** The value of the attribute in DER: a Name in DER, GeneralNames, or both. Throws PkiError `unencodable`. */
export function encodeChangeSubjectName(
  subject: Uint8Array | undefined,
  subjectAlt: readonly GeneralName[],
): Uint8Array {
  return encoding("changeSubjectName", () =>
    der.sequence([
      ...(subject === undefined ? [] : [subject]),
      // Erratum 3943 of RFC 6402 gives the tag without which the two could not be told apart.
      ...(subjectAlt.length === 0 ? [] : [der.implicit(1, der.sequence(subjectAlt.map(encodeGeneralName)))]),
    ]),
  );
}

function readNames(content: DerReader): ChangeSubjectName {
  const first = content.has(tags.sequence) ? content.any() : undefined;
  // As RFC 6402 printed it, subjectAlt has no tag of its own. What is in it tells: a Name holds SETs, GeneralNames do not.
  const isName = first !== undefined && (first.content.length === 0 || first.content[0] === tags.set);
  const subject = first !== undefined && isName ? decodeDer(first.raw, readName) : undefined;
  const subjectAlt = first === undefined || isName ? readAlternative(content) : alternative(first.raw);
  if (subject === undefined && subjectAlt === undefined)
    throw new DerError("bad-value", "The attribute names neither a subject nor an alternative name.");
  return { ...(subject === undefined ? {} : { subject }), ...(subjectAlt === undefined ? {} : { subjectAlt }) };
}

/** subjectAlt where it can only be that: with the tag of the erratum, or behind a subject without one. */
function readAlternative(content: DerReader): Extension | undefined {
  if (content.done) return undefined;
  if (!content.has(contextConstructed(1))) return alternative(content.raw(tags.sequence));
  return alternative(der.element(tags.sequence, content.content(contextConstructed(1))));
}

function alternative(value: Uint8Array): Extension {
  decodeDer(value, readGeneralNames);
  return { type: extensionTypes.subjectAltName, critical: false, value };
}
