import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command, succeed } from "./peer.ts";

/** Files in PEM. */
export interface Credential {
  readonly certificate: string;
  readonly key: string;
}

/** A manufacturer's CA, made by openssl in `directory`. */
export async function makeManufacturer(directory: string, name: string): Promise<Credential> {
  const made = { certificate: join(directory, `${name}-ca.pem`), key: join(directory, `${name}-ca.key`) };
  // A configuration of its own: what the system's adds to a self-signed certificate differs between distributions.
  const configuration = join(directory, "ca.cnf");
  writeFileSync(configuration, authorityConfiguration);
  await openssl(
    ["req", "-x509", ...newKey, "-keyout", made.key, "-out", made.certificate, "-days", "7300"],
    ["-config", configuration, "-subj", `/O=${name}/CN=${name} Device CA`],
  );
  return made;
}

/** A device's IDevID by that manufacturer, with its serial number in the subject as IEEE 802.1AR 8.6 has it. */
export async function makeIdevid(directory: string, manufacturer: Credential, serial: string): Promise<Credential> {
  const made = { certificate: join(directory, `${serial}-idevid.pem`), key: join(directory, `${serial}-idevid.key`) };
  const request = join(directory, `${serial}-idevid.csr`);
  const extensions = join(directory, "idevid.cnf");
  writeFileSync(
    extensions,
    "keyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
  );
  await openssl(
    ["req", "-new", ...newKey, "-keyout", made.key, "-out", request],
    ["-subj", `/O=Example/serialNumber=${serial}`],
  );
  await openssl(
    ["x509", "-req", "-in", request, "-CA", manufacturer.certificate, "-CAkey", manufacturer.key, "-CAcreateserial"],
    ["-days", "7000", "-extfile", extensions, "-out", made.certificate],
  );
  return made;
}

/** A certificate of `commonName` by a CA, its extensions in the words of openssl's configuration. */
export async function makeLeaf(
  directory: string,
  commonName: string,
  issuer: Credential,
  extensions: readonly string[],
): Promise<Credential> {
  const certificate = join(directory, `${commonName}.pem`);
  const { key, request } = await makeRequest(directory, commonName, commonName);
  const configuration = join(directory, `${commonName}.cnf`);
  writeFileSync(configuration, `${extensions.join("\n")}\n`);
  await openssl(
    ["x509", "-req", "-in", request, "-CA", issuer.certificate, "-CAkey", issuer.key, "-CAcreateserial"],
    ["-days", "30", "-extfile", configuration, "-out", certificate],
  );
  return { certificate, key };
}

export interface CertificationRequest {
  /** Private key in PEM. */
  readonly key: string;
  /** The request in PEM; `requestBody` makes what EST sends. */
  readonly request: string;
}

/** A new key and a request for `commonName`, signed with it. */
export async function makeRequest(directory: string, file: string, commonName: string): Promise<CertificationRequest> {
  const made = { key: join(directory, `${file}.key`), request: join(directory, `${file}.csr`) };
  await openssl(["req", "-new", ...newKey, "-keyout", made.key, "-out", made.request, "-subj", `/CN=${commonName}`]);
  return made;
}

/** The request as RFC 8951 3 wants it: base64 of DER, on one line without an end, or in lines of 64. */
export async function requestBody({ request }: CertificationRequest, form: "line" | "wrapped"): Promise<string> {
  const lines = (await openssl(["req", "-in", request, "-outform", "PEM"])).trim().split("\n").slice(1, -1);
  return form === "line" ? lines.join("") : `${lines.join("\n")}\n`;
}

/** Writes each certificate of a certs-only answer in base64 to a file `NAME-N.pem`, and returns their paths. */
export async function unpackCertificates(directory: string, name: string, body: string): Promise<readonly string[]> {
  const input = Buffer.from(body, "base64");
  const text = await openssl(["pkcs7", "-inform", "DER", "-print_certs"], [], input);
  return splitCertificates(directory, name, text);
}

/** Writes each certificate of a text in PEM to a file `NAME-N.pem`, and returns their paths. */
export function splitCertificates(directory: string, name: string, text: string): readonly string[] {
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
  return certificates.map((certificate, index) => {
    const file = join(directory, `${name}-${index + 1}.pem`);
    writeFileSync(file, certificate);
    return file;
  });
}

/** What an EST server publishes, in two files of PEM. */
export interface Authorities {
  readonly root: string;
  readonly issuing: string;
}

/** Tells root and issuing CA apart, which come in any order (RFC 5652 10.2.3: a set). */
export async function authoritiesIn(files: readonly string[]): Promise<Authorities> {
  assert.equal(files.length, 2, `certificates of the CA: ${files.join(", ")}`);
  const [first, second] = files as [string, string];
  const { code } = await command("openssl", ["verify", "-CAfile", first, first]);
  const [root, issuing] = code === 0 ? [first, second] : [second, first];
  await openssl(["verify", "-x509_strict", "-CAfile", root, issuing]);
  return { root, issuing };
}

/**
 * Holds one certificate in PEM against what was asked for: a path to the CA's root, good for a TLS client, over the public
 * half of `key`, and in the name of `commonName`.
 */
export async function checkCertificate(
  certificate: string,
  authorities: Authorities,
  wanted: { readonly key: string; readonly commonName: string },
): Promise<void> {
  assert.equal(
    readFileSync(certificate, "utf8").split("BEGIN CERTIFICATE").length - 1,
    1,
    "certificates in the answer",
  );
  const { key, commonName } = wanted;
  const { root, issuing } = authorities;
  const chain = ["-CAfile", root, "-untrusted", issuing, "-x509_strict", "-purpose", "sslclient", certificate];
  await openssl(["verify", ...chain]);
  const issued = await openssl(["x509", "-in", certificate, "-noout", "-pubkey"]);
  assert.equal(issued, await openssl(["pkey", "-in", key, "-pubout"]), "the certificate's public key");
  const subject = await openssl(["x509", "-in", certificate, "-noout", "-subject", "-nameopt", "multiline"]);
  assert.match(subject, new RegExp(`commonName +=.${commonName}$`, "m"));
}

/** SHA-256 over the DER of a certificate in PEM, as openssl prints it. */
export async function fingerprintOf(certificate: string): Promise<string> {
  return (await openssl(["x509", "-in", certificate, "-noout", "-fingerprint", "-sha256"])).trim();
}

function openssl(args: readonly string[], more: readonly string[] = [], input?: Uint8Array): Promise<string> {
  return succeed("openssl", [...args, ...more], input === undefined ? {} : { input });
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

const authorityConfiguration = `[req]
distinguished_name = name
x509_extensions = authority
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`;
