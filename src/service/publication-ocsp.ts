import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { type CertId, issuerNames, issuerOfCertId } from "../pki/ocsp-cert-id.ts";
import { OcspError } from "../pki/ocsp-errors.ts";
import { type OcspRequest, parseOcspRequest } from "../pki/ocsp-request.ts";
import { buildOcspError, buildOcspResponse } from "../pki/ocsp-response-build.ts";
import type { CertStatus, OcspErrorStatus } from "../pki/ocsp-statuses.ts";
import type { Store } from "../store/store.ts";
import type { Authority } from "./authority.ts";
import type { CaCertificate, Hierarchy } from "./authority-hierarchy.ts";
import { ocspDelegates } from "./publication-delegate.ts";

/** An OCSPResponse in DER. */
export interface OcspAnswer {
  readonly response: Uint8Array;
  /** From when until when it may be told to others as well; absent when it is for one request alone. Milliseconds since 1970. */
  readonly shared?: { readonly thisUpdate: number; readonly nextUpdate: number };
}

export interface OcspParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly authority: Pick<Authority, "hierarchy" | "signer">;
}

/**
 * Answers OCSP requests about the certificates of a tenant's issuing CAs, from the store. `good` and `revoked` are said of
 * certificates that the CA has issued, `unknown` of every other serial number (RFC 6960 2.2: `good` would vouch for a forgery).
 * Issuers that are not ours, and several in one request, are `unauthorized`: no answer of ours could be signed for them.
 * Throws what the store and the CA's signer throw.
 */
export function ocspResponder(tenant: string, parts: OcspParts): (request: Uint8Array) => Promise<OcspAnswer> {
  const { store, clock, authority } = parts;
  const delegateOf = ocspDelegates(tenant, parts);
  const answers = new Map<string, OcspAnswer>();
  let known: { readonly hierarchy: Hierarchy; readonly issuers: ReadonlyMap<string, CaCertificate> } | undefined;

  async function issuerOf({ certIds }: OcspRequest): Promise<CaCertificate | undefined> {
    const hierarchy = await authority.hierarchy();
    if (known?.hierarchy !== hierarchy) known = { hierarchy, issuers: issuersOf(hierarchy) };
    const { issuers } = known;
    const [ca, ...others] = new Set(certIds.map((certId) => issuers.get(issuerOfCertId(certId))));
    return others.length > 0 || ca === undefined || clock.now() > ca.certificate.notAfter ? undefined : ca;
  }

  async function statusOf(ca: CaCertificate, { serialNumber }: CertId): Promise<CertStatus> {
    const serial = hex(serialNumber[0] === 0 ? serialNumber.subarray(1) : serialNumber);
    const found = await store.authorities.certificate(tenant, ca.record.name, serial);
    if (found === undefined) return { kind: "unknown" };
    if (found.revocation === undefined) return { kind: "good" };
    return { kind: "revoked", revocationTime: found.revocation.at, reason: found.revocation.reason };
  }

  async function sign(
    ca: CaCertificate,
    { certIds, nonce }: OcspRequest,
    statuses: readonly CertStatus[],
  ): Promise<OcspAnswer> {
    const { certificate, signer, notAfter } = await delegateOf(ca);
    const now = clock.now();
    const thisUpdate = now - (now % 1000);
    const nextUpdate = Math.min(thisUpdate + answerValidity, notAfter);
    const response = await buildOcspResponse({
      responses: certIds.map(({ raw }, index) => ({ certId: raw, status: statuses[index] ?? { kind: "unknown" } })),
      thisUpdate,
      nextUpdate,
      ...(nonce === undefined ? {} : { nonce }),
      responder: certificate,
      signer,
    });
    return { response, ...(nonce === undefined ? { shared: { thisUpdate, nextUpdate } } : {}) };
  }

  function keep(key: string, answer: OcspAnswer): void {
    // The end of the map is the latest.
    answers.delete(key);
    answers.set(key, answer);
    for (const oldest of answers.keys()) {
      if (answers.size <= mostAnswers) break;
      answers.delete(oldest);
    }
  }

  return async (bytes) => {
    const request = parsed(bytes);
    if (request === undefined) return errorAnswer("malformedRequest");
    const ca = await issuerOf(request);
    if (ca === undefined) return errorAnswer("unauthorized");
    const statuses = await Promise.all(request.certIds.map((certId) => statusOf(ca, certId)));
    const key = keyOf(request, statuses);
    const earlier = key === undefined ? undefined : answers.get(key);
    if (earlier !== undefined && isFresh(earlier, clock.now())) return earlier;
    const answer = await sign(ca, request, statuses);
    if (key !== undefined) keep(key, answer);
    return answer;
  };
}

/** An OCSPResponse that is an error status alone. */
export function errorAnswer(status: OcspErrorStatus): OcspAnswer {
  return { response: buildOcspError(status) };
}

function parsed(bytes: Uint8Array): OcspRequest | undefined {
  try {
    return parseOcspRequest(bytes, mostRequests);
  } catch (error) {
    if (error instanceof OcspError) return undefined;
    throw error;
  }
}

/** The CAs that issue or have issued here, by every name that a CertID may give them. */
function issuersOf({ all }: Hierarchy): ReadonlyMap<string, CaCertificate> {
  const issuing = all.filter(({ record }) => record.role === "issuing" && record.key !== undefined);
  return new Map(issuing.flatMap((ca) => issuerNames(ca.certificate).map((name) => [name, ca] as const)));
}

/**
 * What an answer is kept by: the question and what was found, so that a revocation finds none. Undefined for answers to one
 * request alone, and for `unknown`, of which anybody could cause any number.
 */
function keyOf({ certIds, nonce }: OcspRequest, statuses: readonly CertStatus[]): string | undefined {
  const [certId, ...others] = certIds;
  const [status] = statuses;
  if (certId === undefined || others.length > 0 || nonce !== undefined || status?.kind === "unknown") return undefined;
  return `${hex(certId.raw)} ${JSON.stringify(status)}`;
}

function isFresh({ shared }: OcspAnswer, now: number): boolean {
  return shared !== undefined && now >= shared.thisUpdate && now < (shared.thisUpdate + shared.nextUpdate) / 2;
}

/** As long as a client that keeps an answer may not hear of a revocation. */
const answerValidity = 3600 * 1000;
/** Of one message, each of them a read of the store; clients ask for one, or for a chain. */
const mostRequests = 16;
/** About 1 KB each. */
const mostAnswers = 10_000;
