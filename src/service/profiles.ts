import { type Extension, prepared } from "../pki/extensions.ts";
import { keyPurposes } from "../pki/oids.ts";
import { encodeBasicConstraints, encodeExtKeyUsage, encodeKeyUsage } from "../pki/standard-extensions.ts";
import type { CertificateProfile } from "../protocols/ports.ts";
import { each } from "../store/paging.ts";
import type { StoredProfile } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { type KeptSettingParts, keptSetting } from "./kept-setting.ts";

/** What certificates of one kind hold, who may ask for them, and when they are renewed. Times in milliseconds. */
export interface Profile extends CertificateProfile {
  /** Where devices ask for it; absent for the built-in profiles, which no label names. */
  readonly protocol?: string;
  readonly label?: string;
  readonly settings: ProfileSettings;
}

export interface ProfileSettings extends Omit<CertificateProfile, "name"> {
  /** `endless`: 99991231235959Z, a certificate without a well-defined expiry (RFC 5280 4.1.2.5). */
  readonly lifetime: number | "endless";
  /** How long before its issue a certificate begins: devices' clocks are often a little behind. */
  readonly backdate: number;
}

/**
 * The extensions of a profile. What a requester asks for is never copied but for `names`, its subjectAltName, which the
 * protocol has checked.
 */
export function extensionsOf({ settings }: Profile, names: readonly Extension[]): readonly Extension[] {
  return [...usagesOf(settings), ...names];
}

/** The extensions that all certificates of a profile have alike. */
function usagesOf({ keyUsage, extKeyUsage }: ProfileSettings): readonly Extension[] {
  const key = `${keyUsage.join(" ")}/${extKeyUsage.join(" ")}`;
  const known = usages.get(key);
  if (known !== undefined) return known;
  const made = [
    encodeBasicConstraints({ cA: false }),
    encodeKeyUsage(keyUsage),
    ...(extKeyUsage.length === 0 ? [] : [encodeExtKeyUsage(extKeyUsage)]),
  ].map(prepared);
  if (usages.size < mostUsages) usages.set(key, made);
  return made;
}

/** More than a service's profiles have; beyond it each certificate costs a few microseconds more. */
const mostUsages = 256;
const usages = new Map<string, readonly Extension[]>();

/**
 * The validity of a certificate of the profile that is issued `now` by a CA that ends at `end`: it does not outlive that CA,
 * unless it is not meant to end at all. A CA that has ended bounds nothing, so that the service still starts under it.
 */
export function validityOf(
  { settings: { lifetime, backdate } }: Profile,
  now: number,
  end: number,
): { readonly notBefore: number; readonly notAfter: number } {
  const notAfter = lifetime === "endless" ? noExpiry : Math.min(now + lifetime, end > now ? end : noExpiry);
  return { notBefore: now - backdate, notAfter };
}

/** Where stored profiles are looked up: the store itself, or a copy in memory. */
export interface StoredProfiles {
  readonly profiles: Pick<Store["profiles"], "find" | "findByLabel">;
}

/** A tenant's stored profiles, kept in memory: a label that nobody made costs no reading. */
export function keptProfiles(tenant: string, parts: KeptSettingParts & { readonly store: Store }): StoredProfiles {
  const all = keptSetting(parts, async () => {
    const found: StoredProfile[] = [];
    for await (const profile of each((page) => parts.store.profiles.list(tenant, page))) found.push(profile);
    return found;
  });
  const first = async (wanted: (profile: StoredProfile) => boolean) => (await all()).find(wanted);
  return {
    profiles: {
      find: (of, name) => first((each) => each.tenant === of && each.name === name),
      findByLabel: (of, protocol, label) =>
        first((each) => each.tenant === of && each.protocol === protocol && each.label === label),
    },
  };
}

/** The profile that a protocol's label names, `device` for none; undefined when there is no such label. */
export async function profileFor(
  store: StoredProfiles,
  tenant: string,
  protocol: string,
  label: string | undefined,
): Promise<Profile | undefined> {
  if (label === undefined) return profileNamed(store, tenant, "device");
  const stored = await store.profiles.findByLabel(tenant, protocol, label);
  return stored && profileOf(stored);
}

/** A built-in profile with the operator's changes, or one that the operator made. */
export async function profileNamed(store: StoredProfiles, tenant: string, name: string): Promise<Profile | undefined> {
  const stored = await store.profiles.find(tenant, name);
  if (stored !== undefined) return profileOf(stored);
  return isBuiltIn(name) ? profileOf({ name, settings: {} }) : undefined;
}

/** A stored profile with the defaults of what it does not set: those of the built-in profile of its name, else of `device`. */
export function profileOf({ name, protocol, label, settings: changes }: Omit<StoredProfile, "tenant">): Profile {
  const settings: ProfileSettings = { ...(isBuiltIn(name) ? builtIn[name] : builtIn.device), ...changes };
  const { lifetime: _, backdate: __, ...told } = settings;
  const where = protocol === undefined || label === undefined ? {} : { protocol, label };
  return { ...told, name, ...where, settings };
}

export function isBuiltIn(name: string): name is keyof typeof builtIn {
  return Object.hasOwn(builtIn, name);
}

const day = 24 * 3600 * 1000;

/** `device` for devices, `server` for the service's own listeners. */
export const builtIn = {
  device: {
    lifetime: 365 * day,
    backdate: 5 * 60 * 1000,
    keys: ["P-256", "P-384", "P-521", "Ed25519", "RSA"],
    leastRsaBits: 2048,
    keyUsage: ["digitalSignature"],
    extKeyUsage: [keyPurposes.clientAuth],
    subjectAltName: ["dNSName"],
    subject: [],
    requestExtensions: [],
    csrattrs: "both",
    renewal: { after: 0, grace: 0, sameKey: true },
    binding: "accepted",
    registrationAuthority: "",
    serverKey: "none",
    changeSubjectName: "refused",
    fullcmc: "refused",
  },
  server: {
    lifetime: 90 * day,
    backdate: 5 * 60 * 1000,
    keys: ["P-256"],
    leastRsaBits: 2048,
    keyUsage: ["digitalSignature"],
    extKeyUsage: [keyPurposes.serverAuth],
    subjectAltName: ["dNSName", "iPAddress"],
    subject: [],
    requestExtensions: [],
    csrattrs: "both",
    renewal: { after: 2 / 3, grace: 0, sameKey: false },
    binding: "accepted",
    registrationAuthority: "",
    serverKey: "none",
    changeSubjectName: "refused",
    fullcmc: "refused",
  },
} as const satisfies Readonly<Record<string, ProfileSettings>>;

/** RFC 5280 4.1.2.5: 99991231235959Z. */
const noExpiry = 253_402_300_799_000;
