import assert from "node:assert/strict";
import { after, test } from "node:test";
import * as pkijs from "pkijs";
import { encodePem } from "../../src/encoding/pem.ts";
import type { Certificate } from "../../src/pki/certificate.ts";
import { parseCertificateList } from "../../src/pki/crl.ts";
import { buildCertificateList } from "../../src/pki/crl-build.ts";
import { PathError, type PathErrorCode } from "../../src/pki/errors.ts";
import { validatePath } from "../../src/pki/path.ts";
import { subjectKeyIdentifierOf } from "../../src/pki/standard-extensions.ts";
import { at, type Chain, chainOf, type Defect, day, defects, defectsOfAuthorities, keyIn } from "./chains.ts";
import { schemaOf } from "./engine.ts";
import { openOpenssl, opensslPresent } from "./openssl.ts";
import { verdicts } from "./path-verdicts.ts";
import { randomOf } from "./random.ts";

// Three judges of one chain: validatePath, `openssl verify -x509_strict` and the chain validation of PKI.js.

/** CRLs of all CAs of a chain of three, and what they say. */
const revocations: Readonly<
  Record<string, { readonly revoked?: number; readonly nextUpdate?: number; readonly ours: "valid" | PathErrorCode }>
> = {
  "nobody is revoked": { ours: "valid" },
  "the leaf is revoked": { revoked: 0, ours: "revoked" },
  "the CA is revoked": { revoked: 1, ours: "revoked" },
  "the lists are not current": { nextUpdate: at - day, ours: "crl-expired" },
};

if (opensslPresent) {
  const openssl = openOpenssl();
  after(() => openssl.remove());

  for (const [name, expected] of Object.entries(verdicts)) {
    const [defect, lengths] = defectOf(name);
    test(`${expected.ours === "valid" ? "ok" : "fail"}/path: ${name}`, async () => {
      for (const length of lengths) {
        const chain = await chainOf(randomOf(`${name} ${length}`), length, defect);
        assert.equal(ourVerdict(chain), expected.ours);
        const isValid = expected.ours === "valid";
        assert.equal(byOpenssl(chain), expected.openssl === undefined ? isValid : !isValid, "openssl");
        assert.equal(await byPkijs(chain), expected.pkijs === undefined ? isValid : !isValid, "PKI.js");
      }
    });
  }

  for (const [name, { revoked, nextUpdate, ours }] of Object.entries(revocations))
    test(`${ours === "valid" ? "ok" : "fail"}/revocation: ${name}`, async () => {
      const chain = await chainOf(randomOf(`revocation ${name}`), 3, (plans) => plans);
      const crls = await Promise.all(
        [1, 2].map((level) => listOf(chain, level, level - 1 === revoked, nextUpdate ?? at + day)),
      );
      assert.equal(ourVerdict(chain, crls), ours);
      assert.equal(byOpenssl(chain, crls), ours === "valid", "openssl");
      assert.equal(await byPkijs(chain, crls), ours === "valid", "PKI.js");
    });

  function byOpenssl([leaf, ...others]: Chain, crls: readonly Uint8Array[] = []): boolean {
    const root = others.pop();
    const text = (label: string, all: readonly Uint8Array[]) => all.map((bytes) => encodePem(label, bytes)).join("");
    const parts = { root: root === undefined ? [] : [root], others, leaf: [leaf] };
    for (const [name, certificates] of Object.entries(parts))
      openssl.file(
        `${name}.pem`,
        text(
          "CERTIFICATE",
          certificates.map(({ raw }) => raw),
        ),
      );
    openssl.file("crls.pem", text("X509 CRL", crls));
    return openssl.run([
      ...["verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", "-attime", `${at / 1000}`],
      ...["-CAfile", "root.pem", ...(others.length > 0 ? ["-untrusted", "others.pem"] : [])],
      ...(crls.length > 0 ? ["-crl_check_all", "-CRLfile", "crls.pem"] : []),
      "leaf.pem",
    ]).good;
  }
}

function ourVerdict([leaf, ...others]: Chain, crls: readonly Uint8Array[] = []): string {
  const root = others.pop();
  const anchors = root === undefined ? [] : [root];
  const lists = crls.map((crl) => parseCertificateList(crl));
  const revocation = crls.length === 0 ? {} : { revocation: { lists, policy: "require" } as const };
  try {
    validatePath({ chain: [leaf, ...others], anchors, at, profile: "tls-server", ...revocation });
    return "valid";
  } catch (error) {
    if (error instanceof PathError) return error.code;
    throw error;
  }
}

async function byPkijs([leaf, ...others]: Chain, crls: readonly Uint8Array[] = []): Promise<boolean> {
  const theirs = ({ raw }: Certificate) => new pkijs.Certificate({ schema: schemaOf(raw) });
  const root = others.pop();
  const engine = new pkijs.CertificateChainValidationEngine({
    trustedCerts: root === undefined ? [] : [theirs(root)],
    // The one in question has to be the last.
    certs: [...others, leaf].map(theirs),
    crls: crls.map((crl) => new pkijs.CertificateRevocationList({ schema: schemaOf(crl) })),
    checkDate: new Date(at),
  });
  return (await engine.verify()).result;
}

/** The CRL of the CA at a level of the chain, which may name the certificate below it. */
function listOf(chain: Chain, level: number, revokes: boolean, nextUpdate: number): Promise<Uint8Array> {
  const [issuer, below] = [chain[level], chain[level - 1]];
  assert.ok(issuer !== undefined && below !== undefined);
  return buildCertificateList({
    issuer: issuer.subject.raw,
    authorityKeyIdentifier: subjectKeyIdentifierOf(issuer.extensions) ?? new Uint8Array(),
    ...{ thisUpdate: at - 10 * day, nextUpdate, cRLNumber: Uint8Array.of(1) },
    revokedCertificates: revokes ? [{ serialNumber: below.serialNumber, revocationDate: at - 11 * day }] : [],
    signer: keyIn(issuer).signer,
  });
}

/** Those of CAs need a chain with one between leaf and root. */
function defectOf(name: string): readonly [Defect, lengths: readonly number[]] {
  const own: Readonly<Record<string, Defect>> = defects;
  const ofAuthorities: Readonly<Record<string, Defect>> = defectsOfAuthorities;
  const [defect, ofAuthority] = [own[name], ofAuthorities[name]];
  if (defect !== undefined) return [defect, [2, 3, 4]];
  assert.ok(ofAuthority !== undefined);
  return [ofAuthority, [3, 4]];
}
