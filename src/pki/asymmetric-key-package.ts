import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed, contextPrimitive, tags } from "../encoding/tags.ts";
import { CmsError, decodingCms, encodingCms } from "./cms-errors.ts";

/**
 * The private keys of an AsymmetricKeyPackage in DER (RFC 5958 2), each a OneAsymmetricKey as received: PKCS #8 of version 1 or
 * 2. Throws CmsError `malformed-cms`. It does not look into the keys.
 */
export function decodeAsymmetricKeyPackage(bytes: Uint8Array): readonly Uint8Array[] {
  return decodingCms(() => {
    const keys = decodeDer(bytes, (reader) => reader.listOf(readOneAsymmetricKey, mostKeys));
    if (keys.length === 0) throw new CmsError("malformed-cms", "The key package holds no key.");
    return keys;
  });
}

/** An AsymmetricKeyPackage in DER of private keys in PKCS #8. Throws CmsError `unencodable` for none. */
export function encodeAsymmetricKeyPackage(keys: readonly Uint8Array[]): Uint8Array {
  if (keys.length === 0) throw new CmsError("unencodable", "A key package needs a key.");
  return encodingCms(() => der.sequence(keys));
}

function readOneAsymmetricKey(reader: DerReader): Uint8Array {
  const raw = reader.raw(tags.sequence);
  decodeDer(raw, (outer) =>
    outer.sequence((content) => {
      const version = content.smallInteger(1);
      content.raw(tags.sequence);
      content.octetString();
      if (content.has(contextConstructed(0))) content.any();
      // RFC 5958 2: the public key is what makes it version 2.
      if (content.has(contextPrimitive(1)) !== (version === 1))
        throw new CmsError("malformed-cms", "The version of a OneAsymmetricKey does not go with its fields.");
      if (!content.done) content.octetsOfBitString(contextPrimitive(1));
    }),
  );
  return raw;
}

/** A device gets one key at a time. */
const mostKeys = 8;
