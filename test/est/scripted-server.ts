import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { generateKey, privateKeyToPem, signerOf } from "../../src/crypto/keys.ts";
import { decodeWireBase64 } from "../../src/encoding/base64.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { type CertificationRequest, parseCertificationRequest } from "../../src/pki/csr.ts";
import { encodeName } from "../../src/pki/name.ts";
import { attributeTypes, keyPurposes } from "../../src/pki/oids.ts";
import { encodeExtKeyUsage, encodeSubjectAltName } from "../../src/pki/standard-extensions.ts";
import { encodeCertificates } from "../../src/protocols/est/messages.ts";
import { type ScriptedCa, scriptedCa } from "../system/scripted-upstream.ts";

/** A request as the device wrote it. */
export interface ScriptedRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  /** Number of the association, from 0. */
  readonly association: number;
  readonly hasClientCertificate: boolean;
  readonly csr: CertificationRequest | undefined;
}

/** What is written, byte for byte; `end` ends the association afterwards, `drop` ends it without a word. */
export type ScriptedAnswer = string | Uint8Array | { readonly end: string } | "drop" | "silence";

/** An EST server of a test that writes whatever the test wants, over real TLS and without an HTTP library. */
export interface ScriptedServer {
  readonly port: number;
  readonly ca: ScriptedCa;
  readonly requests: ScriptedRequest[];
  /** TLS handshakes that were completed. */
  readonly associations: () => number;
  /** Undefined: as a good server answers. */
  answer: (request: ScriptedRequest) => ScriptedAnswer | undefined;
  close(): void;
}

export interface ScriptedOptions {
  readonly ca?: ScriptedCa;
  /** Issuer of the server's own certificate, `ca` unless given. */
  readonly tls?: ScriptedCa;
  /** Addresses in the server's certificate, 127.0.0.1 unless given. */
  readonly addresses?: readonly (readonly number[])[];
  /** What cacerts publishes, the CA's certificate unless given. */
  readonly published?: readonly Uint8Array[];
}

export async function scriptedServer(options: ScriptedOptions = {}): Promise<ScriptedServer> {
  const { ca = await scriptedCa("Scripted EST root"), addresses = [[127, 0, 0, 1]] } = options;
  const { published = [ca.certificate] } = options;
  const key = generateKey("P-256");
  const name = encodeName([{ type: attributeTypes.commonName, value: "scripted" }]);
  const certificate = await (options.tls ?? ca).issue(name, signerOf(key).publicKey, [
    encodeSubjectAltName(addresses.map((address) => ({ kind: "iPAddress", address: Uint8Array.from(address) }))),
    encodeExtKeyUsage([keyPurposes.serverAuth]),
  ]);
  const sockets = new Set<TLSSocket>();
  let associations = 0;
  const credential = { cert: encodePem("CERTIFICATE", certificate), key: privateKeyToPem(key) };
  const listener = createServer({ ...credential, requestCert: true, rejectUnauthorized: false }, (socket) => {
    const association = associations;
    associations += 1;
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    let text = "";
    socket.setEncoding("latin1").on("data", async (chunk: string) => {
      text += chunk;
      const request = requestIn(text, association, socket);
      if (request === undefined) return;
      text = "";
      server.requests.push(request);
      const answer = server.answer(request) ?? (await goodAnswer(request));
      if (answer === "silence" || socket.destroyed) return;
      if (answer === "drop") socket.destroy();
      else if (typeof answer === "object" && "end" in answer) socket.end(answer.end, "latin1");
      else socket.write(answer);
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const server: ScriptedServer = {
    port: (listener.address() as AddressInfo).port,
    ca,
    requests: [],
    associations: () => associations,
    answer: () => undefined,
    close() {
      listener.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return server;

  async function goodAnswer({ path, csr }: ScriptedRequest): Promise<string> {
    if (path.split("?")[0]?.endsWith("/cacerts") === true) return certificates(published);
    if (csr === undefined) return http(404, [], "");
    return certificates([await ca.issue(csr.subject.raw, csr.subjectPublicKeyInfo)]);
  }
}

/** A whole HTTP response with its length. */
export function http(status: number, headers: readonly string[], body: string): string {
  return [`HTTP/1.1 ${status} Status`, ...headers, `Content-Length: ${body.length}`, "", body].join("\r\n");
}

/** A certs-only answer; `more` are further header fields. */
export function certificates(ders: readonly Uint8Array[], more: readonly string[] = []): string {
  const body = Buffer.from(encodeCertificates(ders, "line")).toString("latin1");
  return http(200, ["Content-Type: application/pkcs7-mime; smime-type=certs-only", ...more], body);
}

function requestIn(text: string, association: number, socket: TLSSocket): ScriptedRequest | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "im").exec(text.slice(0, end))?.[1]?.trim();
  const body = text.slice(end + 4);
  if (body.length < Number(field("content-length") ?? 0)) return undefined;
  const [method = "", path = ""] = text.split(" ", 2);
  return {
    method,
    path,
    authorization: field("authorization"),
    association,
    hasClientCertificate: socket.getPeerX509Certificate() !== undefined,
    csr: method === "POST" ? parseCertificationRequest(decodeWireBase64(Buffer.from(body, "latin1"))) : undefined,
  };
}
