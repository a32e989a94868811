import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A CA made by the openssl command: files and texts in PEM. */
export interface OpensslCa {
  readonly name: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly certificate: string;
  readonly key: string;
}

export interface OpensslCaOptions {
  readonly algorithm?: keyof typeof newKey;
  /** Self-signed without. */
  readonly issuer?: OpensslCa;
  /** Value of basicConstraints behind `critical,`. */
  readonly basicConstraints?: string;
  readonly keyUsage?: string;
  readonly digest?: "sha256" | "sha1";
  /** Further extensions as openssl's configuration writes them, such as `nameConstraints = permitted;DNS:example.com`. */
  readonly extensions?: readonly string[];
}

/** Makes a CA in `directory`, its files named after `name`. */
export function opensslCa(directory: string, name: string, options: OpensslCaOptions = {}): OpensslCa {
  const { algorithm = "P-256", issuer, basicConstraints = "CA:TRUE", keyUsage = "keyCertSign,cRLSign" } = options;
  const [certificateFile, keyFile] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
  const configuration = join(directory, `${name}.cnf`);
  // A configuration of its own: what the system's adds differs between distributions.
  const extensions = [
    ...(options.extensions ?? []),
    "subjectKeyIdentifier = hash",
    ...(issuer === undefined ? [] : ["authorityKeyIdentifier = keyid"]),
  ];
  writeFileSync(
    configuration,
    [
      "[req]\ndistinguished_name = name\nx509_extensions = ca\n[name]\n[ca]",
      `basicConstraints = critical,${basicConstraints}`,
      `keyUsage = critical,${keyUsage}`,
      ...extensions,
      "",
    ].join("\n"),
  );
  openssl([
    ...[
      "req",
      "-x509",
      `-${options.digest ?? "sha256"}`,
      ...newKey[algorithm],
      "-nodes",
      "-keyout",
      keyFile,
      "-out",
      certificateFile,
    ],
    ...["-days", "3650", "-config", configuration, "-subj", `/O=Example/CN=${name}`],
    ...(issuer === undefined ? [] : ["-CA", issuer.certificateFile, "-CAkey", issuer.keyFile]),
  ]);
  const text = (file: string) => readFileSync(file, "utf8");
  return { name, certificateFile, keyFile, certificate: text(certificateFile), key: text(keyFile) };
}

/** The CA's key under a passphrase, as PKCS #8 of AES-256-CBC and PBKDF2, in a file of its own. */
export function opensslEncrypted({ keyFile }: OpensslCa, passphrase: string): string {
  const file = `${keyFile}.encrypted`;
  openssl(["pkcs8", "-topk8", "-in", keyFile, "-out", file, "-v2", "aes-256-cbc", "-passout", `pass:${passphrase}`]);
  return file;
}

/** Throws unless openssl verifies a certificate in PEM as a TLS client's, with the root and the CAs in between. */
export function opensslVerify(
  directory: string,
  certificate: string,
  root: OpensslCa,
  between: readonly OpensslCa[],
): void {
  const [leaf, untrusted] = [join(directory, "leaf.pem"), join(directory, "untrusted.pem")];
  writeFileSync(leaf, certificate);
  writeFileSync(untrusted, between.map((ca) => ca.certificate).join(""));
  openssl([
    "verify",
    "-x509_strict",
    "-purpose",
    "sslclient",
    "-CAfile",
    root.certificateFile,
    "-untrusted",
    untrusted,
    leaf,
  ]);
}

function openssl(parameters: readonly string[]): void {
  execFileSync("openssl", parameters, { stdio: ["ignore", "pipe", "pipe"] });
}

const newKey = {
  "P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "P-384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
  "RSA-1024": ["-newkey", "rsa:1024"],
  "RSA-2048": ["-newkey", "rsa:2048"],
  "RSA-3072": ["-newkey", "rsa:3072"],
} as const;
