import type { Signer } from "../crypto/signer.ts";
import * as der from "../encoding/der-writer.ts";
import { encoding, PkiError } from "./errors.ts";
import { type Extension, encodeExtensions } from "./extensions.ts";

export interface CertificateContent {
  /** Unsigned number of 1 to 20 octets, most significant first, at least 64 bits of it random (CA/Browser Forum BR 7.1). */
  readonly serialNumber: Uint8Array;
  /** Name in DER, byte for byte the subject of the issuer's certificate. */
  readonly issuer: Uint8Array;
  /** Name in DER. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array;
  /** Milliseconds since 1970-01-01 UTC; fractions of a second are dropped. */
  readonly notBefore: number;
  /** Milliseconds since 1970-01-01 UTC; 253402300799000 for a certificate without end (RFC 5280 4.1.2.5). */
  readonly notAfter: number;
  readonly extensions: readonly Extension[];
  /** The issuer's. */
  readonly signer: Signer;
}

/**
 * A signed version 3 certificate in DER. Throws PkiError `unencodable` or `duplicate-extension`, and what the signer throws. It
 * does not judge what it certifies: name, key and extensions are what the caller's profile has decided.
 */
export async function buildCertificate(content: CertificateContent): Promise<Uint8Array> {
  const { signer } = content;
  const tbsCertificate = encodeTbsCertificate(content);
  return der.sequence([tbsCertificate, signer.algorithm, der.bitString(await signer.sign(tbsCertificate))]);
}

function encodeTbsCertificate(content: CertificateContent): Uint8Array {
  const { serialNumber, issuer, subject, publicKey, notBefore, notAfter, extensions, signer } = content;
  if (serialNumber.length > maximumSerialOctets || serialNumber.every((octet) => octet === 0))
    throw new PkiError("unencodable", `A serial number is positive and has at most ${maximumSerialOctets} octets.`);
  if (notAfter < notBefore) throw new PkiError("unencodable", "The certificate would end before it begins.");
  const validity = encoding("validity", () => der.sequence([der.time(notBefore), der.time(notAfter)]));
  return der.sequence([
    version3,
    der.unsignedInteger(serialNumber),
    signer.algorithm,
    issuer,
    validity,
    subject,
    publicKey,
    // RFC 5280 4.1.2.9: if present, a sequence of one or more.
    ...(extensions.length > 0 ? [der.explicit(3, encodeExtensions(extensions))] : []),
  ]);
}

const version3 = der.explicit(0, der.integer(2));

/** RFC 5280 4.1.2.2. */
const maximumSerialOctets = 20;
