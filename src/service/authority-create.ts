import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Write } from "../core/write.ts";
import type { Signer } from "../crypto/signer.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName } from "../pki/name.ts";
import { attributeTypes } from "../pki/oids.ts";
import {
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
} from "../pki/standard-extensions.ts";
import type { Authority as AuthorityRecord } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import type { KeyKeeper } from "./key-keeper.ts";

export interface AuthorityParts {
  readonly store: Store;
  readonly keys: KeyKeeper;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Below which CRLs and OCSP are published; when absent, the certificates of devices do not say where. */
  readonly publicationUrl?: string;
}

/** A root and an issuing CA below it, not committed yet. */
export interface Generation {
  readonly root: AuthorityRecord;
  readonly rootSigner: Signer;
  readonly notBefore: number;
  readonly issuing: AuthorityRecord;
  /** What makes it so: its keys first, then its certificates. */
  readonly writes: readonly Write[];
}

/**
 * Generation `number` of a tenant's CA with new keys. `rootName` is the name of the root in DER, for a generation that takes
 * over from another: a root keeps its name when its key changes (RFC 4210 4.4), so that cross certificates are self-issued.
 */
export async function newGeneration(
  tenant: string,
  number: number,
  state: "next" | "active",
  { store, keys, clock, randomness }: AuthorityParts,
  rootName?: Uint8Array,
): Promise<Generation> {
  const now = clock.now();
  const rootKey = await keys.generate(tenant, `root-${number}`, "P-384");
  const issuingKey = await keys.generate(tenant, `issuing-${number}`, "P-256");
  // Names differ between installations, so that a device which knows two of them can tell them apart.
  const instance = hex(randomness.bytes(3));
  const nameOf = (what: string) =>
    encodeName([
      { type: attributeTypes.organizationName, value: "Hatchery" },
      { type: attributeTypes.commonName, value: `${tenant} ${what} ${instance}` },
    ]);
  const subject = rootName ?? nameOf("root");
  const validity = (years: number) => ({ notBefore: now - clockSkew, notAfter: now + years * year });
  const rootCertificate = await certifyCa(
    // No bound on the CAs below: a root that is brought along later is certified by this one, and may have any number.
    { subject, publicKey: rootKey.signer.publicKey, ...validity(30) },
    { name: subject, signer: rootKey.signer },
    randomness,
  );
  const issuingCertificate = await certifyCa(
    {
      subject: nameOf("issuing"),
      publicKey: issuingKey.signer.publicKey,
      pathLenConstraint: 0,
      ...validity(10),
    },
    { name: subject, signer: rootKey.signer },
    randomness,
  );
  const record = (role: "root" | "issuing", certificate: Uint8Array, key: string): AuthorityRecord => ({
    tenant,
    name: `${role}-${number}`,
    role,
    state,
    origin: "own",
    certificate,
    key,
    created: now,
  });
  const root = record("root", rootCertificate, rootKey.key);
  const issuing = record("issuing", issuingCertificate, issuingKey.key);
  return {
    root,
    rootSigner: rootKey.signer,
    notBefore: now - clockSkew,
    issuing,
    writes: [
      ...rootKey.writes,
      ...issuingKey.writes,
      store.authorities.insert(root),
      store.authorities.insert(issuing),
    ],
  };
}

/** A CA's certificate in DER; self-signed when the issuer's key is the one that is certified. */
export function certifyCa(
  ca: {
    /** Name in DER. */
    readonly subject: Uint8Array;
    /** SubjectPublicKeyInfo in DER. */
    readonly publicKey: Uint8Array;
    readonly pathLenConstraint?: number;
    readonly notBefore: number;
    readonly notAfter: number;
  },
  issuer: { readonly name: Uint8Array; readonly signer: Signer },
  randomness: Randomness,
): Promise<Uint8Array> {
  const { subject, publicKey, notBefore, notAfter, ...constraint } = ca;
  const { name, signer } = issuer;
  return buildCertificate({
    serialNumber: newSerialNumber(randomness),
    issuer: name,
    subject,
    publicKey,
    notBefore,
    notAfter,
    extensions: [
      encodeBasicConstraints({ cA: true, ...constraint }),
      encodeKeyUsage(["keyCertSign", "cRLSign"]),
      encodeSubjectKeyIdentifier(keyIdentifierOf(publicKey)),
      ...(signer.publicKey === publicKey ? [] : [encodeAuthorityKeyIdentifier(keyIdentifierOf(signer.publicKey))]),
    ],
    signer,
  });
}

/** 128 random bits, the first one zero and the second one set: positive, of one length, and never all zero. */
export function newSerialNumber(randomness: Randomness): Uint8Array {
  const serial = Uint8Array.from(randomness.bytes(16));
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40;
  return serial;
}

/** Devices' clocks are often a little behind. */
const clockSkew = 5 * 60 * 1000;
const year = 365.25 * 24 * 3600 * 1000;
