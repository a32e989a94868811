import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { equal } from "../../../src/core/bytes.ts";
import { verifySignature } from "../../../src/crypto/keys.ts";
import { type Certificate, parseCertificate } from "../../../src/pki/certificate.ts";
import { verifyProofOfPossession } from "../../../src/pki/csr.ts";
import { attribute, type Name } from "../../../src/pki/name.ts";
import { attributeTypes } from "../../../src/pki/oids.ts";
import { basicConstraintsOf, keyUsageOf, subjectAltNameOf } from "../../../src/pki/standard-extensions.ts";
import type { EstRequest, PresentedCredentials } from "../../../src/protocols/est/messages.ts";
import { claimedSerial, installer, type World } from "./world.ts";

/** What a client has sent. */
export interface Asked {
  readonly message: EstRequest;
  readonly chain: readonly Uint8Array[];
  /** The name that a person said yes to. */
  readonly approved: string | undefined;
}

/**
 * Fails unless the certificate is one that the operator of `world` would have issued for what was asked: for the key of the
 * request, which signed it, unless the server is to make one, and for no name but those that the client's credential covers. It judges by the operator's
 * intentions alone, without the server's rooms.
 */
export function checkCertificate(world: World, asked: Asked, certificates: readonly Uint8Array[]): void {
  const { message } = asked;
  assert.ok(
    message.kind !== "malformed" && message.kind !== "cacerts" && message.kind !== "csrattrs",
    "a certificate without a request",
  );
  assert.equal(certificates.length, 1);
  const certificate = parseCertificate(certificates[0] as Uint8Array);
  // In serverkeygen nobody looks at the request's key (RFC 7030 4.4.1).
  if (message.kind !== "serverkeygen") {
    assert.ok(
      equal(certificate.subjectPublicKeyInfo, message.csr.subjectPublicKeyInfo),
      "a certificate for another key",
    );
    assert.ok(verifyProofOfPossession(message.csr), "a certificate without proof of possession");
  }
  assert.ok(signedBy(certificate, world.issuing.certificate), "a certificate by another CA");
  assert.notEqual(basicConstraintsOf(certificate.extensions)?.cA, true);
  assert.deepEqual([...(keyUsageOf(certificate.extensions) ?? [])], ["digitalSignature"]);
  const covers = covered(world, asked);
  const names = namesIn(certificate);
  assert.ok(names.length > 0, "a certificate for nobody");
  for (const name of names) assert.ok(covers(name), `a certificate for ${name}, which is not this client's`);
}

/** The names that the client's credential covers. */
function covered(world: World, { message, chain, approved }: Asked): (name: string) => boolean {
  const [leaf] = chain;
  if (message.kind === "simpleenroll" || message.kind === "simplereenroll") {
    const { credentials } = message;
    if (credentials !== undefined) {
      assert.equal(credentials.user, installer.user);
      if (credentials.kind === "basic") assert.equal(credentials.password, installer.password);
      else assert.equal(credentials.response.toLowerCase(), responseTo(credentials));
      if (leaf === undefined) return (name) => /^line-/.test(name);
    }
  }
  if (leaf === undefined) return (name) => name === approved;
  if (equal(leaf, world.enrolled.raw)) return (name) => name === "enrolled-1";
  const certificate = parseCertificate(leaf);
  assert.ok(signedBy(certificate, world.manufacturer.certificate), "a certificate for a stranger");
  const [commonName, serialNumber] = ownNames(certificate.subject);
  assert.equal(serialNumber ?? commonName, claimedSerial, "a certificate for a device that nobody claimed");
  return (name) => name === claimedSerial || name === commonName;
}

/** The Digest response of the installer (RFC 7616 3.4.1). */
function responseTo({ algorithm, method, uri, nonce, nc, cnonce }: PresentedCredentials & { readonly kind: "digest" }) {
  const hashed = (text: string) => hash(algorithm === "MD5" ? "md5" : "sha256", text, "hex");
  const secret = hashed(`${installer.user}:est:${installer.password}`);
  return hashed(`${secret}:${nonce}:${nc}:${cnonce}:auth:${hashed(`${method}:${uri}`)}`);
}

function namesIn({ subject, extensions }: Certificate): readonly string[] {
  const alternatives = (subjectAltNameOf(extensions) ?? []).map((name) => {
    assert.ok(name.kind === "dNSName", `an alternative name of kind ${name.kind}`);
    return name.text;
  });
  return [...ownNames(subject).filter((name) => name !== undefined), ...alternatives];
}

function ownNames(subject: Name): readonly [commonName: string | undefined, serialNumber: string | undefined] {
  return [attribute(subject, attributeTypes.commonName), attribute(subject, attributeTypes.serialNumber)];
}

function signedBy({ signatureAlgorithm, tbsCertificate, signature }: Certificate, { publicKey }: Certificate): boolean {
  return verifySignature(publicKey, signatureAlgorithm, tbsCertificate, signature);
}
