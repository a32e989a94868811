import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { type Logger, pino } from "pino";
import { type Clock, systemClock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import { type Randomness, systemRandomness } from "../core/randomness.ts";
import { type TokenOptions, tokenKeys } from "../pkcs11/index.ts";
import { estServer, estSurvey } from "../protocols/est/index.ts";
import { lockDirectory } from "../store/lock.ts";
import type { Store } from "../store/store.ts";
import type { ServerCredential } from "../transport/http/device-tls.ts";
import { type HttpListener, listenHttps } from "../transport/http/listener.ts";
import { listenHttp } from "../transport/http/plain-listener.ts";
import { listenUnix } from "../transport/http/unix.ts";
import { admissionOf } from "./admission.ts";
import { createApi, localActor, type ServiceStatus } from "./api/index.ts";
import { type AuditHeads, auditHeads } from "./audit-heads.ts";
import { type Authority, openAuthority } from "./authority.ts";
import { clockWatch } from "./clock-watch.ts";
import { openDatabase } from "./database.ts";
import { ServiceError } from "./errors.ts";
import { credentialsOf } from "./est-users.ts";
import { host } from "./host.ts";
import { startHousekeeping } from "./housekeeping.ts";
import { type KeyKeeper, sealedKeyKeeper } from "./key-keeper.ts";
import { tokenKeyKeeper } from "./key-keeper-pkcs11.ts";
import { estRoutes } from "./listeners/est.ts";
import { publicationRoutes } from "./listeners/publication.ts";
import { openPublication, type Publication } from "./publication.ts";
import { publicationUrlOf } from "./publication-urls.ts";
import { serverCredential } from "./server-credential.ts";
import { storeErrors, storeFailures } from "./store-failures.ts";
import { trustOf } from "./trust.ts";
import { openUpstream, type Upstream } from "./upstream.ts";
import { openVault } from "./vault/open-vault.ts";
import { startRekeying } from "./vault/rekey.ts";
import type { VaultSettings } from "./vault/sources.ts";
import type { Vault } from "./vault.ts";

export interface SystemOptions {
  /** Directory of everything that is kept, or, with another database, of what is kept beside it. */
  readonly data: string;
  /** URL of a PostgreSQL database; a file in the data directory unless given. */
  readonly database?: string | undefined;
  /** Address to listen on for devices. */
  readonly host: string;
  /** Ports of the tenants' listeners; 0 for any free one. */
  readonly port: number;
  readonly demoPort: number;
  /** Port without TLS on which CRLs and OCSP are served; 0 for any free one. */
  readonly publicationPort: number;
  /** How the world reaches that port, as certificates say it; made of name and port unless given. */
  readonly publicationUrl?: string | undefined;
  /** Names and addresses by which devices reach this service, besides the usual ones of this machine. */
  readonly names: readonly string[];
  readonly logLevel: string;
  /** Where the vault's key comes from; as the data directory says, a file on a first start, unless given. */
  readonly vault?: VaultSettings;
  /** The token in which new keys of CAs are made; the vault keeps them unless given. */
  readonly pkcs11?: TokenOptions | undefined;
}

/** The whole service in one process. */
export interface System {
  readonly status: () => ServiceStatus;
  /** Path of the API's Unix socket. */
  readonly socket: string;
  /** Whether nothing was onboarded yet, by a demo that was not removed either: time to show one. */
  readonly demoIsDue: () => Promise<boolean>;
  /** Resolves with the reason when the service has stopped by itself, because it can keep nothing any more. */
  readonly failed: Promise<unknown>;
  readonly close: () => Promise<void>;
}

/**
 * Starts the service: takes the data directory for itself, makes keys and CAs on first start, opens
 * one listener for each tenant and the API. Throws coded errors whose sentences say what to do.
 */
export async function startSystem(options: SystemOptions): Promise<System> {
  const data = resolve(options.data);
  const lock = lockDirectory(data);
  const opened: (() => Promise<void> | void)[] = [() => lock.release()];
  const close = async () => {
    // In the reverse order; each part is closed even when another one fails to.
    for (const end of opened.splice(0).toReversed()) await end();
  };
  try {
    const log = pino({ level: options.logLevel }, pino.destination(2));
    const failed = Promise.withResolvers<unknown>();
    const onStoreError = storeFailures({
      clock: systemClock,
      onFailure: (error) =>
        log.error({ err: error }, `the ${failing(error)} fails; devices are told to ask again later`),
      onFatal(error) {
        log.fatal({ err: error }, "the service stops: it can keep nothing any more");
        close()
          .catch((cause: unknown) => log.error({ err: cause }, "a part of the service did not close"))
          .finally(() => failed.resolve(error));
      },
    });
    const { store, shown: database } = await openDatabase(data, options.database);
    opened.push(() => store.close());
    const heads = auditHeads(join(data, "audit-heads.json"), store);
    for (const tenant of await heads.contradicted()) log.error({ tenant }, auditContradicted);
    const vault = await openVault({
      directory: data,
      store,
      clock: systemClock,
      randomness: systemRandomness,
      ...(options.vault ?? { secrets: {} }),
    });
    const sealedKeys = sealedKeyKeeper({ store, vault });
    const token = options.pkcs11 === undefined ? undefined : tokenKeys(options.pkcs11);
    if (token !== undefined) opened.push(() => token.close());
    const keys = token === undefined ? sealedKeys : tokenKeyKeeper(token, sealedKeys, systemRandomness);
    const tenants = new Map<string, OpenTenant>();
    const published = await listenHttp({
      host: options.host,
      port: options.publicationPort,
      routes: publicationRoutes({
        clock: systemClock,
        publicationOf: (tenant) => tenants.get(tenant)?.publication(),
        onError(error) {
          if (storeErrors.has(codeOf(error))) onStoreError(error);
          else log.error({ err: error }, "an OCSP request could not be answered");
        },
      }),
      onError: ({ code, address, cause }) => {
        if (code === "handler-failed") log.error({ address, err: cause }, "a request for a CRL or for OCSP failed");
        else log.debug({ address, code }, "a request for a CRL or for OCSP was refused");
      },
    });
    opened.push(() => published.close());
    const publicationUrl =
      options.publicationUrl === undefined
        ? urlOf("http", options.names[0] ?? options.host, published.port)
        : publicationUrlOf(options.publicationUrl);
    const parts = { store, vault, keys, clock: systemClock, randomness: systemRandomness, publicationUrl };
    for (const [tenant, port] of [
      ["default", options.port],
      ["demo", options.demoPort],
    ] as const) {
      const open = await openTenant(tenant, port, options, {
        ...parts,
        log,
        onStoreError,
        heads,
        atEnd: (end) => opened.push(end),
      });
      tenants.set(tenant, open);
      opened.push(() => open.close());
    }
    const requireOpen = (tenant: string): OpenTenant => {
      const open = tenants.get(tenant);
      if (open !== undefined) return open;
      const names = [...tenants.keys()].join(", ");
      throw new ServiceError("not-found", `there is no tenant ${tenant}; there are: ${names}`);
    };
    const rekeying = startRekeying({
      ...parts,
      onError(error) {
        if (storeErrors.has(codeOf(error))) onStoreError(error);
        else log.error({ err: error }, "the vault's old key is still needed");
      },
    });
    opened.push(() => rekeying.stop());
    const started = parts.clock.now();
    const status = (): ServiceStatus => ({
      version,
      started,
      data,
      database,
      listeners: [...tenants].map(([tenant, { listener }]) => ({
        tenant,
        protocol: "est",
        url: urlOf("https", options.host, listener.port),
      })),
      publication: publicationUrl,
    });
    const api = await createApi(
      {
        ...parts,
        surveys: [estSurvey],
        auditHeads: heads,
        rekeying,
        status,
        requireTenant: requireOpen,
        authority: (tenant) => requireOpen(tenant).authority(),
        upstream: (tenant) => requireOpen(tenant).upstream(),
        authorityChanged: (tenant) => requireOpen(tenant).authorityChanged(),
        removeDemo: () => tenants.get("demo")?.forget() ?? Promise.resolve(),
      },
      (error) => {
        if (storeErrors.has(codeOf(error))) onStoreError(error);
        else log.error({ err: error }, "an API request failed");
      },
    );
    const socket = await listenUnix(api, join(data, "api.sock"));
    opened.push(() => api.close());
    await writeFile(join(data, "api.json"), `${JSON.stringify({ socket })}\n`, { mode: 0o600 });
    const housekeeping = startHousekeeping({
      store,
      tenants: [...tenants.keys()],
      clock: systemClock,
      auditHeads: heads,
      watch: clockWatch({
        clock: systemClock,
        lastCommit: await lastCommit(store, [...tenants.keys()]),
        onJump: (milliseconds) => log.warn({ milliseconds }, clockJumped),
      }),
      async renewCredentials() {
        for (const { renewCredential } of tenants.values()) await renewCredential();
      },
      onError: onStoreError,
    });
    opened.push(async () => {
      housekeeping.stop();
      await heads.note([...tenants.keys()]).catch(onStoreError);
    });
    return { status, socket, demoIsDue: () => demoIsDue(store, [...tenants.keys()]), failed: failed.promise, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Parts {
  readonly store: Store;
  readonly vault: Vault;
  readonly keys: KeyKeeper;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly log: Logger;
  readonly onStoreError: (error: unknown) => void;
  readonly heads: AuditHeads;
  readonly publicationUrl: string;
  /** What has to end with the service, also with one that does not get to its feet. */
  readonly atEnd: (end: () => void) => void;
}

interface OpenTenant {
  readonly listener: HttpListener;
  readonly publication: () => Publication | undefined;
  /** The CA as it is now: a tenant that was forgotten gets another one. */
  readonly authority: () => Authority;
  readonly upstream: () => Upstream;
  /** Reads the CAs anew, and shows a certificate of the one that issues. */
  readonly authorityChanged: () => Promise<void>;
  /** Shows another certificate when the listener's own is near its end, or another process has changed the CAs. */
  readonly renewCredential: () => Promise<void>;
  /** Removes every record of the tenant; it starts anew with another CA. */
  readonly forget: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** One tenant: its authority, its policy, and the one listener that belongs to it. */
async function openTenant(tenant: string, port: number, options: SystemOptions, parts: Parts): Promise<OpenTenant> {
  const { store, clock, randomness, log, heads } = parts;
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
  let authority: Authority;
  let upstream: Upstream;
  let publication: Publication | undefined;
  parts.atEnd(() => publication?.stop());
  const onError = (error: unknown) => {
    if (storeErrors.has(codeOf(error))) parts.onStoreError(error);
    else log.error({ tenant, err: error }, "a CRL could not be made; it is tried again twice a second");
  };
  const prepare = async () => {
    await store.commit([store.tenants.ensure({ tenant, created: clock.now() })]);
    authority = await openAuthority(tenant, parts);
    upstream = await openUpstream(tenant, { ...parts, authority });
    publication = await openPublication(tenant, { ...parts, authority, onError });
    return serverCredential(tenant, names, authority, parts);
  };
  const credential = await prepare();
  let shown = credential.chain;
  const show = (next: ServerCredential) => {
    if (next.chain !== shown) listener.replaceCredential(next);
    shown = next.chain;
  };
  let renewing = Promise.resolve();
  const renew = async () => show(await serverCredential(tenant, names, authority, parts));
  // One after the other: each finds what the one before has stored.
  const renewCredential = () => {
    renewing = renewing.then(renew, renew);
    return renewing;
  };
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
        profile: (protocol, label) => upstream.issuer.profile(protocol, label),
      },
      trust: trustOf(tenant, store),
      credentials: credentialsOf(tenant, store, clock, randomness),
    },
  });
  const listener = await listenHttps({
    host: options.host,
    port,
    credential,
    routes: estRoutes(est, parts.onStoreError),
    onError: ({ code, address, cause }) => {
      if (code === "handler-failed") log.error({ tenant, address, err: cause }, "a device's request failed");
      else log.debug({ tenant, address, code }, "a device's request was refused");
    },
  });
  return {
    listener,
    publication: () => publication,
    authority: () => authority,
    upstream: () => upstream,
    async authorityChanged() {
      authority.refresh();
      await renewCredential();
    },
    renewCredential,
    async forget() {
      heads.forget(tenant);
      publication?.stop();
      await upstream.close();
      await store.commit([store.tenants.remove(tenant)]);
      show(await prepare());
      const at = clock.now();
      await store.commit([
        store.audit.append({ tenant, at, actor: localActor, action: removal, subject: tenant, detail: {} }),
      ]);
    },
    async close() {
      await listener.close();
      await upstream.close();
    },
  };
}

async function demoIsDue(store: Store, tenants: readonly string[]): Promise<boolean> {
  for (const tenant of tenants) {
    const { items } = await store.runs.list(tenant, { outcome: "granted" }, { limit: 1 });
    // A tenant that was forgotten says so at the beginning of its audit.
    const beginning = await store.audit.list(tenant, "oldest-first", { limit: 5 });
    if (items.length > 0 || beginning.items.some(({ action }) => action === removal)) return false;
  }
  return true;
}

function urlOf(scheme: "http" | "https", host: string, port: number): string {
  const reached = host === "0.0.0.0" || host === "::" ? hostname() : host;
  return `${scheme}://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}

async function lastCommit(store: Store, tenants: readonly string[]): Promise<number | undefined> {
  const times: number[] = [];
  for (const tenant of tenants) {
    const { items } = await store.audit.list(tenant, "newest-first", { limit: 1 });
    times.push(...items.map(({ at }) => at));
  }
  return times.length === 0 ? undefined : Math.max(...times);
}

/** What an error of `storeErrors` is of. */
function failing(error: unknown): "token" | "store" {
  return codeOf(error).startsWith("hsm-") ? "token" : "store";
}

const removal = "tenant-forgotten";

const clockJumped =
  "the clock of this machine is not where it was expected; set it if it is wrong: nothing is removed because of its age until it went on steadily for a day";

const auditContradicted =
  "the audit does not hold the line that was noted of it: the database was restored from an older backup, or lines of it were removed or changed; look with: hatchery audit verify";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};
