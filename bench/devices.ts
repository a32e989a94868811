import { createSecureContext, type SecureContext } from "node:tls";
import { systemRandomness } from "../src/core/randomness.ts";
import { generateKey, type PrivateKey, privateKeyToPem, type SynchronousSigner, signerOf } from "../src/crypto/keys.ts";
import { encodePem } from "../src/encoding/pem.ts";
import {
  attributeTypes,
  buildCertificate,
  buildCertificationRequest,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeKeyUsage,
  encodeName,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
} from "../src/pki/index.ts";

/** A CA with a P-256 key, for the emulated manufacturer and for the bare server. */
export interface BenchAuthority {
  readonly name: Uint8Array;
  readonly signer: SynchronousSigner;
  /** PEM. */
  readonly certificate: string;
}

/** A CA beneath `parent`, or a root. */
export async function makeAuthority(commonName: string, parent?: BenchAuthority): Promise<BenchAuthority> {
  const name = encodeName([{ type: attributeTypes.commonName, value: commonName }]);
  const signer = signerOf(generateKey("P-256"));
  const extensions = [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign", "cRLSign"])];
  const certificate = await certify(parent ?? { name, signer }, name, signer, extensions);
  return { name, signer, certificate };
}

export interface BenchCredential {
  /** The certificate in PEM. */
  readonly certificate: string;
  readonly key: PrivateKey;
}

/** A server for 127.0.0.1. */
export async function makeServer(authority: BenchAuthority): Promise<BenchCredential> {
  const key = generateKey("P-256");
  const name = encodeName([{ type: attributeTypes.commonName, value: "bare server" }]);
  const address = encodeSubjectAltName([{ kind: "iPAddress", address: Uint8Array.of(127, 0, 0, 1) }]);
  const extensions = [encodeKeyUsage(["digitalSignature"]), address];
  return { certificate: await certify(authority, name, signerOf(key), extensions), key };
}

/** One device, ready to enrol once: nothing of it has to be computed while the server is measured. */
export interface BenchDevice {
  /** Its manufacturer's certificate and key, and the anchors that it trusts. */
  readonly context: SecureContext;
  /** `simpleenroll` with a fresh key, as bytes of HTTP. */
  readonly enroll: Uint8Array;
  /** `cacerts`, as bytes of HTTP. */
  readonly cacerts: Uint8Array;
}

/** A new device by `manufacturer`, which trusts the roots in `anchors` (PEM). */
export async function makeDevice(manufacturer: BenchAuthority, serial: string, anchors: string): Promise<BenchDevice> {
  const key = generateKey("P-256");
  const subject = encodeName([{ type: attributeTypes.serialNumber, value: serial }]);
  const certificate = await certify(manufacturer, subject, signerOf(key), [encodeKeyUsage(["digitalSignature"])]);
  const csr = await buildCertificationRequest({
    subject: encodeName([{ type: attributeTypes.commonName, value: serial }]),
    signer: signerOf(generateKey("P-256")),
  });
  return {
    context: createSecureContext({ cert: certificate, key: privateKeyToPem(key), ca: anchors }),
    enroll: http("POST", "simpleenroll", Buffer.from(csr).toString("base64")),
    cacerts: http("GET", "cacerts", ""),
  };
}

function http(method: string, operation: string, body: string): Uint8Array {
  const content = body === "" ? [] : ["Content-Type: application/pkcs10", `Content-Length: ${body.length}`];
  const head = [`${method} /.well-known/est/${operation} HTTP/1.1`, "Host: 127.0.0.1", ...content];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`, "latin1");
}

async function certify(
  issuer: Pick<BenchAuthority, "name" | "signer">,
  subject: Uint8Array,
  { publicKey }: SynchronousSigner,
  extensions: Parameters<typeof buildCertificate>[0]["extensions"],
): Promise<string> {
  const now = Date.now();
  const certificate = await buildCertificate({
    serialNumber: Uint8Array.of(1, ...systemRandomness.bytes(15)),
    issuer: issuer.name,
    subject,
    publicKey,
    notBefore: now - day,
    notAfter: now + day,
    extensions: [
      ...extensions,
      encodeSubjectKeyIdentifier(keyIdentifierOf(publicKey)),
      encodeAuthorityKeyIdentifier(keyIdentifierOf(issuer.signer.publicKey)),
    ],
    signer: issuer.signer,
  });
  return encodePem("CERTIFICATE", certificate);
}

const day = 24 * 3600 * 1000;
