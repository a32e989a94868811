import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { generateKey, privateKeyFromDer, privateKeyToDer, signerOf } from "../crypto/keys.ts";
import { sha256 } from "../crypto/mac.ts";
import type { Signer } from "../crypto/signer.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName, formatName, parseName } from "../pki/name.ts";
import { attributeTypes } from "../pki/oids.ts";
import {
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
} from "../pki/standard-extensions.ts";
import type { Issuer } from "../protocols/ports.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";
import { extensionsOf, lifetimes, type Profile } from "./profiles.ts";
import type { Vault } from "./vault.ts";

/** A tenant's certificate authority: a root that signed one issuing CA, whose key is in memory while the service runs. */
export interface Authority extends Issuer {
  readonly root: Certificate;
  readonly issuing: Certificate;
  /** A certificate of the service itself, which no device asked for; it is not recorded. */
  issueOwn(
    profile: Profile,
    subject: Uint8Array,
    publicKey: Uint8Array,
    names: Parameters<typeof extensionsOf>[1],
  ): Promise<Uint8Array>;
}

interface Parts {
  readonly store: Store;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/**
 * The tenant's authority, made on first use: keys sealed, certificates and keys stored in one commit. Throws `not-found`
 * when the store has lost its key, and `seal-broken`.
 */
export async function openAuthority(tenant: string, parts: Parts): Promise<Authority> {
  const { store, vault } = parts;
  const { items } = await store.authorities.list(tenant, { limit: 10 });
  const [root, issuing] = ["root", "issuing"].map((name) => items.find((item) => item.name === name));
  if (root === undefined || issuing === undefined) return createAuthority(tenant, parts);
  const sealed = await store.authorities.key(tenant, issuing.key);
  if (sealed === undefined) {
    throw new ServiceError(
      "not-found",
      `the store holds the CA of tenant ${tenant}, but not its key ${issuing.key}; restore the whole data directory from one backup`,
    );
  }
  const signer = signerOf(privateKeyFromDer(vault.open(purposeOf(tenant, issuing.key), sealed.sealed)));
  return authority(tenant, parseCertificate(root.certificate), parseCertificate(issuing.certificate), signer, parts);
}

async function createAuthority(tenant: string, parts: Parts): Promise<Authority> {
  const { store, vault, clock, randomness } = parts;
  const now = clock.now();
  const rootKey = generateKey("P-384");
  const issuingKey = generateKey("P-256");
  // Names differ between installations, so that a device which knows two of them can tell them apart.
  const instance = hex(randomness.bytes(3));
  const nameOf = (what: string) =>
    encodeName([
      { type: attributeTypes.organizationName, value: "Hatchery" },
      { type: attributeTypes.commonName, value: `${tenant} ${what} ${instance}` },
    ]);
  const certify = async (
    subject: Uint8Array,
    publicKey: Uint8Array,
    issuer: Uint8Array,
    signer: Signer,
    years: number,
    pathLenConstraint: number,
  ) => {
    const issuerKey = keyIdentifierOf(signer.publicKey);
    return buildCertificate({
      serialNumber: newSerialNumber(randomness),
      issuer,
      subject,
      publicKey,
      notBefore: now - clockSkew,
      notAfter: now + years * year,
      extensions: [
        encodeBasicConstraints({ cA: true, pathLenConstraint }),
        encodeKeyUsage(["keyCertSign", "cRLSign"]),
        encodeSubjectKeyIdentifier(keyIdentifierOf(publicKey)),
        ...(signer.publicKey === publicKey ? [] : [encodeAuthorityKeyIdentifier(issuerKey)]),
      ],
      signer,
    });
  };
  const rootSigner = signerOf(rootKey);
  const issuingSigner = signerOf(issuingKey);
  const rootName = nameOf("root");
  const root = await certify(rootName, rootSigner.publicKey, rootName, rootSigner, 30, 1);
  const issuing = await certify(nameOf("issuing"), issuingSigner.publicKey, rootName, rootSigner, 10, 0);
  const sealedKey = (name: string, key: typeof rootKey) => ({
    tenant,
    name,
    sealed: vault.seal(purposeOf(tenant, name), privateKeyToDer(key)),
  });
  await store.commit([
    store.authorities.addKey(sealedKey("root", rootKey)),
    store.authorities.addKey(sealedKey("issuing", issuingKey)),
    store.authorities.insert({ tenant, name: "root", certificate: root, key: "root", created: now }),
    store.authorities.insert({ tenant, name: "issuing", certificate: issuing, key: "issuing", created: now }),
    store.audit.append({
      tenant,
      at: now,
      actor: "service",
      action: "ca-created",
      subject: formatName(parseName(rootName)),
      detail: {},
    }),
  ]);
  return authority(tenant, parseCertificate(root), parseCertificate(issuing), issuingSigner, parts);
}

function authority(
  tenant: string,
  root: Certificate,
  issuing: Certificate,
  signer: Signer,
  { store, clock, randomness }: Parts,
): Authority {
  const issuerKeyIdentifier = keyIdentifierOf(issuing.subjectPublicKeyInfo);
  const build = async (
    profile: Profile,
    subject: Uint8Array,
    publicKey: Uint8Array,
    names: Parameters<typeof extensionsOf>[1],
  ) => {
    const now = clock.now();
    const serialNumber = newSerialNumber(randomness);
    // No certificate outlives the one that it is verified with.
    const notAfter = Math.min(now + lifetimes[profile], issuing.notAfter);
    const certificate = await buildCertificate({
      serialNumber,
      issuer: issuing.subject.raw,
      subject,
      publicKey,
      notBefore: now - clockSkew,
      notAfter,
      extensions: [
        ...extensionsOf(profile, names),
        encodeSubjectKeyIdentifier(keyIdentifierOf(publicKey)),
        encodeAuthorityKeyIdentifier(issuerKeyIdentifier),
      ],
      signer,
    });
    return { certificate, serialNumber, notBefore: now - clockSkew, notAfter };
  };
  return {
    root,
    issuing,
    authorities: async () => [root, issuing],
    async issueOwn(profile, subject, publicKey, names) {
      return (await build(profile, subject, publicKey, names)).certificate;
    },
    async issue({ profile, subject, publicKey, subjectAltName, device, run }) {
      const { certificate, serialNumber, notBefore, notAfter } = await build(
        profile,
        subject,
        publicKey,
        subjectAltName === undefined ? [] : [subjectAltName],
      );
      const record = {
        tenant,
        authority: "issuing",
        serial: hex(serialNumber),
        certificate,
        subject: formatName(parseName(subject)),
        profile,
        notBefore,
        notAfter,
        run,
        ...(device === undefined ? {} : { device }),
      };
      return { certificate, notAfter, writes: [store.authorities.insertCertificate(record)] };
    },
    async issued(certificate) {
      const found = await store.authorities.certificateByFingerprint(tenant, hex(sha256(certificate.raw)));
      return found !== undefined;
    },
  };
}

/** 128 random bits, the first one zero and the second one set: positive, of one length, and never all zero. */
function newSerialNumber(randomness: Randomness): Uint8Array {
  const serial = Uint8Array.from(randomness.bytes(16));
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  return serial;
}

function purposeOf(tenant: string, name: string): string {
  return `key/${tenant}/${name}`;
}

/** Devices' clocks are often a little behind. */
const clockSkew = 5 * 60 * 1000;
const year = 365.25 * 24 * 3600 * 1000;
