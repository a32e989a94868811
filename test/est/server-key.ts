import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "../../src/core/bytes.ts";
import * as der from "../../src/encoding/der-writer.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { requestAttributes } from "../../src/pki/oids.ts";
import { encodeSmimeCapabilities, type OfferedAlgorithms } from "../../src/pki/smime-capabilities.ts";
import { decodeGenerated } from "../../src/protocols/est/http-generated.ts";
import type { GeneratedResponse } from "../../src/protocols/est/messages.ts";
import { attribute } from "./crafted.ts";
import { enrolment, type RawAnswer } from "./raw-client.ts";

/** What tests of serverkeygen ask for, and read of the answers. */

/** A request for a key under the label, none for the profile `device`. */
export function keyRequest(request: Uint8Array | string, label?: string, fields: readonly string[] = []): Uint8Array {
  const path = label === undefined ? "serverkeygen" : `${label}/serverkeygen`;
  return enrolment(request, fields, `/.well-known/est/${path}`);
}

export const everything: OfferedAlgorithms = {
  contentEncryptions: ["aes256-CBC", "aes128-CBC"],
  keyWraps: ["aes256-wrap", "aes192-wrap", "aes128-wrap"],
  keyAgreements: ["aes256-wrap", "aes128-wrap"],
  keyTransports: [{ kind: "RSAES-OAEP", hash: "sha256" }, { kind: "RSAES-PKCS1-v1_5" }],
};

export function capabilities(offered: Partial<OfferedAlgorithms> = everything): Uint8Array {
  const none: OfferedAlgorithms = { contentEncryptions: [], keyWraps: [], keyAgreements: [], keyTransports: [] };
  return attribute(requestAttributes.smimeCapabilities, encodeSmimeCapabilities({ ...none, ...offered }));
}

export function decryptKeyID(name: string | Uint8Array): Uint8Array {
  return attribute(requestAttributes.decryptKeyID, der.octetString(typeof name === "string" ? utf8(name) : name));
}

export function asymmDecryptKeyID(identifier: Uint8Array): Uint8Array {
  return attribute(requestAttributes.asymmDecryptKeyID, der.octetString(identifier));
}

/** The key and the certificate of a granted request; throws for any other answer. */
export function generatedIn(answer: RawAnswer): GeneratedResponse & { readonly certificate: Uint8Array } {
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.field("cache-control"), "no-store");
  const read = decodeGenerated({
    status: answer.status,
    headers: [["Content-Type", answer.field("content-type") ?? ""]],
    body: Buffer.from(answer.text, "latin1"),
  });
  assert.equal(read.certificates.length, 1);
  return { ...read, certificate: parseCertificate(read.certificates[0]?.raw ?? new Uint8Array(0)).raw };
}

/** The openssl command on files of these contents, as a judge from outside: what it prints. */
export function openssl(
  files: Readonly<Record<string, string | Uint8Array>>,
  ...parameters: readonly string[]
): Buffer {
  const directory = mkdtempSync(join(tmpdir(), "hatchery-server-key-"));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
    return execFileSync("openssl", parameters, { stdio: ["ignore", "pipe", "ignore"], cwd: directory });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Has openssl verify the SignedData that was encrypted, its signer under `root`; the key package in it. */
export function verifiedByOpenssl(signedData: Uint8Array, root: Uint8Array): Buffer {
  const message = der.sequence([der.objectIdentifier("1.2.840.113549.1.7.2"), der.explicit(0, signedData)]);
  const files = { message, root: encodePem("CERTIFICATE", root) };
  const how = ["-inform", "DER", "-in", "message", "-binary", "-CAfile", "root", "-purpose", "any"];
  return openssl(files, "cms", "-verify", ...how);
}
