import { equal } from "../../core/bytes.ts";
import { decodeDer } from "../../encoding/der.ts";
import { DerError } from "../../encoding/errors.ts";
import { encodeAsymmetricKeyPackage } from "../../pki/asymmetric-key-package.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { contentOf } from "../../pki/cms-content-info.ts";
import { encryptEnvelopedData, type Recipient } from "../../pki/cms-enveloped-data-build.ts";
import { issuerAndSerialNumberOf } from "../../pki/cms-identifier.ts";
import { keyWrapNameFor } from "../../pki/cms-key-encryption.ts";
import { buildSignedData } from "../../pki/cms-signed-data-build.ts";
import type { CertificationRequest } from "../../pki/csr.ts";
import { PkiError } from "../../pki/errors.ts";
import { contentTypes, requestAttributes } from "../../pki/oids.ts";
import { decodeSmimeCapabilities, type OfferedAlgorithms } from "../../pki/smime-capabilities.ts";
import { keyUsageOf, subjectKeyIdentifierOf } from "../../pki/standard-extensions.ts";
import type { Ports } from "../ports.ts";
import { EstRefused } from "./errors.ts";

/** How a request wants the key that is made for it encrypted, beyond TLS (RFC 7030 4.4.1). */
export interface ProtectionAsked {
  readonly kind: "symmetric" | "asymmetric";
  /** Of the key to encrypt by, as both sides know it. */
  readonly identifier: Uint8Array;
  readonly offered: OfferedAlgorithms;
}

/** For whom a key is encrypted, and by what. */
export interface KeyProtection {
  readonly recipient: Recipient;
  readonly contentEncryption: OfferedAlgorithms["contentEncryptions"][number];
}

/**
 * What a request asks for; undefined when TLS alone is to keep the key secret. Throws EstRefused `encryption-incomplete` or
 * `csr-malformed`.
 */
export function protectionAsked(csr: CertificationRequest): ProtectionAsked | undefined {
  const capabilities = soleValue(csr, requestAttributes.smimeCapabilities);
  const symmetric = soleValue(csr, requestAttributes.decryptKeyID);
  const asymmetric = soleValue(csr, requestAttributes.asymmDecryptKeyID);
  const identifier = symmetric ?? asymmetric;
  if (capabilities === undefined && identifier === undefined) return undefined;
  // RFC 7030 4.4.1: both or none. Which of two keys is meant must not be a matter of who reads.
  if (capabilities === undefined || identifier === undefined || (symmetric !== undefined && asymmetric !== undefined))
    throw new EstRefused(
      "encryption-incomplete",
      "the request has not SMIMECapabilities and one of decryptKeyID and asymmDecryptKeyID",
    );
  return {
    kind: symmetric === undefined ? "asymmetric" : "symmetric",
    ...wellFormed(() => ({
      identifier: decodeDer(identifier, (reader) => reader.octetString()),
      offered: decodeSmimeCapabilities(capabilities),
    })),
  };
}

/**
 * The recipient that a request names, and the algorithms that it offers. A key by its identifier belongs to the device that asks:
 * registered for its name, or in a certificate that it shows or that was issued to it here. Throws EstRefused
 * `decrypt-key-unknown` or `encryption-unsupported`; nothing is ever sent unencrypted instead (RFC 7030 4.4.1.1, 4.4.1.2).
 */
export async function protectionFor(
  { kind, identifier, offered }: ProtectionAsked,
  device: { readonly name: string; readonly id: string | undefined; readonly shown: Certificate | undefined },
  { deviceKeys }: Ports,
): Promise<KeyProtection> {
  const [contentEncryption] = offered.contentEncryptions;
  if (contentEncryption === undefined) throw unsupported("AES-CBC for the content");
  if (kind === "symmetric") {
    const key = await deviceKeys.keyEncryptionKey(identifier, device.name);
    if (key === undefined) throw unknown(`no key with the decryptKeyID is registered for ${device.name}`);
    const keyWrap = keyWrapNameFor(key.length);
    if (!offered.keyWraps.some((each) => each === keyWrap)) throw unsupported(`${keyWrap} for the registered key`);
    return { recipient: { kind: "keyEncryptionKey", keyIdentifier: identifier, key }, contentEncryption };
  }
  const issued = device.id === undefined ? [] : await deviceKeys.certificatesOf(device.id);
  const certificate = [...(device.shown === undefined ? [] : [device.shown]), ...issued].find((each) =>
    isNamedBy(each, identifier),
  );
  if (certificate === undefined)
    throw unknown(`no certificate of ${device.name} has the asymmDecryptKeyID as subjectKeyIdentifier`);
  return { recipient: recipientOf(certificate, identifier, offered), contentEncryption };
}

/** The key package of RFC 7030 4.4.2: signed by the service that made the key, and then encrypted. A CMS message in DER. */
export async function enveloped(
  privateKey: Uint8Array,
  { recipient, contentEncryption }: KeyProtection,
  { deviceKeys, clock, randomness }: Ports,
): Promise<Uint8Array> {
  const { signer, chain } = await deviceKeys.signer();
  const signed = await buildSignedData({
    // RFC 5958 4.
    eContentType: contentTypes.asymmetricKeyPackage,
    content: encodeAsymmetricKeyPackage([privateKey]),
    signers: [
      {
        signer,
        sid: issuerAndSerialNumberOf(parseCertificate(chain[0] as Uint8Array)),
        signingTime: clock.now(),
      },
    ],
    certificates: chain,
  });
  const content = { contentType: contentTypes.signedData, content: contentOf(signed) };
  return encryptEnvelopedData({ ...content, contentEncryption, recipients: [recipient] }, randomness);
}

function recipientOf(certificate: Certificate, keyIdentifier: Uint8Array, offered: OfferedAlgorithms): Recipient {
  const { publicKey, extensions } = certificate;
  const rid = { kind: "subjectKeyIdentifier", keyIdentifier } as const;
  const usage = keyUsageOf(extensions);
  // RFC 7030 4.4.1.2: usable for key transport or agreement, or unrestricted.
  const isRsa = publicKey.kind === "RSA";
  if (usage?.has(isRsa ? "keyEncipherment" : "keyAgreement") === false)
    throw unsupported(`a certificate whose keyUsage allows ${isRsa ? "keyEncipherment" : "keyAgreement"}`);
  if (isRsa) {
    const [scheme] = offered.keyTransports;
    if (scheme === undefined) throw unsupported("RSAES-OAEP or RSAES-PKCS1-v1_5 for an RSA key");
    return { kind: "keyTransport", rid, publicKey, scheme };
  }
  if (publicKey.kind === "Ed25519") throw unsupported("a certificate of an RSA key or of one on a NIST curve");
  // RFC 7030 4.4.2 speaks of key wraps alone; RFC 5753 7.1.4 names them below the key agreement.
  const [keyWrap] = [...offered.keyAgreements, ...offered.keyWraps];
  if (keyWrap === undefined) throw unsupported("AES key wrap for an elliptic-curve key");
  return { kind: "keyAgreement", rid, publicKey, keyWrap };
}

function isNamedBy({ extensions }: Certificate, identifier: Uint8Array): boolean {
  try {
    const own = subjectKeyIdentifierOf(extensions);
    return own !== undefined && equal(own, identifier);
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}

/** The one value of an attribute in DER. */
function soleValue({ attributes }: CertificationRequest, wanted: string): Uint8Array | undefined {
  const found = attributes.find(({ type }) => type === wanted);
  if (found === undefined) return undefined;
  const [value, second] = found.values;
  if (value === undefined || second !== undefined)
    throw new EstRefused("csr-malformed", `the request's attribute ${wanted} has not exactly one value`);
  return value.raw;
}

function wellFormed<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof DerError || cause instanceof PkiError)) throw cause;
    throw new EstRefused("csr-malformed", "the request does not say in DER how its key is to be encrypted", { cause });
  }
}

function unknown(message: string): EstRefused {
  return new EstRefused("decrypt-key-unknown", message);
}

function unsupported(what: string): EstRefused {
  return new EstRefused("encryption-unsupported", `the key can be encrypted with ${what} only`);
}
