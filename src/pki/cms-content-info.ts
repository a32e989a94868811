import { view } from "../core/bytes.ts";
import { derOfBer } from "../encoding/ber.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { CmsError, decodingCms } from "./cms-errors.ts";

/** Whether this part of a message stands in it byte for byte as it was received, and so was DER already. */
export type IsAsReceived = (part: Uint8Array) => boolean;

/**
 * Decodes a ContentInfo (RFC 5652 3) in DER or BER of one of the types that `readers` has, in dotted form. Throws CmsError
 * `malformed-cms` or `unexpected-content-type`, and what the reader throws.
 */
export function decodeContentInfo<T>(
  bytes: Uint8Array,
  maximumLength: number,
  readers: ReadonlyMap<string, (content: DerReader, isAsReceived: IsAsReceived) => T>,
): T {
  return decodingCms(() => {
    const message = derOfBer(bytes, maximumLength);
    const received = view(bytes);
    const wasDer = received.equals(message);
    const isAsReceived: IsAsReceived = (part) => wasDer || received.includes(part);
    const read = (reader: DerReader) =>
      reader.sequence((content) => {
        const type = content.objectIdentifier();
        const readContent = readers.get(type);
        if (readContent === undefined)
          throw new CmsError("unexpected-content-type", "The CMS message is of another type than expected.", {
            details: { type },
          });
        return content.explicit(0, (inner) => readContent(inner, isAsReceived));
      });
    return decodeDer(message, read, maximumLength);
  });
}

/** The content in a ContentInfo in DER, as another CMS message encloses it (RFC 5652 5.2.1). Throws CmsError `malformed-cms`. */
export function contentOf(message: Uint8Array): Uint8Array {
  const read = (reader: DerReader) =>
    reader.sequence((content) => {
      content.objectIdentifier();
      return content.explicit(0, (inner) => inner.any().raw);
    });
  return decodingCms(() => decodeDer(message, read, message.length));
}

/** A ContentInfo in DER around a type and a content in DER. */
export function encodeContentInfo(type: Uint8Array, content: Uint8Array): Uint8Array {
  return der.sequence([type, der.explicit(0, content)]);
}
