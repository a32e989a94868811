import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate and its key in PEM; `chain` is the certificate with its intermediate, if it has one. */
export interface TestCredential {
  readonly certificate: string;
  readonly chain: string;
  readonly key: string;
}

export interface TestCertificates {
  readonly root: TestCredential;
  /** For `localhost` and 127.0.0.1, below `root`. */
  readonly server: TestCredential;
  /** For the same names, another key. */
  readonly replacement: TestCredential;
  /** For `other.example` only, below `root`. */
  readonly otherName: TestCredential;
  /** With the common name `localhost` and no subjectAltName, below `root`. */
  readonly commonName: TestCredential;
  readonly expired: TestCredential;
  /** Below an intermediate of a root that nobody knows. */
  readonly device: TestCredential;
  readonly deviceIssuer: TestCredential;
}

/** The test certificates, made by the `openssl` command on first use. */
export function testCertificates(): TestCertificates {
  made ??= make();
  return made;
}

let made: TestCertificates | undefined;

function make(): TestCertificates {
  const directory = mkdtempSync(join(tmpdir(), "hatchery-tls-"));
  try {
    const issue = (name: string, extensions: readonly string[], issuer?: string, dates: readonly string[] = []) => {
      const file = (ending: string) => join(directory, `${name}.${ending}`);
      execFileSync("openssl", [
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
        file("key"),
      ]);
      execFileSync("openssl", ["req", "-new", "-key", file("key"), "-subj", `/CN=${name}`, "-out", file("csr")]);
      writeFileSync(file("ext"), extensions.join("\n"));
      const signer =
        issuer === undefined
          ? ["-signkey", file("key")]
          : ["-CA", join(directory, `${issuer}.pem`), "-CAkey", join(directory, `${issuer}.key`), "-CAcreateserial"];
      const validity = dates.length === 0 ? ["-days", "30"] : dates;
      execFileSync(
        "openssl",
        ["x509", "-req", "-in", file("csr"), ...signer, ...validity, "-extfile", file("ext"), "-out", file("pem")],
        { stdio: "pipe" },
      );
      const certificate = readFileSync(file("pem"), "utf8");
      return { certificate, chain: certificate, key: readFileSync(file("key"), "utf8") };
    };
    const authority = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
    const names = ["subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth"];
    const root = issue("root", authority);
    const server = issue("server", names, "root");
    const replacement = issue("replacement", names, "root");
    const otherName = issue("other", ["subjectAltName=DNS:other.example"], "root");
    const commonName = issue("localhost", ["extendedKeyUsage=serverAuth"], "root");
    const expired = issue("expired", names, "root", ["-days", "-1"]);
    issue("maker", authority);
    const deviceIssuer = issue("maker-issuing", authority, "maker");
    const device = issue("device", ["extendedKeyUsage=clientAuth"], "maker-issuing");
    return {
      root,
      server,
      replacement,
      otherName,
      commonName,
      expired,
      deviceIssuer,
      device: { ...device, chain: device.certificate + deviceIssuer.certificate },
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
