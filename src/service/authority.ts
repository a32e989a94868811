import { equal, hex } from "../core/bytes.ts";
import { sha256 } from "../crypto/mac.ts";
import type { Signer } from "../crypto/signer.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { type Extension, prepared } from "../pki/extensions.ts";
import { buildCertificate } from "../pki/issue.ts";
import { formatName, parseName } from "../pki/name.ts";
import {
  encodeAuthorityKeyIdentifier,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
  subjectKeyIdentifierOf,
} from "../pki/standard-extensions.ts";
import type { Issuer } from "../protocols/ports.ts";
import { each } from "../store/paging.ts";
import type { Authority as AuthorityRecord } from "../store/records.ts";
import { type AuthorityParts, newGeneration, newSerialNumber } from "./authority-create.ts";
import { type CaCertificate, type Hierarchy, hierarchyOf } from "./authority-hierarchy.ts";
import { ServiceError } from "./errors.ts";
import { extensionsOf, keptProfiles, type Profile, profileFor, profileNamed, validityOf } from "./profiles.ts";
import { publicationExtensions } from "./publication-urls.ts";

/** A tenant's certificate authority: one generation of root and issuing CA that is active, and perhaps others beside it. */
export interface Authority extends Issuer {
  /** The CAs as they stand; what another process changed is seen a second later. */
  hierarchy(): Promise<Hierarchy>;
  /** Makes the next call read the CAs anew: this process has changed them. */
  refresh(): void;
  /** The signer of a CA; throws `not-found` when its key is not here, and what the keeper of its key throws. */
  signer(ca: CaCertificate): Promise<Signer>;
  /** A certificate of the service itself, which no device asked for; it is not recorded. */
  issueOwn(
    profile: string,
    subject: Uint8Array,
    publicKey: Uint8Array,
    names: readonly Extension[],
  ): Promise<Uint8Array>;
}

/**
 * The tenant's authority, made on first use: keys and certificates stored in one commit. Throws what the keeper of the
 * issuing CA's key throws, `not-found` and `seal-broken` among them.
 */
export async function openAuthority(tenant: string, parts: AuthorityParts): Promise<Authority> {
  const records = await recordsOf(tenant, parts);
  if (records.length === 0) await create(tenant, parts);
  const opened = authority(tenant, parts);
  // A key that cannot be had is told when the service starts, not to the first device.
  await opened.signer((await opened.hierarchy()).issuing);
  return opened;
}

async function create(tenant: string, parts: AuthorityParts): Promise<void> {
  const { store, clock } = parts;
  const { root, writes } = await newGeneration(tenant, 1, "active", parts);
  const subject = formatName(parseCertificate(root.certificate).subject);
  await store.commit([
    ...writes,
    store.audit.append({ tenant, at: clock.now(), actor: "service", action: "ca-created", subject, detail: {} }),
  ]);
}

function authority(tenant: string, parts: AuthorityParts): Authority {
  const { store, keys, clock, randomness } = parts;
  const profiles = keptProfiles(tenant, parts);
  const signers = new Map<string, Signer>();
  const issuersExtensions = new Map<string, readonly Extension[]>();
  let loaded: { readonly hierarchy: Hierarchy; readonly at: number } | undefined;

  async function hierarchy(): Promise<Hierarchy> {
    if (loaded !== undefined && clock.monotonic() - loaded.at < longestUnseen) return loaded.hierarchy;
    const found = hierarchyOf(await recordsOf(tenant, parts));
    if (found === undefined)
      throw new ServiceError(
        "not-found",
        `the tenant ${tenant} has no active CA; restore the whole data directory from one backup`,
      );
    loaded = { hierarchy: found, at: clock.monotonic() };
    return found;
  }

  async function signer({ record: { name, key }, certificate, fingerprint }: CaCertificate): Promise<Signer> {
    if (key === undefined)
      throw new ServiceError("not-found", `the key of ${name} is not kept here; use the CA's own tools for it`);
    const known = signers.get(fingerprint);
    if (known !== undefined) return known;
    const found = await keys.signer(tenant, key);
    if (!equal(found.publicKey, certificate.subjectPublicKeyInfo)) {
      loaded = undefined;
      throw new ServiceError("overloaded", `${name} was replaced a moment ago; try again`);
    }
    signers.set(fingerprint, found);
    return found;
  }

  /** What stands alike in all certificates of a CA. */
  function extensionsOfIssuer(issuing: CaCertificate, publicationUrl = ""): readonly Extension[] {
    const key = `${issuing.fingerprint} ${publicationUrl}`;
    const known = issuersExtensions.get(key);
    if (known !== undefined) return known;
    const made = [
      encodeAuthorityKeyIdentifier(identifierOf(issuing)),
      ...(publicationUrl === "" ? [] : publicationExtensions(publicationUrl, tenant, issuing.record.name)),
    ].map(prepared);
    issuersExtensions.set(key, made);
    return made;
  }

  async function build(
    profile: Profile,
    subject: Uint8Array,
    publicKey: Uint8Array,
    names: readonly Extension[],
    publicationUrl?: string,
  ) {
    const { issuing } = await hierarchy();
    const serialNumber = newSerialNumber(randomness);
    const validity = validityOf(profile, clock.now(), issuing.certificate.notAfter);
    const certificate = await buildCertificate({
      serialNumber,
      issuer: issuing.certificate.subject.raw,
      subject,
      publicKey,
      ...validity,
      extensions: [
        ...extensionsOf(profile, names),
        encodeSubjectKeyIdentifier(keyIdentifierOf(publicKey)),
        ...extensionsOfIssuer(issuing, publicationUrl),
      ],
      signer: await signer(issuing),
    });
    return { certificate, serialNumber, authority: issuing.record.name, ...validity };
  }

  async function requireProfile(name: string): Promise<Profile> {
    const profile = await profileNamed(profiles, tenant, name);
    if (profile === undefined)
      throw new ServiceError("not-found", `there is no profile ${name}; list them with: hatchery ca profile list`);
    return profile;
  }

  return {
    hierarchy,
    refresh() {
      loaded = undefined;
    },
    signer,
    authorities: async () => (await hierarchy()).published,
    issuers: async () => (await hierarchy()).issuers,
    profile: (protocol, label) => profileFor(profiles, tenant, protocol, label),
    registrationAuthority: async (profile) =>
      (await profileNamed(profiles, tenant, profile))?.registrationAuthority ?? "",
    async issueOwn(profile, subject, publicKey, names) {
      return (await build(await requireProfile(profile), subject, publicKey, names)).certificate;
    },
    async issue({ profile, subject, publicKey, subjectAltName, device, run }) {
      requireCurrent((await hierarchy()).issuing, clock.now());
      const { certificate, serialNumber, authority, notBefore, notAfter } = await build(
        await requireProfile(profile),
        subject,
        publicKey,
        subjectAltName === undefined ? [] : [subjectAltName],
        parts.publicationUrl,
      );
      const record = {
        tenant,
        authority,
        serial: hex(serialNumber),
        certificate,
        subject: formatName(parseName(subject)),
        profile,
        notBefore,
        notAfter,
        run,
        ...(device === undefined ? {} : { device }),
      };
      return { kind: "issued", certificate, notAfter, writes: [store.authorities.insertCertificate(record)] };
    },
    async status(certificate) {
      const found = await store.authorities.certificateByFingerprint(tenant, hex(sha256(certificate.raw)));
      if (found === undefined) return { kind: "unknown" };
      if (found.revocation !== undefined) return { kind: "revoked", ...found.revocation };
      const { authority, serial, profile } = found;
      return { kind: "good", profile, writes: [store.authorities.requireGood(tenant, authority, serial)] };
    },
    isCompromised: async (publicKey) =>
      (await store.authorities.compromised(tenant, hex(sha256(publicKey)))) !== undefined,
  };
}

/** Throws `overloaded`: an operator or the right time mends it, and devices ask again until then. */
function requireCurrent({ record: { name }, certificate: { notBefore, notAfter } }: CaCertificate, now: number): void {
  const complaint =
    now > notAfter
      ? `${name} has ended; move on with: hatchery ca rollover begin`
      : now < notBefore
        ? `${name} is not valid before ${new Date(notBefore).toISOString()}`
        : undefined;
  if (complaint !== undefined)
    throw new ServiceError(
      "overloaded",
      `${complaint}, or set the clock of this machine, which says ${new Date(now).toISOString()}`,
    );
}

async function recordsOf(tenant: string, { store }: AuthorityParts): Promise<readonly AuthorityRecord[]> {
  const records: AuthorityRecord[] = [];
  for await (const record of each((page) => store.authorities.list(tenant, page))) records.push(record);
  return records;
}

/** The key identifier by which a CA's certificates name it: the one that its own certificate gives its key (RFC 5280 4.2.1.1). */
export function identifierOf({ certificate }: CaCertificate): Uint8Array {
  return subjectKeyIdentifierOf(certificate.extensions) ?? keyIdentifierOf(certificate.subjectPublicKeyInfo);
}

/** Milliseconds until a change by another process is seen. */
const longestUnseen = 1000;
