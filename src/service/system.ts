import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { pino } from "pino";
import { systemClock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import { systemRandomness } from "../core/randomness.ts";
import { type TokenOptions, tokenKeys } from "../pkcs11/index.ts";
import { estSurvey } from "../protocols/est/index.ts";
import { lockDirectory } from "../store/lock.ts";
import type { Store } from "../store/store.ts";
import { addressList } from "../transport/http/address-list.ts";
import { listenHttp } from "../transport/http/plain-listener.ts";
import { listenUnix } from "../transport/http/unix.ts";
import { createApi, type ServiceStatus } from "./api/index.ts";
import { auditHeads } from "./audit-heads.ts";
import { clockWatch } from "./clock-watch.ts";
import { openDatabase } from "./database.ts";
import { ServiceError } from "./errors.ts";
import { startHousekeeping } from "./housekeeping.ts";
import { sealedKeyKeeper } from "./key-keeper.ts";
import { tokenKeyKeeper } from "./key-keeper-pkcs11.ts";
import { publicationRoutes } from "./listeners/publication.ts";
import { publicationUrlOf } from "./publication-urls.ts";
import { storeErrors, storeFailures } from "./store-failures.ts";
import { demoIsDue, type OpenTenant, openTenant } from "./tenant.ts";
import { openVault } from "./vault/open-vault.ts";
import { startRekeying } from "./vault/rekey.ts";
import type { VaultSettings } from "./vault/sources.ts";

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
  /** Addresses and blocks of proxies that pass TLS through to the devices' ports, with the PROXY protocol's header. */
  readonly proxies?: readonly string[] | undefined;
  /** Port without TLS for the tenant `default` on which these proxies bring requests whose TLS ended with them. */
  readonly clientCert?: { readonly port: number; readonly proxies: readonly string[] } | undefined;
  /** Port for devices of the tenant `default` that have a pre-shared key in place of a certificate. */
  readonly pskPort?: number | undefined;
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
  /** Where this machine reaches the listener of the tenant `demo`, whatever names devices know it by. */
  readonly demoUrl: string;
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
    /** For errors that a program cannot mend: the store's are told as such, any other one as `what`. */
    const told =
      (what: string, more: object = {}) =>
      (error: unknown) => {
        if (storeErrors.has(codeOf(error))) onStoreError(error);
        else log.error({ ...more, err: error }, what);
      };
    const { store, shown: database, note: noteDatabase } = await openDatabase(data, options.database);
    opened.push(() => store.close());
    // The demo's audit goes with the demo, whichever service on the same database is asked to forget it.
    const heads = auditHeads(join(data, "audit-heads.json"), store, ["default"]);
    for (const tenant of await heads.contradicted()) log.error({ tenant }, auditContradicted);
    const vault = await openVault({
      directory: data,
      store,
      clock: systemClock,
      randomness: systemRandomness,
      ...(options.vault ?? { secrets: {} }),
    });
    noteDatabase();
    const sealedKeys = sealedKeyKeeper({ store, vault });
    const token = options.pkcs11 === undefined ? undefined : tokenKeys(options.pkcs11);
    if (token !== undefined) {
      opened.push(() => token.close());
      // A wrong module, label or PIN would be noticed only when the first key is made, perhaps years later.
      await token.check();
    }
    const keys = token === undefined ? sealedKeys : tokenKeyKeeper(token, sealedKeys, systemRandomness);
    const tenants = new Map<string, OpenTenant>();
    const published = await listenHttp({
      host: options.host,
      port: options.publicationPort,
      routes: publicationRoutes({
        clock: systemClock,
        publicationOf: (tenant) => tenants.get(tenant)?.publication(),
        onError: told("an OCSP request could not be answered"),
      }),
      onError: ({ code, address, cause }) => {
        if (code === "handler-failed") log.error({ address, err: cause }, "a request for a CRL or for OCSP failed");
        else log.debug({ address, code }, "a request for a CRL or for OCSP was refused");
      },
    });
    opened.push(() => published.close());
    const reached = options.names[0] ?? options.host;
    const publicationUrl =
      options.publicationUrl === undefined
        ? urlOf("http", reached, published.port)
        : publicationUrlOf(options.publicationUrl);
    const parts = { store, vault, keys, clock: systemClock, randomness: systemRandomness, publicationUrl };
    const { proxies, clientCert } = options;
    const doors = {
      host: options.host,
      names: options.names,
      ...(proxies === undefined ? {} : { proxies: addressList(proxies) }),
    };
    const terminated =
      clientCert === undefined ? undefined : { port: clientCert.port, terminators: addressList(clientCert.proxies) };
    for (const [tenant, port] of [
      ["default", options.port],
      ["demo", options.demoPort],
    ] as const) {
      const open = await openTenant(
        tenant,
        port,
        tenant === "default" ? { ...doors, terminated, pskPort: options.pskPort } : doors,
        {
          ...parts,
          log,
          onStoreError,
          told,
          atEnd: (end) => opened.push(end),
        },
      );
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
      onError: told("the vault's old key is still needed"),
    });
    opened.push(() => rekeying.stop());
    const started = parts.clock.now();
    const status = (): ServiceStatus => ({
      version,
      started,
      data,
      database,
      listeners: [...tenants].flatMap(([tenant, open]) => listenersOf(tenant, open, reached)),
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
        names: (tenant) => requireOpen(tenant).names,
        authorityChanged: (tenant) => requireOpen(tenant).authorityChanged(),
        pskChanged: (tenant) => requireOpen(tenant).pskChanged(),
        removeDemo: () => tenants.get("demo")?.forget() ?? Promise.resolve(),
      },
      told("an API request failed"),
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
      await heads.note().catch(onStoreError);
    });
    return {
      status,
      socket,
      demoUrl: urlOf("https", options.host, requireOpen("demo").listener.port),
      demoIsDue: () => demoIsDue(store, [...tenants.keys()]),
      failed: failed.promise,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function listenersOf(
  tenant: string,
  { listener, terminated, psk }: OpenTenant,
  host: string,
): ServiceStatus["listeners"] {
  const est = { tenant, protocol: "est", url: urlOf("https", host, listener.port) };
  return [
    est,
    ...(terminated === undefined
      ? []
      : [{ ...est, door: "client-cert" as const, url: urlOf("http", host, terminated.port) }]),
    ...(psk === undefined ? [] : [{ ...est, door: "psk" as const, url: urlOf("https", host, psk.port) }]),
  ];
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
function failing(error: unknown): "token" | "store" | "vault" {
  const code = codeOf(error);
  if (code === "rekeyed-elsewhere") return "vault";
  return code.startsWith("hsm-") ? "token" : "store";
}

const clockJumped =
  "the clock of this machine is not where it was expected; set it if it is wrong: nothing is removed because of its age until it went on steadily for a day";

const auditContradicted =
  "the audit does not hold the line that was noted of it: the database was restored from an older backup, or lines of it were removed or changed; look with: hatchery audit verify";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};
