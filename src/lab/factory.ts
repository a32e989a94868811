import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { generateKey, type PrivateKey, signerOf } from "../crypto/keys.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName } from "../pki/name.ts";
import { attributeTypes } from "../pki/oids.ts";
import {
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
} from "../pki/standard-extensions.ts";

/** A manufacturer's own CA, which makes devices with an IDevID (IEEE 802.1AR). */
export interface Manufacturer {
  /** Certificate of the CA in DER: what operators register. */
  readonly certificate: Uint8Array;
  /** A new device: its certificate has this serial number and no end. */
  makeDevice(serial: string): Promise<ManufacturedDevice>;
}

export interface ManufacturedDevice {
  readonly serial: string;
  readonly certificate: Uint8Array;
  readonly key: PrivateKey;
}

/** Opens a factory with a CA of its own; `name` is the organization in every certificate. */
export async function openFactory(name: string, clock: Clock, randomness: Randomness): Promise<Manufacturer> {
  const signer = signerOf(generateKey("P-256"));
  const issuer = encodeName([
    { type: attributeTypes.organizationName, value: name },
    { type: attributeTypes.commonName, value: `${name} Device CA` },
  ]);
  const keyIdentifier = keyIdentifierOf(signer.publicKey);
  const opened = clock.now() - dayBefore;
  const certificate = await buildCertificate({
    serialNumber: serialNumber(randomness),
    issuer,
    subject: issuer,
    publicKey: signer.publicKey,
    notBefore: opened,
    notAfter: withoutEnd,
    extensions: [
      encodeBasicConstraints({ cA: true, pathLenConstraint: 0 }),
      encodeKeyUsage(["keyCertSign", "cRLSign"]),
      encodeSubjectKeyIdentifier(keyIdentifier),
    ],
    signer,
  });
  return {
    certificate,
    async makeDevice(serial) {
      const key = generateKey("P-256");
      const { publicKey } = signerOf(key);
      const device = await buildCertificate({
        serialNumber: serialNumber(randomness),
        issuer,
        // IEEE 802.1AR 8.6: the serialNumber attribute tells one device from the other.
        subject: encodeName([
          { type: attributeTypes.organizationName, value: name },
          { type: attributeTypes.serialNumber, value: serial },
        ]),
        publicKey,
        notBefore: opened,
        notAfter: withoutEnd,
        extensions: [
          encodeKeyUsage(["digitalSignature"]),
          encodeSubjectKeyIdentifier(keyIdentifierOf(publicKey)),
          encodeAuthorityKeyIdentifier(keyIdentifier),
        ],
        signer,
      });
      return { serial, certificate: device, key };
    },
  };
}

/** A serial number for a new device, as factories print them. */
export function newSerial(prefix: string, randomness: Randomness): string {
  return `${prefix}-${hex(randomness.bytes(4)).toUpperCase()}`;
}

function serialNumber(randomness: Randomness): Uint8Array {
  const serial = Uint8Array.from(randomness.bytes(16));
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  return serial;
}

/** IEEE 802.1AR 8.7 and RFC 5280 4.1.2.5: 99991231235959Z, no well-defined end. */
const withoutEnd = 253_402_300_799_000;
const dayBefore = 24 * 3600 * 1000;
