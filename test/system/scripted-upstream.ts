import { systemRandomness } from "../../src/core/randomness.ts";
import { generateKey, type PrivateKey, privateKeyToPem, signerOf } from "../../src/crypto/keys.ts";
import { decodeWireBase64 } from "../../src/encoding/base64.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { type CertificationRequest, parseCertificationRequest } from "../../src/pki/csr.ts";
import type { Extension } from "../../src/pki/extensions.ts";
import { buildCertificate } from "../../src/pki/issue.ts";
import { encodeName } from "../../src/pki/name.ts";
import { attributeTypes, keyPurposes } from "../../src/pki/oids.ts";
import {
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
} from "../../src/pki/standard-extensions.ts";
import { encodeCertificates } from "../../src/protocols/est/messages.ts";
import { type HttpListener, listenHttps } from "../../src/transport/http/listener.ts";
import { type HttpResponse, singleField } from "../../src/transport/http/message.ts";

/** What an upstream of the test was asked. */
export interface Asked {
  readonly request: CertificationRequest;
  readonly authorization: string | undefined;
  /** Certificate that the client showed, in DER. */
  readonly client: Uint8Array | undefined;
}

/** An EST server of the test over real TLS, which answers as the test says and keeps what it was asked. */
export interface ScriptedUpstream {
  readonly url: string;
  readonly ca: ScriptedCa;
  readonly asked: Asked[];
  /** How many requests were under way at once, at most. */
  readonly mostAtOnce: () => number;
  answer: (asked: Asked) => Promise<HttpResponse>;
  /** What cacerts answers. */
  published: readonly Uint8Array[];
  /** What csrattrs answers. */
  csrattrs: HttpResponse;
  close(): Promise<void>;
}

/** A root that certifies whatever it is told to. */
export interface ScriptedCa {
  readonly name: Uint8Array;
  readonly certificate: Uint8Array;
  readonly pem: string;
  issue(
    subject: Uint8Array,
    publicKey: Uint8Array,
    extensions?: readonly Extension[],
    serialNumber?: number,
  ): Promise<Uint8Array>;
}

export async function scriptedCa(name: string, key: PrivateKey = generateKey("P-256")): Promise<ScriptedCa> {
  const issuer = nameOf(name);
  const issue: ScriptedCa["issue"] = (subject, publicKey, extensions = [], serialNumber) =>
    buildCertificate({
      serialNumber:
        serialNumber === undefined ? Uint8Array.of(0x40, ...systemRandomness.bytes(15)) : Uint8Array.of(serialNumber),
      issuer,
      subject,
      publicKey,
      notBefore: Date.now() - day,
      notAfter: Date.now() + day,
      extensions,
      signer: signerOf(key),
    });
  const rights = [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign", "cRLSign"])];
  const certificate = await issue(issuer, signerOf(key).publicKey, rights);
  return { name: issuer, certificate, pem: encodePem("CERTIFICATE", certificate), issue };
}

/** Starts an upstream that certifies every request as it stands, until `answer` is replaced. */
export async function scriptedUpstream(): Promise<ScriptedUpstream> {
  const ca = await scriptedCa("Scripted root");
  const serverKey = generateKey("P-256");
  const server = await ca.issue(nameOf("upstream"), signerOf(serverKey).publicKey, [
    encodeSubjectAltName([{ kind: "iPAddress", address: Uint8Array.of(127, 0, 0, 1) }]),
    encodeExtKeyUsage([keyPurposes.serverAuth]),
  ]);
  let atOnce = 0;
  let mostAtOnce = 0;
  let listener: HttpListener | undefined;
  const upstream: ScriptedUpstream = {
    get url() {
      return `https://127.0.0.1:${listener?.port}/.well-known/est/devices`;
    },
    ca,
    asked: [],
    mostAtOnce: () => mostAtOnce,
    answer: async ({ request }) => certsOnly([await ca.issue(request.subject.raw, request.subjectPublicKeyInfo)]),
    published: [ca.certificate],
    csrattrs: { status: 404, headers: [], body: new Uint8Array(0) },
    close: async () => listener?.close(),
  };
  listener = await listenHttps({
    host: "127.0.0.1",
    port: 0,
    credential: { chain: encodePem("CERTIFICATE", server), key: privateKeyToPem(serverKey) },
    routes: [
      {
        method: "GET",
        path: "/.well-known/est/devices/cacerts",
        bodyLimit: 0,
        handle: async () => certsOnly(upstream.published),
      },
      {
        method: "GET",
        path: "/.well-known/est/devices/csrattrs",
        bodyLimit: 0,
        handle: async () => upstream.csrattrs,
      },
      {
        method: "POST",
        path: "/.well-known/est/devices/simpleenroll",
        bodyLimit: 65_536,
        async handle(message, peer) {
          atOnce += 1;
          mostAtOnce = Math.max(mostAtOnce, atOnce);
          const asked: Asked = {
            request: parseCertificationRequest(decodeWireBase64(message.body)),
            authorization: singleField(message.headers, "authorization"),
            client: peer.chain[0],
          };
          upstream.asked.push(asked);
          try {
            return await upstream.answer(asked);
          } finally {
            atOnce -= 1;
          }
        },
      },
    ],
    onError: () => {},
  });
  return upstream;
}

/** An answer of 200 with these certificates. */
export function certsOnly(certificates: readonly Uint8Array[]): HttpResponse {
  return {
    status: 200,
    headers: [["Content-Type", "application/pkcs7-mime; smime-type=certs-only"]],
    body: encodeCertificates(certificates, "line"),
  };
}

export function nameOf(commonName: string): Uint8Array {
  return encodeName([{ type: attributeTypes.commonName, value: commonName }]);
}

const day = 24 * 3600 * 1000;
