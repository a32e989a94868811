import { equal, utf8 } from "../../core/bytes.ts";
import { HatcheryError, messageOf } from "../../core/errors.ts";
import type { Peer } from "../../core/link.ts";
import { privateKeyForm } from "../../crypto/keys.ts";
import * as der from "../../encoding/der-writer.ts";
import { decodeAsymmetricKeyPackage } from "../../pki/asymmetric-key-package.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { encodeContentInfo } from "../../pki/cms-content-info.ts";
import { type DecryptedContent, decryptEnvelopedData, parseEnvelopedData } from "../../pki/cms-enveloped-data.ts";
import { identifiersOf } from "../../pki/cms-identifier.ts";
import { parseSignedData, type SignedData, verifySignedData } from "../../pki/cms-signed-data.ts";
import { contentTypes, requestAttributes } from "../../pki/oids.ts";
import { validatePath } from "../../pki/path.ts";
import { encodeSmimeCapabilities, type OfferedAlgorithms } from "../../pki/smime-capabilities.ts";
import { keyUsageOf, subjectKeyIdentifierOf } from "../../pki/standard-extensions.ts";
import type { DeviceKey } from "../ports.ts";
import type { CaCertificates } from "./accept.ts";
import type { EstDeviceEnv, EstDeviceSettings } from "./device-env.ts";
import { EstFailed } from "./errors.ts";
import type { DeliveredKey } from "./messages.ts";

/**
 * What a request for a server's key says of encryption: SMIMECapabilities and the key's identifier, or nothing. Throws EstFailed
 * `encryption-impossible` for a certificate that nothing can be encrypted for.
 */
export function protectionAttributes({
  serverKey = noProtection,
  identity,
}: Pick<EstDeviceSettings, "serverKey" | "identity">): readonly {
  readonly type: string;
  readonly value: Uint8Array;
}[] {
  if (serverKey.kind === "none") return [];
  const [type, identifier] =
    serverKey.kind === "symmetric"
      ? [requestAttributes.decryptKeyID, utf8(serverKey.identifier)]
      : [requestAttributes.asymmDecryptKeyID, recipientIdentifier(identity?.chain[0])];
  // RFC 7030 4.4.1: both, always.
  return [
    { type: requestAttributes.smimeCapabilities, value: encodeSmimeCapabilities(offered) },
    { type, value: der.octetString(identifier) },
  ];
}

/**
 * The key that the server has sent, decrypted and held against its signer where that was asked for. Throws EstFailed
 * `key-not-encrypted`, `key-unreadable` or `key-signer-not-trusted`. Whether it is the key of the certificate that came with it is
 * for `acceptCertificate` to tell.
 */
export function takeServerKey(
  { form, bytes }: DeliveredKey,
  settings: EstDeviceSettings,
  ca: CaCertificates,
  peer: Peer,
  env: EstDeviceEnv,
): DeviceKey {
  const { serverKey = noProtection } = settings;
  // RFC 7030 4.4.1.1: never sent plain instead; what was not asked for cannot be opened.
  if ((form === "enveloped") !== (serverKey.kind !== "none"))
    throw new EstFailed(
      "key-not-encrypted",
      form === "pkcs8"
        ? "the server sent the private key unencrypted, although its encryption was asked for"
        : "the server sent an encrypted private key, although none was asked for",
    );
  const privateKey = form === "pkcs8" ? bytes : keyInPackage(opened(bytes, settings, env), ca, peer, env);
  try {
    const written = privateKeyForm(privateKey);
    if (written !== "pkcs8")
      env.warning?.(
        `the server sent the private key in the form of ${written === "pkcs1" ? "PKCS #1" : "SEC 1"} instead of PKCS #8 (RFC 7030 4.4.2)`,
      );
    return foreignKeys(env).take(privateKey);
  } catch (error) {
    throw unreadable(error);
  }
}

/** The message in EnvelopedData. */
function opened(message: Uint8Array, { serverKey, identity }: EstDeviceSettings, env: EstDeviceEnv): DecryptedContent {
  try {
    const data = parseEnvelopedData(message);
    if (serverKey?.kind === "symmetric") {
      const { identifier, key } = serverKey;
      const kek = { kind: "keyEncryptionKey", keyIdentifier: utf8(identifier), key } as const;
      return decryptEnvelopedData(data, kek, env.randomness);
    }
    if (identity === undefined) throw noCertificate();
    const certificate = parseCertificate(identity.chain[0] as Uint8Array);
    return foreignKeys(env).decrypt(identity.key, data, identifiersOf(certificate));
  } catch (error) {
    throw unreadable(error);
  }
}

/** RFC 7030 4.4.2: a key package signed by whoever has made the key. */
function keyInPackage(content: DecryptedContent, ca: CaCertificates, peer: Peer, env: EstDeviceEnv) {
  try {
    const signed = signedDataIn(content);
    const own = peer.chain.map(parseCertificate);
    const {
      eContentType,
      content: inner,
      signers,
    } = verifySignedData(signed, { certificates: [...own, ...ca.authorities] });
    const others = [...own.slice(1), ...signed.certificates.map(parseCertificate)];
    requireTrustedSigner(
      signers.map(({ certificate }) => certificate),
      others,
      ca,
      own[0],
      env.clock.now(),
    );
    // RFC 5958 4 wants the key package; a server in Go signs the bare key as id-data.
    if (eContentType === contentTypes.data) return inner;
    if (eContentType !== contentTypes.asymmetricKeyPackage) throw malformed("it is of another type than a key package");
    const [key, second] = decodeAsymmetricKeyPackage(inner);
    if (key === undefined || second !== undefined) throw malformed("the key package has not exactly one key");
    return key;
  } catch (error) {
    throw unreadable(error);
  }
}

/** The server of this association, a CA of it, or another server below these. */
function requireTrustedSigner(
  signers: readonly Certificate[],
  others: readonly Certificate[],
  { authorities, anchors }: CaCertificates,
  server: Certificate | undefined,
  at: number,
): void {
  const known = [...authorities, ...(server === undefined ? [] : [server])];
  let cause: unknown;
  for (const signer of signers) {
    if (known.some(({ raw }) => equal(raw, signer.raw))) return;
    try {
      const chain = [signer, ...[...authorities, ...others].filter(({ raw }) => !equal(raw, signer.raw))];
      validatePath({ chain, anchors, at, profile: "tls-server" });
      return;
    } catch (error) {
      cause = error;
    }
  }
  throw new EstFailed(
    "key-signer-not-trusted",
    `the private key is not signed by a server of the CA: ${messageOf(cause)}`,
    { cause },
  );
}

/** RFC 5652 6.1 encloses the content without its ContentInfo; some writers leave that around it. */
function signedDataIn({ contentType, content }: DecryptedContent): SignedData {
  if (contentType === contentTypes.signedData) {
    try {
      return parseSignedData(encodeContentInfo(der.objectIdentifier(contentTypes.signedData), content));
    } catch {
      return parseSignedData(content);
    }
  }
  return parseSignedData(content);
}

/** The certificate's own identifier, by which both sides name it. */
function recipientIdentifier(shown: Uint8Array | undefined): Uint8Array {
  if (shown === undefined) throw noCertificate();
  const { extensions, publicKey } = parseCertificate(shown);
  const identifier = subjectKeyIdentifierOf(extensions);
  if (identifier === undefined) throw impossible("it has no subjectKeyIdentifier to be named by");
  if (publicKey.kind === "Ed25519") throw impossible("its key is of Ed25519, which only signs");
  // RFC 7030 4.4.1.2.
  const needed = publicKey.kind === "RSA" ? "keyEncipherment" : "keyAgreement";
  if (keyUsageOf(extensions)?.has(needed) === false) throw impossible(`its keyUsage does not allow ${needed}`);
  return identifier;
}

function foreignKeys({ foreignKeys: keeper }: EstDeviceEnv): NonNullable<EstDeviceEnv["foreignKeys"]> {
  if (keeper !== undefined) return keeper;
  throw new EstFailed("encryption-impossible", "this device's environment does not take keys that others have made");
}

function noCertificate(): EstFailed {
  return new EstFailed("encryption-impossible", "without a certificate nothing can be encrypted for the device");
}

function impossible(why: string): EstFailed {
  return new EstFailed(
    "encryption-impossible",
    `nothing can be encrypted for the device's certificate: ${why}; use a symmetric key, or TLS alone`,
  );
}

function malformed(why: string): EstFailed {
  return new EstFailed("key-unreadable", `the private key from the server cannot be used: ${why}`);
}

/** Without the cause: nothing that was made from a private key belongs in an error. */
function unreadable(error: unknown): unknown {
  if (error instanceof EstFailed || !(error instanceof HatcheryError)) return error;
  return malformed(error.message);
}

const noProtection = { kind: "none" } as const;

/** All that this side can decrypt by, the strongest first. */
const offered: OfferedAlgorithms = {
  contentEncryptions: ["aes256-CBC", "aes128-CBC"],
  keyAgreements: ["aes256-wrap", "aes192-wrap", "aes128-wrap"],
  keyWraps: ["aes256-wrap", "aes192-wrap", "aes128-wrap"],
  keyTransports: [{ kind: "RSAES-OAEP", hash: "sha256" }, { kind: "RSAES-PKCS1-v1_5" }],
};
