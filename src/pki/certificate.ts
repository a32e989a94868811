import { equal } from "../core/bytes.ts";
import { type PublicKey, rememberedPublicKeyOf } from "../crypto/keys.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import { DerError } from "../encoding/errors.ts";
import { contextConstructed, contextPrimitive, tags } from "../encoding/tags.ts";
import { decoding } from "./errors.ts";
import { type Extension, readExtensions } from "./extensions.ts";
import { type Name, readName } from "./name.ts";

/** A certificate (RFC 5280 4.1). All bytes are views of what was parsed. */
export class Certificate {
  readonly raw: Uint8Array;
  /** What the signature is over. */
  readonly tbsCertificate: Uint8Array;
  readonly version: 1 | 2 | 3;
  /** Content octets of the INTEGER. */
  readonly serialNumber: Uint8Array;
  readonly issuer: Name;
  readonly subject: Name;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly notBefore: number;
  /** Milliseconds since 1970-01-01 UTC; 99991231235959Z, which has no end (RFC 5280 4.1.2.5), is 253402300799000. */
  readonly notAfter: number;
  readonly subjectPublicKeyInfo: Uint8Array;
  /** Empty below version 3. */
  readonly extensions: readonly Extension[];
  /** AlgorithmIdentifier in DER; the same inside and outside of what is signed. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  #publicKey: PublicKey | undefined;

  constructor(fields: Omit<Certificate, "publicKey">) {
    this.raw = fields.raw;
    this.tbsCertificate = fields.tbsCertificate;
    this.version = fields.version;
    this.serialNumber = fields.serialNumber;
    this.issuer = fields.issuer;
    this.subject = fields.subject;
    this.notBefore = fields.notBefore;
    this.notAfter = fields.notAfter;
    this.subjectPublicKeyInfo = fields.subjectPublicKeyInfo;
    this.extensions = fields.extensions;
    this.signatureAlgorithm = fields.signatureAlgorithm;
    this.signature = fields.signature;
  }

  /** Made when first asked for; throws CryptoError for a key that is malformed, weak, or not supported. */
  get publicKey(): PublicKey {
    this.#publicKey ??= rememberedPublicKeyOf(this.subjectPublicKeyInfo);
    return this.#publicKey;
  }
}

/**
 * Parses a certificate in DER of at most 64 KiB. Throws PkiError. It does not check the signature, the dates, the key, nor
 * the values of extensions: `validatePath` does, and `...Of` functions throw for a malformed value.
 */
export function parseCertificate(bytes: Uint8Array): Certificate {
  return decoding("malformed-certificate", "certificate", () => decodeDer(bytes, readCertificate));
}

function readCertificate(reader: DerReader): Certificate {
  const raw = reader.raw(tags.sequence);
  return decodeDer(raw, (outer) =>
    outer.sequence((content) => {
      const tbsCertificate = content.raw(tags.sequence);
      const signatureAlgorithm = content.raw(tags.sequence);
      const signature = content.octetsOfBitString();
      const { innerAlgorithm, ...fields } = decodeDer(tbsCertificate, readTbsCertificate);
      // RFC 5280 4.1.1.2: what is signed must name the algorithm that the signature is read by.
      if (!equal(innerAlgorithm, signatureAlgorithm))
        throw new DerError("bad-value", "The signature algorithms inside and outside differ.");
      return new Certificate({ raw, tbsCertificate, signatureAlgorithm, signature, ...fields });
    }),
  );
}

function readTbsCertificate(reader: DerReader) {
  return reader.sequence((content) => {
    const version = readVersion(content);
    const serialNumber = readSerialNumber(content);
    const innerAlgorithm = content.raw(tags.sequence);
    const issuer = readName(content);
    const [notBefore, notAfter] = content.sequence((validity) => [validity.time(), validity.time()] as const);
    const subject = readName(content);
    const subjectPublicKeyInfo = content.raw(tags.sequence);
    // RFC 5280 4.1.2.8: unique identifiers are to be parsed, and not to be relied on.
    if (version > 1 && content.has(contextPrimitive(1))) content.bitString(contextPrimitive(1));
    if (version > 1 && content.has(contextPrimitive(2))) content.bitString(contextPrimitive(2));
    const extensions = version === 3 && content.has(contextConstructed(3)) ? content.explicit(3, readExtensions) : [];
    return {
      version,
      serialNumber,
      innerAlgorithm,
      issuer,
      notBefore,
      notAfter,
      subject,
      subjectPublicKeyInfo,
      extensions,
    };
  });
}

function readVersion(reader: DerReader): 1 | 2 | 3 {
  if (!reader.has(contextConstructed(0))) return 1;
  const version = reader.explicit(0, (content) => content.smallInteger(2));
  // X.690 11.5: version 1 is the DEFAULT and is left out.
  if (version === 0) throw new DerError("bad-value", "Version 1 is written although it is the default.");
  return version === 1 ? 2 : 3;
}

/** RFC 5280 4.1.2.2: positive, at most 20 octets; a leading zero octet for the sign is not counted. */
function readSerialNumber(reader: DerReader): Uint8Array {
  const serialNumber = reader.integer();
  const [first = 0] = serialNumber;
  const positive = first < 0x80 && (first !== 0 || serialNumber.length > 1);
  if (!positive || serialNumber.length > maximumSerialOctets + (first === 0 ? 1 : 0))
    throw new DerError("bad-value", "The serial number is not positive, or has more than 20 octets.");
  return serialNumber;
}

const maximumSerialOctets = 20;
