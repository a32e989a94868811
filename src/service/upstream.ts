import { equal } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { codeOf, messageOf } from "../core/errors.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Write } from "../core/write.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import { acceptAuthorities, anchorsAmong, EstFailed, rootsAmong } from "../protocols/est/index.ts";
import type { Issuer } from "../protocols/ports.ts";
import type { Store } from "../store/store.ts";
import type { Authority } from "./authority.ts";
import { isIssuer } from "./authority-hierarchy.ts";
import { crossCertify } from "./ca-import-cross.ts";
import { ServiceError } from "./errors.ts";
import { requireNoManufacturer } from "./trust.ts";
import { type UpstreamClient, upstreamClient } from "./upstream-client.ts";
import { issueByUpstream, type UpstreamInUse } from "./upstream-issue.ts";
import { requireCurrent, type UpstreamRequest, type UpstreamSettings, upstreamSettings } from "./upstream-settings.ts";
import { isSameState, type KeptUpstream, keptUpstream, type UpstreamState } from "./upstream-state.ts";
import { type UpstreamFailure, type UpstreamStatus, upstreamStatus } from "./upstream-status.ts";
import type { Vault } from "./vault.ts";

/** Another CA behind this service, reached by EST. What another process changed of it is seen a second later. */
export interface Upstream {
  /** The tenant's issuer: the upstream while there is one, else the own CA, whose profiles and records hold for both. */
  readonly issuer: Issuer;
  /** Every CA that certifies for this tenant from above or did so, anchors included: none of them is a manufacturer's. */
  cas(): Promise<readonly Certificate[]>;
  /** Undefined while there is none. */
  status(): Promise<UpstreamStatus | undefined>;
  /** Asks the server for its CA and holds it against the anchors; throws `invalid`, `not-found`, `upstream-unusable` or `overloaded`. */
  test(): Promise<UpstreamStatus>;
  /**
   * Takes an upstream into use once it has answered; throws `invalid`, `upstream-unusable` or `overloaded`, and without `force` `conflict` when devices
   * that trust the tenant's root alone are not led to the upstream's. Then nothing has changed.
   */
  set(request: UpstreamRequest, actor: string, force: boolean): Promise<UpstreamStatus>;
  /** Lets the own CA issue again; what the upstream issued stays good. Answers its URL; throws `not-found`. */
  remove(actor: string): Promise<string>;
  close(): Promise<void>;
}

export interface UpstreamParts {
  readonly store: Store;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** The tenant's own CA. */
  readonly authority: Authority;
}

/** The tenant's upstream as it was left; it is connected to when it is first needed. Throws `seal-broken`. */
export async function openUpstream(tenant: string, parts: UpstreamParts): Promise<Upstream> {
  const { store, clock, authority: own } = parts;
  let state: UpstreamState;
  let inUse: InUse | undefined;
  let failure: UpstreamFailure | undefined;
  let lastLook = Number.NEGATIVE_INFINITY;
  let looking: Promise<readonly Certificate[]> | undefined;
  let crossing: Promise<void> | undefined;
  let reading: Promise<unknown> | undefined;
  let lastRead = Number.NEGATIVE_INFINITY;

  /** Goes by another state. What was asked over the former connections is still answered there. */
  async function adopt(next: UpstreamState): Promise<void> {
    const former = inUse;
    state = next;
    inUse = next.settings && connected(upstreamSettings(next.settings), next.authorities, clock);
    await former?.client.close();
  }

  async function read(): Promise<KeptUpstream> {
    const before = state;
    const kept = await keptUpstream(tenant, parts);
    // What this process has changed meanwhile is later.
    if (state === before && !isSameState(kept.state, state)) await adopt(kept.state);
    lastRead = clock.monotonic();
    return kept;
  }

  async function current(): Promise<void> {
    if (clock.monotonic() - lastRead < longestUnseen) return;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    await reading;
  }

  async function change(to: (state: UpstreamState) => UpstreamState, audit: readonly Write[] = []): Promise<void> {
    const kept = await read();
    const next = to(kept.state);
    await store.commit([...kept.replace(next), ...audit]);
    await adopt(next);
  }

  async function noting<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      failure = { at: clock.now(), reason: messageOf(error) };
      throw error;
    }
  }

  /** The CA as published now, kept when it has changed; all who ask meanwhile share one look. */
  function refreshed(): Promise<readonly Certificate[]> {
    lastLook = clock.monotonic();
    looking ??= noting(look).finally(() => {
      looking = undefined;
    });
    return looking;
  }

  /** The CA as published now, or as it was when what is published does not lead to the anchors or is a manufacturer's. */
  async function trusted(): Promise<readonly Certificate[]> {
    try {
      return await refreshed();
    } catch (error) {
      if (codeOf(error) === "overloaded" || codeOf(error) === "upstream-unusable") throw error;
      return state.authorities;
    }
  }

  async function look(): Promise<readonly Certificate[]> {
    const upstream = requireInUse();
    const authorities = await publishedBy(upstream, clock);
    if (!equalLists(authorities, state.authorities)) {
      await requireNoManufacturer(store, tenant, authorities);
      const cross = await crossCertify(own, anchorsAmong(authorities), parts);
      // Another upstream may have been set since this one was asked.
      await change((before) =>
        inUse === upstream ? { ...before, authorities, cross, former: formerOf(before) } : before,
      );
    }
    return authorities;
  }

  /** Certifies the upstream's CA by the root that leads now: the own CA has rolled over, or another one was imported. */
  function crossedAnew(): Promise<void> {
    const cross = async () => {
      const upstream = inUse;
      const crosses = await crossCertify(own, anchorsAmong(state.authorities), parts);
      await change((before) => (inUse === upstream ? { ...before, cross: crosses } : before));
    };
    crossing ??= cross().finally(() => {
      crossing = undefined;
    });
    return crossing;
  }

  function requireInUse(): InUse {
    if (inUse === undefined)
      throw new ServiceError("not-found", "there is no upstream CA; set one with: hatchery ca upstream set");
    return inUse;
  }

  const line = (actor: string, action: string, subject: string, detail: Readonly<Record<string, string>>) =>
    store.audit.append({ tenant, at: clock.now(), actor, action, subject, detail });

  await adopt((await keptUpstream(tenant, parts)).state);
  return {
    issuer: {
      async issue(request) {
        await current();
        const upstream = inUse;
        if (upstream === undefined) return own.issue(request);
        return noting(() => issueByUpstream(request, upstream, { tenant, store, clock, refreshed: trusted }));
      },
      async authorities() {
        const authorities = await own.authorities();
        await current();
        if (inUse === undefined) return authorities;
        // Devices are told what is known; why the look failed is in the status.
        if (clock.monotonic() - lastLook > lookInterval) void refreshed().catch(() => {});
        if (!isCrossedBy(authorities, state.cross)) await crossedAnew();
        return [...authorities, ...state.cross, ...state.authorities];
      },
      async issuers() {
        await current();
        return [...(await own.issuers()), ...state.authorities, ...state.former];
      },
      status: (certificate) => own.status(certificate),
      isCompromised: (publicKey) => own.isCompromised(publicKey),
      profile: (protocol, label) => own.profile(protocol, label),
      registrationAuthority: (profile) => own.registrationAuthority(profile),
    },
    async cas() {
      await current();
      return [...casOf(state), ...state.former];
    },
    async status() {
      await current();
      return inUse && upstreamStatus(inUse.settings, state, failure);
    },
    async test() {
      await current();
      await refreshed();
      return upstreamStatus(requireInUse().settings, state, undefined);
    },
    async set(request, actor, force) {
      const settings = upstreamSettings(request);
      requireCurrent(settings, clock.now());
      const candidate = connected(settings, [], clock);
      const authorities = await publishedBy(candidate, clock).finally(() => candidate.client.close());
      await requireNoManufacturer(store, tenant, casOf({ settings: request, authorities }));
      const cross = await crossCertify(own, anchorsAmong(authorities), parts);
      const { root } = await own.hierarchy();
      const isLedTo =
        cross.length > 0 || anchorsAmong(authorities).every(({ raw }) => equal(raw, root.certificate.raw));
      if (!isLedTo && !force) throw new ServiceError("conflict", notLedTo);
      const { url, credential } = upstreamStatus(settings, { authorities, cross }, undefined);
      await change(
        (before) => ({ settings: request, authorities, cross, former: formerOf(before) }),
        [
          line(actor, "ca-upstream-set", url, {
            credential: credential.kind === "password" ? credential.user : credential.subject,
          }),
        ],
      );
      failure = undefined;
      lastLook = clock.monotonic();
      return upstreamStatus(settings, state, undefined);
    },
    async remove(actor) {
      await current();
      const { url } = upstreamStatus(requireInUse().settings, state, undefined);
      await change(
        (before) => ({ authorities: [], cross: [], former: formerOf(before) }),
        [line(actor, "ca-upstream-remove", url, {})],
      );
      failure = undefined;
      return url;
    },
    async close() {
      await inUse?.client.close();
    },
  };
}

interface InUse extends UpstreamInUse {
  readonly client: UpstreamClient;
}

/** RFC 7030 4.1.3: the roots that the anchors have vouched for are trusted like them, so that a roll-over can be followed. */
function connected(settings: UpstreamSettings, authorities: readonly Certificate[], clock: Clock): InUse {
  const roots = rootsAmong(authorities).map(({ raw }) => raw);
  const trusting = { ...settings, anchors: [...settings.anchors, ...roots] };
  return { settings, client: upstreamClient(trusting, clock), authorities };
}

/** What the upstream publishes, if all of it leads to what is trusted; throws `invalid`, `upstream-unusable` and `overloaded`. */
async function publishedBy(
  { settings, client, authorities: known }: InUse,
  clock: Clock,
): Promise<readonly Certificate[]> {
  const published = await client.cacerts();
  if (published.length > mostAuthorities)
    throw new ServiceError("invalid", `the upstream publishes more than ${mostAuthorities} CA certificates`);
  try {
    const anchors = [...settings.anchors, ...rootsAmong(known).map(({ raw }) => raw)];
    return acceptAuthorities(published, anchors, clock.now()).authorities;
  } catch (cause) {
    if (!(cause instanceof EstFailed)) throw cause;
    throw new ServiceError("invalid", `the CA of the upstream is not the one that was given: ${cause.message}`, {
      cause,
    });
  }
}

/** The certificates of an upstream that is given up, or changes its CA, are the last to be forgotten. */
function formerOf(state: UpstreamState): readonly Certificate[] {
  const leaving = casOf(state);
  const others = state.former.filter(({ raw }) => !leaving.some((each) => equal(each.raw, raw)));
  return [...leaving, ...others].slice(0, mostFormer);
}

/** What an upstream publishes, and the anchors that need not be among it. */
function casOf({ settings, authorities }: Pick<UpstreamState, "settings" | "authorities">): readonly Certificate[] {
  const anchors = settings === undefined ? [] : upstreamSettings(settings).anchors.map((der) => parseCertificate(der));
  return [...authorities, ...anchors.filter(({ raw }) => !authorities.some((each) => equal(each.raw, raw)))];
}

function isCrossedBy([root]: readonly Certificate[], cross: readonly Certificate[]): boolean {
  // By its key as well: a root that rolls over keeps its name.
  return root !== undefined && cross.every((each) => isIssuer(root, each));
}

function equalLists(a: readonly Certificate[], b: readonly Certificate[]): boolean {
  return a.length === b.length && a.every(({ raw }, index) => equal(raw, b[index]?.raw ?? noBytes));
}

/** Milliseconds until a change by another process is seen. */
const longestUnseen = 1000;
/** How often the upstream's CA is looked at, in milliseconds; a certificate of a CA that is not known is reason to look at once. */
const lookInterval = 3_600_000;
/** What is published here, own CA and cross certificates included, has to stay within what devices take. */
const mostAuthorities = 10;
const mostFormer = 32;
/** What an import leaves behind: the own root's key is elsewhere. */
const notLedTo =
  "the key of this tenant's root is not here, so that it cannot certify the upstream's root: every device that trusts the one alone would be refused what the upstream issues; give devices both roots in one file first (cat own.pem upstream.pem), then add --force";
const noBytes = new Uint8Array(0);
