import { view } from "../core/bytes.ts";
import { derOfBer } from "../encoding/ber.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { decoding, PkiError } from "./errors.ts";
import { contentTypes } from "./oids.ts";

/**
 * A certs-only CMS message (RFC 5272 4.1, Simple PKI Response) in DER around certificates in DER, which stand in the order
 * of a SET OF, not in the given one. It does not look into the certificates.
 */
export function encodeCertsOnly(certificates: readonly Uint8Array[]): Uint8Array {
  const signedData = der.sequence([
    der.integer(1),
    der.setOf([]),
    der.sequence([der.objectIdentifier(contentTypes.data)]),
    der.implicit(0, der.setOf(certificates)),
    der.setOf([]),
  ]);
  return der.sequence([der.objectIdentifier(contentTypes.signedData), der.explicit(0, signedData)]);
}

/**
 * The certificates of a certs-only CMS message in DER or BER, in the order received, byte for byte: 1 to 32 of them, in at
 * most 256 KiB. CRLs are passed over. Throws PkiError `malformed-cms` or `not-certs-only`. It does not parse the
 * certificates, and nothing in such a message is authenticated.
 */
export function decodeCertsOnly(bytes: Uint8Array): readonly Uint8Array[] {
  return decoding("malformed-cms", "CMS message", () => {
    const message = derOfBer(bytes, maximumLength);
    const certificates = decodeDer(message, readContentInfo, maximumLength);
    // A certificate is signed DER: one that had to be rewritten to be read was never valid, and is not passed on as if it were.
    if (message.length !== bytes.length || !view(message).equals(bytes))
      for (const certificate of certificates)
        if (!view(bytes).includes(certificate))
          throw new PkiError("malformed-cms", "A certificate in the CMS message is not in DER.");
    return certificates;
  });
}

function readContentInfo(reader: DerReader): readonly Uint8Array[] {
  return reader.sequence((content) => {
    const type = content.objectIdentifier();
    if (type !== contentTypes.signedData)
      throw new PkiError("not-certs-only", "The CMS message holds something else than SignedData.", {
        details: { type },
      });
    return content.explicit(0, readSignedData);
  });
}

function readSignedData(reader: DerReader): readonly Uint8Array[] {
  return reader.sequence((content) => {
    // RFC 5652 5.1 derives the version from the content; writers of certs-only have put 1 and 3 here.
    content.smallInteger(5);
    content.listOf((algorithm) => algorithm.raw(tags.sequence), maximumCertificates, tags.set);
    content.sequence(readEncapsulatedContent);
    const certificates = content.has(contextConstructed(0))
      ? content.listOf(readCertificateChoice, maximumCertificates, contextConstructed(0))
      : [];
    // RFC 5652 5.1: crls. The examples of RFC 7030 and RFC 9148 have it there and empty.
    if (content.has(contextConstructed(1))) content.any();
    if (content.content(tags.set).length > 0)
      throw new PkiError("not-certs-only", "The CMS message is signed, which a certs-only message is not.");
    if (certificates.length === 0) throw new PkiError("malformed-cms", "The CMS message holds no certificate.");
    return certificates;
  });
}

/** RFC 5272 4.1: a certs-only message has no content. An empty OCTET STRING is what some writers make of that. */
function readEncapsulatedContent(reader: DerReader): void {
  const type = reader.objectIdentifier();
  const content = reader.done ? undefined : reader.explicit(0, (inner) => inner.octetString());
  if (type !== contentTypes.data || (content !== undefined && content.length > 0))
    throw new PkiError("not-certs-only", "The CMS message has a content, which a certs-only message has not.", {
      details: { type },
    });
}

/** RFC 5652 10.2.2: attribute certificates and other formats have context tags, and no use here. */
function readCertificateChoice(reader: DerReader): Uint8Array {
  return reader.raw(tags.sequence);
}

/** A roll-over set has four certificates, a chain hardly more than five. */
const maximumCertificates = 32;
const maximumLength = 262_144;
