import { equal } from "../../core/bytes.ts";
import type { Clock } from "../../core/clock.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import type { ClientIdentity } from "../ports.ts";
import { Backoff, fraction } from "./backoff.ts";
import { busyPause } from "./constants.ts";
import { type EnrolledCredential, enroll } from "./device.ts";
import type { EstDeviceEnv, EstDeviceSettings, EstServerAddress, EstTrust } from "./device-env.ts";
import { EstFailed, millisecondsAsked } from "./errors.ts";

/** A device that renews its certificate for as long as it runs: what it shows and what it trusts is in its storage. */
export interface EstRenewalSettings
  extends Pick<EstDeviceSettings, "keyKind" | "csrattrs" | "addresses" | "binding" | "patience" | "redirect"> {
  /** What it asks with, `simplereenroll` unless said otherwise. */
  readonly operation?: "simplereenroll" | "fullcmc";
  /** Without `trust`: the anchors that the last answer brought. */
  readonly server: Omit<EstServerAddress, "trust"> & { readonly trust?: EstTrust };
}

/** What such a device tells. Times are in milliseconds since 1970. */
export type RenewalEvent =
  /** `at`: when it is going to renew. `certificate` is the one in its storage, its own or somebody else's work. */
  | { readonly kind: "scheduled"; readonly certificate: Certificate; readonly at: number }
  | { readonly kind: "renewed"; readonly credential: EnrolledCredential }
  /** It tries again at `at`, also when the certificate has expired by then: a server may have grace. */
  | { readonly kind: "failed"; readonly error: unknown; readonly at: number; readonly expired: boolean };

/**
 * Renews the certificate in `env.storage` when 50 to 66 of 100 parts of its life are over, and again and again: ends only with
 * `env.signal`. A server that says when it wants to be asked again (Retry-After) is not asked before, and no server more often
 * for the next certificate than every half minute. The storage is read anew each time. Throws EstFailed `nothing-to-renew`, or the storage's error, when there is
 * nothing to begin with; every later failure is an event, and is tried again.
 */
export async function* renewing(settings: EstRenewalSettings, env: EstDeviceEnv): AsyncGenerator<RenewalEvent, void> {
  const { clock, signal } = env;
  const { operation = "simplereenroll" } = settings;
  let identity = await credential(env);
  const backoff = new Backoff(renewalPause, env.randomness);
  let isFresh = false;
  let isWarned = false;
  while (!isAborted(signal)) {
    const certificate = leafOf(identity);
    const wanted = renewalTime(certificate, fraction(env.randomness));
    // A clock that says that the certificate is not valid yet is wrong: as far as this device knows, it was issued just now.
    const wait = Math.min(wanted - clock.now(), wanted - certificate.notBefore);
    const least = isFresh ? leastPause(certificate, clock.now()) : 0;
    if (isFresh && !isWarned && certificate.notAfter - clock.now() < 2 * shortestPause) {
      isWarned = true;
      env.warning?.(shortLived);
    }
    isFresh = false;
    const wake = timer(wanted, wait, clock, least);
    yield { kind: "scheduled", certificate, at: wake.at };
    await wake.sleep(signal);
    while (!isAborted(signal)) {
      let failure: unknown;
      try {
        const current = await credential(env);
        // Somebody else has renewed it meanwhile, or has enrolled the device anew.
        const isAnother = !equal(leafOf(current).raw, certificate.raw);
        identity = current;
        if (isAnother) break;
        const renewed = await enroll(operation, await settingsOf(settings, identity, env), env);
        backoff.reset();
        isFresh = true;
        yield { kind: "renewed", credential: renewed };
        identity = { chain: [renewed.certificate, ...renewed.chain].map(({ raw }) => raw), key: renewed.key };
        break;
      } catch (error) {
        if (isAborted(signal)) return;
        failure = error;
      }
      const left = certificate.notAfter - clock.now();
      const most = left < 0 ? renewalPause.most : Math.max(left / triesLeft, renewalPause.first);
      const pause = backoff.next(millisecondsAsked(failure), Math.min(most, renewalPause.most));
      const again = timer(clock.now() + pause, pause, clock);
      yield { kind: "failed", error: failure, at: again.at, expired: left < 0 };
      await again.sleep(signal);
    }
  }
}

/** RFC 7030 says nothing of when; a half to two thirds leaves time for a long outage, and chance spreads a fleet that enrolled at once. */
function renewalTime({ notBefore, notAfter }: Certificate, chance: number): number {
  const share = renewedFrom + chance * (renewedUntil - renewedFrom);
  return Math.round(notBefore + share * (notAfter - notBefore));
}

/**
 * Milliseconds that a certificate is kept that has just come. A clock that is ahead says that it is old, and would have it
 * renewed without end. But one that is valid by this clock may have been issued as if it were older than it is, and is renewed
 * before it ends.
 */
function leastPause({ notBefore, notAfter }: Certificate, now: number): number {
  const ofLife = (notAfter - notBefore) * leastShare;
  const isValid = notBefore <= now && now <= notAfter;
  return Math.max(isValid ? Math.min(ofLife, (notAfter - now) / 2) : ofLife, shortestPause);
}

/**
 * A wait until the wall clock says `wanted`, or for `wait` milliseconds, whichever ends first: the wall clock may be set
 * forward, which ends it, or back, which does not make it longer. It is never shorter than `least`.
 */
function timer(
  wanted: number,
  wait: number,
  clock: Clock,
  least = 0,
): { readonly at: number; readonly sleep: (signal: AbortSignal | undefined) => Promise<void> } {
  const begun = clock.monotonic();
  const left = () => {
    const passed = clock.monotonic() - begun;
    return Math.max(Math.min(wanted - clock.now(), wait - passed), least - passed);
  };
  return {
    at: clock.now() + Math.max(wait, least),
    async sleep(signal) {
      for (let rest = left(); rest > 0 && !isAborted(signal); rest = left()) {
        try {
          await clock.sleep(Math.min(Math.ceil(rest), longestSleep), signal);
        } catch (error) {
          if (!isAborted(signal)) throw error;
        }
      }
    },
  };
}

async function credential({ storage }: EstDeviceEnv): Promise<ClientIdentity> {
  const identity = await storage.credential();
  if (identity !== undefined) return identity;
  throw new EstFailed("nothing-to-renew", "there is no certificate to renew; enrol first");
}

async function settingsOf(
  { server, operation: _, ...rest }: EstRenewalSettings,
  identity: ClientIdentity,
  { storage }: EstDeviceEnv,
): Promise<EstDeviceSettings> {
  const trust = server.trust ?? ({ kind: "explicit", anchors: (await storage.anchors()) ?? [] } as const);
  // A renewal takes its names from the certificate that it renews.
  const subject = leafOf(identity).subject.raw;
  return { ...rest, server: { ...server, trust }, subject, identity: { ...identity, credential: "ldevid" } };
}

function leafOf({ chain }: ClientIdentity): Certificate {
  const [leaf] = chain;
  if (leaf === undefined) throw new EstFailed("nothing-to-renew", "the credential in the storage has no certificate");
  return parseCertificate(leaf);
}

/** Asked each time: it changes while something is awaited. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** Of a certificate's life, from the moment that it was received. */
const leastShare = 0.1;
/** Milliseconds from one certificate to the next. */
const shortestPause = 30_000;
const shortLived =
  "the certificates of this CA end within a minute of their issue; one is renewed half a minute after it came, and not before";
const renewedFrom = 0.5;
const renewedUntil = 0.66;
/** Milliseconds between tries: an hour at the most, and shorter when a short life would otherwise see only a few. */
const renewalPause = { first: busyPause.first, most: 3_600_000 } as const;
const triesLeft = 8;
/** Milliseconds. Timers do not run while a machine sleeps, and the longest that Node takes is 24 days. */
const longestSleep = 900_000;
