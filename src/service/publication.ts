import { codeOf } from "../core/errors.ts";
import type { StoredCrl } from "../store/records.ts";
import type { Authority } from "./authority.ts";
import type { CaCertificate } from "./authority-hierarchy.ts";
import { currentCrl } from "./publication-crl.ts";
import { type OcspAnswer, type OcspParts, ocspResponder } from "./publication-ocsp.ts";

export interface PublicationParts extends OcspParts {
  readonly authority: Pick<Authority, "hierarchy" | "signer">;
  /** Told of a CRL that could not be made, once until one can; each round tries again. Must not throw. */
  readonly onError: (error: unknown) => void;
}

/** What a tenant's CAs tell the world about their certificates. */
export interface Publication {
  /** The latest CRL of an issuing CA; undefined when there is no such CA, or no CRL of it yet. */
  crl(authority: string): StoredCrl | undefined;
  /** The certificate of a CA in DER, whatever its state. */
  certificate(authority: string): Promise<Uint8Array | undefined>;
  /** Throws what the store and the CA's signer throw. */
  ocsp(request: Uint8Array): Promise<OcspAnswer>;
  stop(): void;
}

/**
 * Publishes for a tenant: keeps a CRL of each of its issuing CAs, those of other generations as well, and makes a new one
 * shortly after a revocation and long before the old one ends. Resolves when each CA was looked at once.
 */
export async function openPublication(tenant: string, parts: PublicationParts): Promise<Publication> {
  const { authority, clock, onError } = parts;
  const stopped = new AbortController();
  /** By the name of the CA. */
  const crls = new Map<string, { readonly ca: string; readonly crl: StoredCrl }>();
  const failing = new Set<string>();

  /** Does its part of a round; what goes on failing is told once. */
  async function attempt(what: string, part: () => Promise<void>): Promise<void> {
    try {
      await part();
      failing.delete(what);
    } catch (error) {
      // Another process was faster: its CRL is found in the next round.
      if (codeOf(error) === "guard-lost" || stopped.signal.aborted) return;
      if (!failing.has(what)) onError(error);
      failing.add(what);
    }
  }

  async function refresh(ca: CaCertificate): Promise<void> {
    const { name } = ca.record;
    const known = crls.get(name);
    const atHand = known?.ca === ca.fingerprint ? known.crl : undefined;
    crls.set(name, { ca: ca.fingerprint, crl: await currentCrl(tenant, ca, atHand, parts) });
  }

  async function round(): Promise<void> {
    const { all } = await authority.hierarchy();
    for (const ca of all)
      if (publishes(ca, clock.now()) && !stopped.signal.aborted) await attempt(ca.record.name, () => refresh(ca));
  }

  async function watch(): Promise<void> {
    for (let took = 0; ; ) {
      // Where a list is so long that a round takes seconds, revocations one after another leave half of the time.
      await clock.sleep(Math.max(interval, took), stopped.signal);
      const began = clock.monotonic();
      await attempt("the CAs", round);
      took = clock.monotonic() - began;
    }
  }

  await round();
  // It ends when it is stopped in its sleep.
  watch().catch(() => {});
  return {
    crl: (name) => crls.get(name)?.crl,
    async certificate(name) {
      const { all } = await authority.hierarchy();
      return all.find(({ record }) => record.name === name)?.certificate.raw;
    },
    ocsp: ocspResponder(tenant, parts),
    stop: () => stopped.abort(),
  };
}

/** A CA that has ended for us still answers for what it issued, as long as its own certificate is valid. */
function publishes({ record, certificate }: CaCertificate, now: number): boolean {
  return record.role === "issuing" && record.key !== undefined && now <= certificate.notAfter;
}

/** How often revocations are looked for: half of the second within which a CRL has them. */
const interval = 500;
