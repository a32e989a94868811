import type { Clock } from "../core/clock.ts";
import { keyPurposes } from "../pki/oids.ts";
import { labelPattern, operationNames } from "../protocols/est/index.ts";
import type { RenewalRules } from "../protocols/ports.ts";
import { each } from "../store/paging.ts";
import type { StoredProfile } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";
import { builtIn, isBuiltIn, type Profile, type ProfileSettings, profileNamed, profileOf } from "./profiles.ts";

/** What an operator changes of a profile; what is absent stays. */
export interface ProfileChanges extends Partial<Omit<ProfileSettings, "renewal">> {
  readonly renewal?: Partial<RenewalRules>;
}

interface Acting {
  readonly tenant: string;
  readonly actor: string;
  readonly store: Store;
  readonly clock: Clock;
}

/** The built-in profiles and the operator's own, by name. */
export async function listProfiles(store: Store, tenant: string): Promise<readonly Profile[]> {
  const found = new Map<string, Profile>(Object.keys(builtIn).map((name) => [name, profileOf({ name, settings: {} })]));
  for await (const stored of each((page) => store.profiles.list(tenant, page)))
    found.set(stored.name, profileOf(stored));
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The profile of this name; throws `not-found`. */
export async function requireProfile(store: Store, tenant: string, name: string): Promise<Profile> {
  const profile = await profileNamed(store, tenant, name);
  if (profile !== undefined) return profile;
  throw new ServiceError("not-found", `there is no profile ${name}; list them with: hatchery ca profile list`);
}

/**
 * Changes a profile, or makes one that the EST label of its name asks for. What it does not set is as in the built-in profile
 * `device`. Throws `invalid` for a name that cannot be a label, and for registration authorities without the purposes of one.
 */
export async function setProfile(acting: Acting, name: string, changes: ProfileChanges): Promise<Profile> {
  const { tenant, store } = acting;
  const before = await store.profiles.find(tenant, name);
  const place = isBuiltIn(name) ? {} : { protocol: "est", label: requireLabel(name) };
  const { renewal, ...rest } = changes;
  const renewed =
    renewal === undefined ? {} : { renewal: { ...profileOf(before ?? { name, settings: {} }).renewal, ...renewal } };
  const stored: StoredProfile = { tenant, name, ...place, settings: { ...before?.settings, ...rest, ...renewed } };
  requireCertifiable(profileOf(stored));
  requirePurposes(profileOf(stored));
  await change(acting, "profile-set", name, { ...changes }, [store.profiles.put(stored)]);
  return profileOf(stored);
}

/** Removes a profile, or gives a built-in one its settings back; certificates stay as they are. Throws `not-found`. */
export async function removeProfile(acting: Acting, name: string): Promise<void> {
  const { tenant, store } = acting;
  if ((await store.profiles.find(tenant, name)) === undefined) {
    const sentence = isBuiltIn(name) ? `the profile ${name} is as it was built in` : `there is no profile ${name}`;
    throw new ServiceError("not-found", `${sentence}; list them with: hatchery ca profile list`);
  }
  await change(acting, "profile-remove", name, {}, [store.profiles.remove(tenant, name)]);
}

async function change(
  { tenant, actor, store, clock }: Acting,
  action: string,
  subject: string,
  detail: Readonly<Record<string, unknown>>,
  writes: Parameters<Store["commit"]>[0],
): Promise<void> {
  const line = { tenant, at: clock.now(), actor, action, subject, detail };
  await store.commit([...writes, store.audit.append(line)]);
}

/** RFC 7030 3.7: id-kp-cmcRA makes the registration authority, and a TLS client needs its own purpose beside it. */
function requirePurposes({ settings: { extKeyUsage, registrationAuthority } }: Profile): void {
  const lacking = [keyPurposes.clientAuth, keyPurposes.cmcRA].some((purpose) => !extKeyUsage.includes(purpose));
  if (registrationAuthority !== "" && lacking)
    throw new ServiceError(
      "invalid",
      "certificates of a registration authority need the purposes clientAuth and cmcRA; set them with: --ext-key-usage clientAuth,cmcRA",
    );
}

/** Or every request for a key would be refused. */
function requireCertifiable({ keys, leastRsaBits, serverKey }: Profile): void {
  if (serverKey === "none") return;
  const [kind, bits] = serverKey.startsWith("RSA-") ? ["RSA", Number(serverKey.slice(4))] : [serverKey, leastRsaBits];
  if (keys.some((each) => each === kind) && bits >= leastRsaBits) return;
  throw new ServiceError(
    "invalid",
    `the profile would make ${serverKey} keys and not certify them; change the kinds of keys, or the least RSA bits`,
  );
}

function requireLabel(name: string): string {
  if (labelPattern.test(name) && !operationNames.has(name)) return name;
  throw new ServiceError(
    "invalid",
    `${name.slice(0, 80)} cannot be a label: it is 1 to 64 letters, digits, dots, dashes, underscores or tildes, and not the name of an EST operation`,
  );
}
