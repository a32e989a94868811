import { equal } from "../../src/core/bytes.ts";
import { type Certificate, parseCertificate } from "../../src/pki/certificate.ts";
import type { Extension } from "../../src/pki/extensions.ts";
import { buildCertificate } from "../../src/pki/issue.ts";
import { encodeName } from "../../src/pki/name.ts";
import { encodeNameConstraints } from "../../src/pki/name-constraints.ts";
import { attributeTypes, keyPurposes } from "../../src/pki/oids.ts";
import * as standard from "../../src/pki/standard-extensions.ts";
import { type Key, keys } from "./material.ts";
import type { Random } from "./random.ts";

/** Chains of two to four certificates, from the leaf to the root, with one defect each or none. */
export type Chain = readonly [leaf: Certificate, ...others: Certificate[], root: Certificate];

/** What a certificate of a chain is to say. */
export interface Plan {
  readonly name: string;
  /** Of the issuer, as it stands in this certificate. */
  readonly issuer: string;
  readonly key: Key;
  /** Whose key signs. */
  readonly issuerKey: Key;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: Readonly<Record<string, Extension | undefined>>;
}

/** `plans` go from the leaf to the root; a defect changes some of them. */
export type Defect = (plans: readonly Plan[]) => readonly Plan[];

export const day = 24 * 3600 * 1000;
/** When the chains are judged. */
export const at = Date.UTC(2026, 5, 1);

/** A chain with `length` certificates for the server `host`, in which nothing but the defect is wrong. */
export async function chainOf(random: Random, length: number, defect: Defect): Promise<Chain> {
  const first = random.below(signing.length);
  const keyAt = (level: number) => signing[(first + level) % signing.length] ?? signing[0];
  const plans = Array.from({ length }, (_, level): Plan => {
    const [key, issuerKey] = [keyAt(level), keyAt(Math.min(level + 1, length - 1))];
    return {
      name: level === 0 ? "leaf" : `CA ${level}`,
      issuer: `CA ${Math.min(level + 1, length - 1)}`,
      ...{ key, issuerKey, notBefore: at - 100 * day, notAfter: at + 100 * day },
      extensions: {
        ...(level === 0 ? leafExtensions : authorityExtensions),
        ski: standard.encodeSubjectKeyIdentifier(standard.keyIdentifierOf(key.signer.publicKey)),
        aki: standard.encodeAuthorityKeyIdentifier(standard.keyIdentifierOf(issuerKey.signer.publicKey)),
      },
    };
  });
  const [leaf, ...others] = await Promise.all(defect(plans).map((plan, level) => certified(plan, level)));
  const root = others.pop();
  if (leaf === undefined || root === undefined) throw new Error("a chain has a leaf and a root");
  return [leaf, ...others, root];
}

/** The key that a certificate of a chain is for. */
export function keyIn({ subjectPublicKeyInfo }: Certificate): Key {
  const found = signing.find(({ signer }) => equal(signer.publicKey, subjectPublicKeyInfo));
  if (found === undefined) throw new Error("the certificate is for no key of these chains");
  return found;
}

/** Changes the plan at a level: 0 is the leaf, and -1 the root. */
export function changed(level: number, change: (plan: Plan) => Partial<Plan>): Defect {
  return (plans) =>
    plans.map((plan, i) => (i === (level + plans.length) % plans.length ? { ...plan, ...change(plan) } : plan));
}

/** Changes extensions of the plan at a level. */
export function extended(level: number, extensions: Plan["extensions"]): Defect {
  return changed(level, (plan) => ({ extensions: { ...plan.extensions, ...extensions } }));
}

async function certified(plan: Plan, level: number): Promise<Certificate> {
  return parseCertificate(
    await buildCertificate({
      serialNumber: Uint8Array.of(0x40 + level),
      issuer: nameOf(plan.issuer),
      subject: nameOf(plan.name),
      publicKey: plan.key.signer.publicKey,
      notBefore: plan.notBefore,
      notAfter: plan.notAfter,
      extensions: Object.values(plan.extensions).filter((extension) => extension !== undefined),
      signer: plan.issuerKey.signer,
    }),
  );
}

function nameOf(commonName: string): Uint8Array {
  return encodeName([{ type: attributeTypes.commonName, value: commonName }]);
}

const leafExtensions = {
  keyUsage: standard.encodeKeyUsage(["digitalSignature"]),
  extKeyUsage: standard.encodeExtKeyUsage([keyPurposes.serverAuth]),
  names: standard.encodeSubjectAltName([{ kind: "dNSName", text: "leaf.example" }]),
};

const authorityExtensions = {
  basicConstraints: standard.encodeBasicConstraints({ cA: true }),
  keyUsage: standard.encodeKeyUsage(["keyCertSign", "cRLSign"]),
};

/** PKI.js verifies no Ed25519. */
const signing = keys.filter(({ kind }) => kind !== "Ed25519") as [Key, ...Key[]];

const otherKey = (plan: Plan) => signing.find((key) => key !== plan.issuerKey) ?? plan.issuerKey;
const permitting = (text: string) =>
  encodeNameConstraints({ permittedSubtrees: [{ kind: "dNSName", text }], excludedSubtrees: [] });

/** Defects, and what is no defect, by what they are; those of CAs need a chain of three. */
export const defects = {
  "nothing wrong": (plans) => plans,
  "leaf expired": changed(0, () => ({ notAfter: at - day })),
  "leaf expires in this second": changed(0, () => ({ notAfter: at })),
  "leaf expired a second ago": changed(0, () => ({ notAfter: at - 1000 })),
  "leaf not valid yet": changed(0, () => ({ notBefore: at + 1000 })),
  "leaf valid from this second on": changed(0, () => ({ notBefore: at })),
  "leaf without end": changed(0, () => ({ notAfter: 253_402_300_799_000 })),
  "root expired": changed(-1, () => ({ notAfter: at - day })),
  "leaf for clients only": extended(0, { extKeyUsage: standard.encodeExtKeyUsage([keyPurposes.clientAuth]) }),
  "leaf for any purpose": extended(0, { extKeyUsage: standard.encodeExtKeyUsage([keyPurposes.anyExtendedKeyUsage]) }),
  "leaf without extKeyUsage": extended(0, { extKeyUsage: undefined }),
  "leaf's key only agrees": extended(0, { keyUsage: standard.encodeKeyUsage(["keyAgreement"]) }),
  "leaf signed by another key": changed(0, (plan) => ({ issuerKey: otherKey(plan) })),
  "leaf names another issuer": changed(0, () => ({ issuer: "CA X" })),
  "leaf with an unknown critical extension": extended(0, {
    unknown: { type: "1.3.6.1.4.1.99999.3", critical: true, value: Uint8Array.of(5, 0) },
  }),
  "leaf with an unknown extension": extended(0, {
    unknown: { type: "1.3.6.1.4.1.99999.3", critical: false, value: Uint8Array.of(5, 0) },
  }),
  "root without keyCertSign": extended(-1, { keyUsage: standard.encodeKeyUsage(["cRLSign"]) }),
  "root permits the leaf's name": extended(-1, { nameConstraints: permitting("example") }),
  "root permits other names": extended(-1, { nameConstraints: permitting("other.example") }),
} as const satisfies Readonly<Record<string, Defect>>;

export const defectsOfAuthorities = {
  "CA expired": changed(1, () => ({ notAfter: at - day })),
  "CA is none": extended(1, { basicConstraints: standard.encodeBasicConstraints({ cA: false }) }),
  "CA without basicConstraints": extended(1, { basicConstraints: undefined }),
  "CA without keyCertSign": extended(1, { keyUsage: standard.encodeKeyUsage(["cRLSign"]) }),
  "CA without keyUsage": extended(1, { keyUsage: undefined }),
  "CA for clients only": extended(1, { extKeyUsage: standard.encodeExtKeyUsage([keyPurposes.clientAuth]) }),
  "CA for servers": extended(1, { extKeyUsage: standard.encodeExtKeyUsage([keyPurposes.serverAuth]) }),
  "CA signed by another key": changed(1, (plan) => ({ issuerKey: otherKey(plan) })),
  "root allows no CA below": extended(-1, {
    basicConstraints: standard.encodeBasicConstraints({ cA: true, pathLenConstraint: 0 }),
  }),
  "root allows two CAs below": extended(-1, {
    basicConstraints: standard.encodeBasicConstraints({ cA: true, pathLenConstraint: 2 }),
  }),
  "CA allows no CA below": extended(1, {
    basicConstraints: standard.encodeBasicConstraints({ cA: true, pathLenConstraint: 0 }),
  }),
  "CA permits other names": extended(1, { nameConstraints: permitting("other.example") }),
  "CA excludes the leaf's name": extended(1, {
    nameConstraints: encodeNameConstraints({
      permittedSubtrees: [],
      excludedSubtrees: [{ kind: "dNSName", text: "leaf.example" }],
    }),
  }),
} as const satisfies Readonly<Record<string, Defect>>;
