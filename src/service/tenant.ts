import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { estServer } from "../protocols/est/index.ts";
import type { Store } from "../store/store.ts";
import type { ServerCredential } from "../transport/http/device-tls.ts";
import type { HttpListener } from "../transport/http/listener.ts";
import type { RefusalReport } from "../transport/http/refusals.ts";
import type { Serving } from "../transport/http/serve.ts";
import { admissionOf } from "./admission.ts";
import { localActor } from "./api/index.ts";
import { type Authority, openAuthority } from "./authority.ts";
import { cmcResponderOf } from "./cmc-responder.ts";
import { deviceKeysOf } from "./device-keys.ts";
import { type DoorOptions, misconfigured, openDoors } from "./doors.ts";
import { pskTable } from "./est-psks.ts";
import { credentialsOf } from "./est-users.ts";
import { host } from "./host.ts";
import type { KeyKeeper } from "./key-keeper.ts";
import { estRoutes } from "./listeners/est.ts";
import { ownNames } from "./own-names.ts";
import { openPublication, type Publication } from "./publication.ts";
import { publicationHost } from "./publication-urls.ts";
import { serverCredential } from "./server-credential.ts";
import { trustOf } from "./trust.ts";
import { openUpstream, type Upstream } from "./upstream.ts";
import type { Vault } from "./vault.ts";

export interface TenantOptions extends DoorOptions {
  /** Address to listen on for devices. */
  readonly host: string;
  /** Names and addresses by which devices reach this service, besides the usual ones of this machine. */
  readonly names: readonly string[];
}

export interface TenantParts {
  readonly store: Store;
  readonly vault: Vault;
  readonly keys: KeyKeeper;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly log: Logger;
  readonly onStoreError: (error: unknown) => void;
  /** Tells the operator of an error, of the store or as `what`. */
  readonly told: (what: string, more?: object) => (error: unknown) => void;
  readonly publicationUrl: string;
  /** What has to end with the service, also with one that does not get to its feet. */
  readonly atEnd: (end: () => void) => void;
}

/** A tenant that is served. */
export interface OpenTenant {
  readonly listener: HttpListener;
  /** Where proxies that end TLS bring the devices' requests; undefined when none may. */
  readonly terminated: Serving | undefined;
  /** Where devices with a pre-shared key are served; undefined when none are. */
  readonly psk: Serving | undefined;
  /** Names and addresses in the listener's certificate. */
  readonly names: readonly string[];
  readonly publication: () => Publication | undefined;
  /** The CA as it is now: a tenant that was forgotten gets another one. */
  readonly authority: () => Authority;
  readonly upstream: () => Upstream;
  /** Reads the CAs anew, and shows a certificate of the one that issues. */
  readonly authorityChanged: () => Promise<void>;
  /** Reads the pre-shared keys anew. */
  readonly pskChanged: () => Promise<void>;
  /** Shows another certificate when the listener's own is near its end, or another process has changed CAs or pre-shared keys. */
  readonly renewCredential: () => Promise<void>;
  /** Removes every record of the tenant; it starts anew with another CA. */
  readonly forget: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** One tenant: its authority, its policy, and the one listener that belongs to it. */
export async function openTenant(
  tenant: string,
  port: number,
  options: TenantOptions,
  parts: TenantParts,
): Promise<OpenTenant> {
  const { store, clock, randomness, log } = parts;
  const names = [
    ...new Set([
      ...options.names,
      hostname(),
      "localhost",
      "127.0.0.1",
      "::1",
      ...(options.host === "0.0.0.0" || options.host === "::" ? [] : [options.host]),
    ]),
  ];
  // What this is, or what the operator calls it: the machine's own name is one to be reached by, and no more.
  const commonName = options.names.find(({ length }) => length <= longestCommonName) ?? `Hatchery ${tenant}`;
  let authority: Authority;
  let upstream: Upstream;
  let publication: Publication | undefined;
  parts.atEnd(() => publication?.stop());
  const onError = parts.told("a CRL could not be made; it is tried again twice a second", { tenant });
  const prepare = async () => {
    await store.commit([store.tenants.ensure({ tenant, created: clock.now() })]);
    authority = await openAuthority(tenant, parts);
    upstream = await openUpstream(tenant, { ...parts, authority });
    publication = await openPublication(tenant, { ...parts, authority, onError });
    return serverCredential(tenant, { commonName, names }, authority, parts);
  };
  const credential = await prepare();
  let shown = credential.chain;
  const show = (next: ServerCredential) => {
    if (next.chain !== shown) listener.replaceCredential(next);
    shown = next.chain;
  };
  let renewing = Promise.resolve();
  const renew = async () => show(await serverCredential(tenant, { commonName, names }, authority, parts));
  // One after the other: each finds what the one before has stored.
  const renewCredential = () => {
    renewing = renewing.then(renew, renew);
    return renewing;
  };
  const credentials = credentialsOf(tenant, parts);
  const est = host({
    ...parts,
    tenant,
    protocol: "est",
    responder: estServer,
    ports: {
      clock,
      randomness,
      admission: admissionOf(tenant, parts),
      // A demo that was forgotten gets another authority behind the same listener.
      issuer: {
        issue: (request) => upstream.issuer.issue(request),
        authorities: () => upstream.issuer.authorities(),
        issuers: () => upstream.issuer.issuers(),
        status: (certificate) => upstream.issuer.status(certificate),
        isCompromised: (publicKey) => upstream.issuer.isCompromised(publicKey),
        profile: (protocol, label) => upstream.issuer.profile(protocol, label),
        registrationAuthority: (profile) => upstream.issuer.registrationAuthority(profile),
      },
      isOwnName: ownNames([...names, publicationHost(parts.publicationUrl)]),
      trust: trustOf(tenant, parts),
      cmcResponder: cmcResponderOf(() => authority, parts),
      credentials,
      deviceKeys: deviceKeysOf(tenant, {
        ...parts,
        credential: () => serverCredential(tenant, { commonName, names }, authority, parts),
      }),
    },
  });
  const served = {
    host: options.host,
    routes: estRoutes(est, credentials, parts.onStoreError),
    onError: ({ code, address, cause }: RefusalReport) => {
      if (code === "handler-failed") log.error({ tenant, address, err: cause }, "a device's request failed");
      else if (misconfigured.has(code)) log.warn({ tenant, address, code }, "a proxy does not do what it should");
      else log.debug({ tenant, address, code }, "a device's request was refused");
    },
  };
  const preSharedKeys = pskTable(tenant, parts);
  await preSharedKeys.refresh();
  const doors = await openDoors(served, { port, credential }, preSharedKeys, options);
  const { listener, terminated, psk } = doors;
  return {
    listener,
    terminated,
    psk,
    pskChanged: preSharedKeys.refresh,
    names,
    publication: () => publication,
    authority: () => authority,
    upstream: () => upstream,
    async authorityChanged() {
      authority.refresh();
      await renewCredential();
    },
    async renewCredential() {
      // Another process may have changed the keys.
      if (psk !== undefined) await preSharedKeys.refresh();
      await renewCredential();
    },
    async forget() {
      const at = clock.now();
      await store.commit([
        store.tenants.remove(tenant),
        store.tenants.ensure({ tenant, created: at }),
        store.audit.append({ tenant, at, actor: localActor, action: removal, subject: tenant, detail: {} }),
      ]);
      publication?.stop();
      await upstream.close();
      show(await prepare());
    },
    async close() {
      await doors.close();
      await upstream.close();
    },
  };
}

/** Whether nothing was onboarded yet, by a demo that was not removed either. */
export async function demoIsDue(store: Store, tenants: readonly string[]): Promise<boolean> {
  for (const tenant of tenants) {
    const { items } = await store.runs.list(tenant, { outcome: "granted" }, { limit: 1 });
    // A tenant that was forgotten says so at the beginning of its audit.
    const beginning = await store.audit.list(tenant, "oldest-first", { limit: 5 });
    if (items.length > 0 || beginning.items.some(({ action }) => action === removal)) return false;
  }
  return true;
}

const removal = "tenant-forgotten";

/** RFC 5280 A.1: ub-common-name. */
const longestCommonName = 64;
