import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { tags } from "../encoding/tags.ts";
import { decoding, encoding, PkiError } from "./errors.ts";

/** An extension of a certificate or of a certification request (RFC 5280 4.1.2.9). */
export interface Extension {
  /** extnID in dotted form. */
  readonly type: string;
  readonly critical: boolean;
  /** Content of extnValue: the DER of the extension's own type. */
  readonly value: Uint8Array;
  /** All of it in DER; only of those that `prepared` has made. */
  readonly der?: Uint8Array;
}

/** Parses Extensions in DER. Throws PkiError, `duplicate-extension` among others. It does not look into the values. */
export function parseExtensions(bytes: Uint8Array): readonly Extension[] {
  return decoding("malformed-extension", "list of extensions", () => decodeDer(bytes, readExtensions));
}

/** Reads Extensions as part of something larger; throws DerError, or PkiError `duplicate-extension`. */
export function readExtensions(reader: DerReader): readonly Extension[] {
  const extensions = reader.listOf(readExtension, maximumExtensions);
  refuseDuplicates(extensions);
  return extensions;
}

/** Extensions in DER, in the given order; throws PkiError `unencodable` or `duplicate-extension`. */
export function encodeExtensions(extensions: readonly Extension[]): Uint8Array {
  refuseDuplicates(extensions);
  return encoding("list of extensions", () =>
    der.sequence(extensions.map((extension) => extension.der ?? encodeExtension(extension))),
  );
}

/** The same extension, encoded once for the many certificates that it will stand in; throws PkiError `unencodable`. */
export function prepared({ type, critical, value }: Extension): Extension {
  return { type, critical, value, der: encoding("extension", () => encodeExtension({ type, critical, value })) };
}

function encodeExtension({ type, critical, value }: Extension): Uint8Array {
  // X.690 11.5: what is equal to its DEFAULT is left out.
  return der.sequence([der.objectIdentifier(type), ...(critical ? [der.boolean(true)] : []), der.octetString(value)]);
}

/** The extension of a type of `oids.ts`; undefined when it is absent. */
export function extensionOf(extensions: readonly Extension[], type: string): Extension | undefined {
  return extensions.find((extension) => extension.type === type);
}

/** Reads the value of an extension when it is there; throws PkiError `malformed-extension`. */
export function extensionValue<T>(
  extensions: readonly Extension[],
  type: string,
  read: (reader: DerReader) => T,
): T | undefined {
  const extension = extensionOf(extensions, type);
  if (extension === undefined) return undefined;
  return decoding("malformed-extension", `extension ${type}`, () => decodeDer(extension.value, read));
}

/**
 * A BOOLEAN DEFAULT FALSE, absent or not. DER leaves a FALSE out (X.690 11.5), but CAs that write it are in service, in
 * basicConstraints above all, and the bytes are signed either way.
 */
export function readDefaultFalse(reader: DerReader): boolean {
  return reader.has(tags.boolean) && reader.boolean();
}

function readExtension(reader: DerReader): Extension {
  return reader.sequence((content) => ({
    type: content.objectIdentifier(),
    critical: readDefaultFalse(content),
    value: content.octetString(),
  }));
}

/** RFC 5280 4.2: a certificate must not have an extension twice. With two, each reader might believe another one. */
function refuseDuplicates(extensions: readonly Extension[]): void {
  for (const [index, { type }] of extensions.entries())
    for (let other = 0; other < index; other += 1)
      if (extensions[other]?.type === type)
        throw new PkiError("duplicate-extension", `Extension ${type} occurs more than once.`, { details: { type } });
}

/** Certificates have about ten. */
const maximumExtensions = 64;
