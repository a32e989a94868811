import { ManualClock } from "../../core/clock.ts";
import type { Peer } from "../../core/link.ts";
import { seededRandomness } from "../../core/randomness.ts";
import { generateKey, privateKeyToDer, signerOf } from "../../crypto/keys.ts";
import type { Signer } from "../../crypto/signer.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { buildCertificationRequest } from "../../pki/csr.ts";
import type { Extension } from "../../pki/extensions.ts";
import { buildCertificate } from "../../pki/issue.ts";
import { encodeName, type NameAttribute } from "../../pki/name.ts";
import { attributeTypes } from "../../pki/oids.ts";
import { encodeBasicConstraints, encodeKeyUsage } from "../../pki/standard-extensions.ts";
import type { DeviceKey, DeviceKeys } from "../ports.ts";

export const now = Date.UTC(2026, 0, 1);
export const day = 24 * 3600 * 1000;
export const clock = () => new ManualClock(now);

export interface TestAuthority {
  readonly certificate: Certificate;
  readonly signer: Signer;
}

export function commonName(value: string): NameAttribute {
  return { type: attributeTypes.commonName, value };
}

export function serialNumber(value: string): NameAttribute {
  return { type: attributeTypes.serialNumber, value };
}

let serials = 0;

/** A certificate of `names` for `signer`'s key, by `issuer` or self-signed. */
export async function certify(
  names: readonly NameAttribute[],
  signer: Signer,
  issuer: TestAuthority | undefined,
  options: {
    readonly cA?: boolean;
    readonly pathLenConstraint?: number;
    readonly notBefore?: number;
    readonly notAfter?: number;
    readonly extensions?: readonly Extension[];
  } = {},
): Promise<Certificate> {
  const subject = encodeName(names);
  const { cA = false, pathLenConstraint } = options;
  serials += 1;
  return parseCertificate(
    await buildCertificate({
      serialNumber: Uint8Array.of(0x40, serials >> 8, serials & 0xff),
      issuer: issuer?.certificate.subject.raw ?? subject,
      subject,
      publicKey: signer.publicKey,
      notBefore: options.notBefore ?? now - day,
      notAfter: options.notAfter ?? now + 365 * day,
      extensions: [
        encodeBasicConstraints(pathLenConstraint === undefined ? { cA } : { cA, pathLenConstraint }),
        encodeKeyUsage(cA ? ["keyCertSign"] : ["digitalSignature"]),
        ...(options.extensions ?? []),
      ],
      signer: issuer?.signer ?? signer,
    }),
  );
}

export async function newAuthority(name: string, issuer?: TestAuthority): Promise<TestAuthority> {
  const signer = signerOf(generateKey("P-256"));
  return { signer, certificate: await certify([commonName(name)], signer, issuer, { cA: true }) };
}

export function newKey(): DeviceKey {
  return { kind: "P-256", signer: signerOf(generateKey("P-256")) };
}

/** A service that makes P-256 keys whatever it is asked for, and knows none of the device's. */
export function deviceKeys(known: Partial<DeviceKeys> = {}): DeviceKeys {
  return {
    async generate() {
      const key = generateKey("P-256");
      return { signer: signerOf(key), privateKey: privateKeyToDer(key) };
    },
    keyEncryptionKey: async () => undefined,
    certificatesOf: async () => [],
    signer: async () => {
      const { signer, certificate } = await newAuthority("service");
      return { signer, chain: [certificate.raw] };
    },
    ...known,
  };
}

export async function request(
  names: readonly NameAttribute[],
  options: {
    readonly extensions?: readonly Extension[];
    readonly challengePassword?: string;
    readonly signer?: Signer;
  } = {},
): Promise<Uint8Array> {
  const { signer = newKey().signer, ...rest } = options;
  return buildCertificationRequest({ subject: encodeName(names), signer, ...rest });
}

/** A peer whose binding and exporter are derived from its `seed`, as those of one association are. */
export function peer(version: "TLSv1.2" | "TLSv1.3", chain: readonly Certificate[] = [], seed = "association"): Peer {
  const value = (label: string, length: number) => seededRandomness(`${seed}/${version}/${label}`).bytes(length);
  return {
    address: "192.0.2.7:40000",
    security: { version, cipherSuite: "TLS_AES_128_GCM_SHA256", resumed: false },
    chain: chain.map(({ raw }) => raw),
    binding: (type) => value(type, type === "tls-unique" ? 12 : 32),
    exporter: value,
  };
}
