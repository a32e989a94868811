import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { matchesHostName } from "../../src/pki/host-name.ts";
import { buildCertificate } from "../../src/pki/issue.ts";
import { encodeName } from "../../src/pki/name.ts";
import { attributeTypes } from "../../src/pki/oids.ts";
import { encodeSubjectAltName } from "../../src/pki/standard-extensions.ts";
import { keys } from "./material.ts";
import { openOpenssl, opensslPresent } from "./openssl.ts";

// matchesHostName and `openssl x509 -checkhost`.

/** Names of a certificate, a host, whether it is the certificate's, and why openssl says the opposite. */
const hostNames: readonly (readonly [names: readonly string[], host: string, ours: boolean, openssl?: string])[] = [
  [["host.example"], "host.example", true],
  [["HOST.Example", "192.0.2.1"], "host.example", true],
  [["HOST.Example", "192.0.2.1"], "192.0.2.1", true],
  [["host.example"], "192.0.2.1", false],
  [["192.0.2.1"], "192.0.2.2", false],
  [["host.example"], "a.host.example", false],
  [["host.example"], "host.example.", true, "OpenSSL does not know that the last dot ends an absolute name."],
  [["*.host.example"], "a.host.example", true],
  [["*.host.example"], "host.example", false],
  [["*.host.example"], "a.b.host.example", false],
  [["*.host.example"], ".host.example", false, "OpenSSL asks for any name of a domain this way."],
  [["*.host.example"], "*.host.example", false, "OpenSSL compares the octets first; a host has no such name."],
  [["h*.host.example"], "hx.host.example", false, "RFC 9525 6.3: the wildcard is a whole label."],
  [["a.*.example"], "a.host.example", false],
  [["*"], "example", false],
  [["*.example"], "host.example", true, "OpenSSL wants two labels after the wildcard; RFC 9525 6.3 leaves that open."],
  [["xn--bcher-kva.example"], "xn--bcher-kva.example", true],
  [["CN=host.example"], "host.example", false, "RFC 9525 6.1: the common name is not looked at."],
];

if (opensslPresent) {
  const openssl = openOpenssl();
  after(() => openssl.remove());

  for (const [names, host, ours, reason] of hostNames)
    test(`${ours ? "ok" : "fail"}/host name: ${host} and a certificate for ${names.join(" and ")}`, async () => {
      const certificate = parseCertificate(await certificateFor(names));
      openssl.file("host.der", certificate.raw);
      const check = isAddress(host) ? "-checkip" : "-checkhost";
      const { output } = openssl.run(["x509", "-inform", "DER", "-in", "host.der", "-noout", check, host]);
      assert.equal(matchesHostName(certificate, host), ours);
      assert.equal(output.includes("does match"), reason === undefined ? ours : !ours);
    });
}

/** Names of a certificate: an address, a dNSName, or, as `CN=`, a common name without any subjectAltName. */
function certificateFor(names: readonly string[]): Promise<Uint8Array> {
  const { signer } = keys[0];
  const [first = ""] = names;
  const commonName = first.startsWith("CN=") ? first.slice(3) : "host";
  const alternatives = names.map((text) =>
    isAddress(text)
      ? ({ kind: "iPAddress", address: Uint8Array.from(text.split(".").map(Number)) } as const)
      : ({ kind: "dNSName", text } as const),
  );
  const name = encodeName([{ type: attributeTypes.commonName, value: commonName }]);
  return buildCertificate({
    ...{ serialNumber: Uint8Array.of(1), issuer: name, subject: name, publicKey: signer.publicKey, signer },
    ...{ notBefore: 0, notAfter: Date.UTC(2040, 0, 1) },
    extensions: first.startsWith("CN=") ? [] : [encodeSubjectAltName(alternatives)],
  });
}

function isAddress(text: string): boolean {
  return /^[\d.]+$/.test(text);
}
