import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { equal } from "../core/bytes.ts";
import { messageOf } from "../core/errors.ts";
import { type PrivateKey, privateKeyFromDer, privateKeyFromPem, publicKeyOf, signerOf } from "../crypto/keys.ts";
import { decodePem } from "../encoding/pem.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { encodeName } from "../pki/name.ts";
import { attributeTypes } from "../pki/oids.ts";
import { rootsAmong } from "../protocols/est/index.ts";
import type { ClientIdentity, DeviceKey, KeyKind } from "../protocols/ports.ts";
import { DeviceError } from "./errors.ts";
import { FileSets } from "./files.ts";
import { deviceKey } from "./keys.ts";

/** A certificate chain and its key from PEM files; throws `credential-unreadable` or `credential-mismatch`. */
export async function loadIdentity(certificateFile: string, keyFile: string): Promise<ClientIdentity> {
  return identityOf(await textOfFile(certificateFile), certificateFile, await textOfFile(keyFile), keyFile);
}

/** The credential that was installed last under `directory`; undefined when there is none. Throws DeviceError. */
export async function currentIdentity(directory: string): Promise<ClientIdentity | undefined> {
  const chainFile = join(directory, "current", "chain.pem");
  const keyFile = join(directory, "current", "key.pem");
  const set = await new FileSets(directory).readTogether(["chain.pem", "key.pem"]);
  const [chain, key] = [set?.["chain.pem"], set?.["key.pem"]];
  if (chain === undefined || key === undefined) return undefined;
  return identityOf(chain.toString("utf8"), chainFile, key.toString("utf8"), keyFile);
}

/**
 * The anchors that were kept with the credential under `directory`, in DER: what the next association is trusted by, so that a
 * device follows the roll-over of its CA (RFC 7030 4.1.3). Undefined when there are none. Throws DeviceError.
 */
export async function currentAnchors(directory: string): Promise<readonly Uint8Array[] | undefined> {
  const set = await new FileSets(directory).readTogether(["anchors.pem", "ca.pem"]);
  const at = (name: string) => join(directory, "current", name);
  const anchors = set?.["anchors.pem"];
  if (anchors !== undefined) return certificatesIn(anchors.toString("utf8"), at("anchors.pem"));
  const published = set?.["ca.pem"];
  if (published === undefined) return undefined;
  // A set that says of no anchors is older than these: then the roots in it are.
  const certificates = certificatesIn(published.toString("utf8"), at("ca.pem"));
  const roots = rootsAmong(readable(at("ca.pem"), () => certificates.map(parseCertificate)));
  return roots.length === 0 ? undefined : roots.map(({ raw }) => raw);
}

/** The certificates of a PEM file, in DER; throws `credential-unreadable` when it holds none. */
export async function readAnchors(file: string): Promise<readonly Uint8Array[]> {
  return certificatesIn(await textOfFile(file), file);
}

/** The name in DER that a device with this common name asks for. */
export function deviceName(commonName: string): Uint8Array {
  return encodeName([{ type: attributeTypes.commonName, value: commonName }]);
}

/** What kind of key a private key is, in the words of `KeyKind`; throws `credential-unreadable` for one that no protocol here makes. */
export function keyKindOf(key: PrivateKey): KeyKind {
  const { kind, bits } = publicKeyOf(signerOf(key).publicKey);
  if (kind === "RSA") return bits > 3072 ? "RSA-4096" : bits > 2048 ? "RSA-3072" : "RSA-2048";
  if (kind === "P-521")
    throw new DeviceError("credential-unreadable", "P-521 keys are not used for devices; use P-256");
  return kind;
}

/** A key pair that somebody else has made for this device, in any form of DER; throws CryptoError or `credential-unreadable`. */
export function foreignKey(der: Uint8Array): DeviceKey {
  const privateKey = privateKeyFromDer(der);
  const { bits } = publicKeyOf(signerOf(privateKey).publicKey);
  if (bits > longestKey)
    throw new DeviceError(
      "credential-unreadable",
      `keys of ${bits} bits are not used for devices; ask for one of at most ${longestKey}`,
    );
  return deviceKey(privateKey, keyKindOf(privateKey));
}

function identityOf(chainPem: string, chainFile: string, keyPem: string, keyFile: string): ClientIdentity {
  const chain = certificatesIn(chainPem, chainFile);
  const key = readable(keyFile, () => {
    const privateKey = privateKeyFromPem(keyPem);
    return deviceKey(privateKey, keyKindOf(privateKey));
  });
  const leaf = readable(chainFile, () => parseCertificate(chain[0] as Uint8Array));
  if (!equal(leaf.subjectPublicKeyInfo, key.signer.publicKey)) {
    throw new DeviceError(
      "credential-mismatch",
      `the key in ${keyFile} is not the one of the first certificate in ${chainFile}`,
    );
  }
  return { chain, key };
}

/** The certificates in PEM text, in DER; `file` is where it came from. Throws `credential-unreadable` when there is none. */
export function certificatesIn(pem: string, file: string): readonly Uint8Array[] {
  const certificates = readable(file, () => decodePem(pem)).filter(({ label }) => label === "CERTIFICATE");
  if (certificates.length === 0) throw new DeviceError("credential-unreadable", `${file} holds no certificate in PEM`);
  return certificates.map(({ bytes }) => bytes);
}

async function textOfFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new DeviceError("credential-unreadable", `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

function readable<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new DeviceError("credential-unreadable", `${file} cannot be used: ${messageOf(cause)}`, { cause });
  }
}

/** Bits of RSA. */
const longestKey = 4096;
