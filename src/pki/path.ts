import { equal } from "../core/bytes.ts";
import { verifySignature } from "../crypto/keys.ts";
import type { Certificate } from "./certificate.ts";
import { PathError } from "./errors.ts";
import { equalNames, formatName } from "./name.ts";
import { checkAuthority, checkIntermediate, checkLeaf } from "./path-certificate.ts";
import { asPathError, refusal } from "./path-errors.ts";
import { checkNames, type NameWork } from "./path-names.ts";
import { checkPolicies } from "./path-policies.ts";
import { type Profile, profileRules } from "./path-profiles.ts";
import { checkRevocation, type RevocationInput } from "./path-revocation.ts";
import { authorityKeyIdentifierOf, subjectKeyIdentifierOf } from "./standard-extensions.ts";

export interface PathInput {
  /** As received: the certificate in question first, then others in any order. */
  readonly chain: readonly Certificate[];
  /** What is trusted, self-signed or not. */
  readonly anchors: readonly Certificate[];
  /** Milliseconds since 1970-01-01 UTC; undefined for a device without a clock, and then no dates are checked. */
  readonly at: number | undefined;
  readonly profile: Profile;
  /** Without it nobody asks whether a certificate has been revoked. */
  readonly revocation?: RevocationInput;
}

export interface ValidPath {
  /** From the certificate in question to the one that the anchor issued; the anchor alone when that is the one in question. */
  readonly path: readonly Certificate[];
  readonly anchor: Certificate;
  /** How many signatures were checked on the way, of lists as well, and wrong turns included. */
  readonly signaturesVerified: number;
}

/**
 * Finds a path to an anchor and checks it (RFC 5280 6.1): signatures, keys, dates, basicConstraints, keyUsage, extKeyUsage,
 * pathLenConstraint, name constraints, required policies and critical extensions, of the anchor as well. Throws PathError, for
 * the path that came furthest. It does not check whom the certificate names (`matchesHostName`), nor revocation unless it is
 * given lists. An anchor never vouches for itself, but where its profile says so: it has to issue something.
 */
export function validatePath({ chain, anchors, at, profile, revocation }: PathInput): ValidPath {
  const [leaf, ...others] = chain;
  if (leaf === undefined) throw new PathError("no-path", "There is no certificate.");
  if (chain.length > maximumChain)
    throw new PathError("path-too-long", `More than ${maximumChain} certificates were sent.`);
  const search: Search = {
    others,
    anchors,
    at,
    profile,
    revocation,
    work: { comparisons: 0 },
    attempts: 0,
    signaturesVerified: 0,
    failure: undefined,
  };
  try {
    checkLeaf(leaf, profile, at);
    const itself = profileRules[profile].anchorItself && anchors.find((anchor) => equal(anchor.raw, leaf.raw));
    const found = itself ? { path: [leaf], anchor: itself } : extended([leaf], search);
    if (found !== undefined) return { ...found, signaturesVerified: search.signaturesVerified };
  } catch (error) {
    throw asPathError(error);
  }
  throw search.failure?.error ?? noPath(leaf);
}

interface Search extends Omit<PathInput, "chain" | "revocation"> {
  readonly others: readonly Certificate[];
  readonly revocation: RevocationInput | undefined;
  readonly work: NameWork;
  /** How often an issuer was looked at, whether it came to a signature or not. */
  attempts: number;
  signaturesVerified: number;
  /** Why the longest path so far went no further. */
  failure: { readonly length: number; readonly error: PathError } | undefined;
}

type Path = readonly [Certificate, ...Certificate[]];

/** Depth first, anchors before others. What strangers can make it do is bounded by the attempts, and by the signatures. */
function extended(path: Path, search: Search): Pick<ValidPath, "path" | "anchor"> | undefined {
  const last = lastOf(path);
  for (const anchor of issuersOf(last, search.anchors, search)) {
    countAttempt(search);
    const isIssued = attempted(path, search, () => {
      checkAuthority(anchor, search.at, path);
      checkIssue(anchor, path, search);
    });
    if (isIssued && attempted([...path, anchor], search, () => checkWhole(path, anchor, search)))
      return { path, anchor };
  }
  const unused = search.others.filter((other) => !isUsed(other, path));
  for (const issuer of issuersOf(last, unused, search)) {
    countAttempt(search);
    const isIssued = attempted(path, search, () => {
      checkIntermediate(issuer, search.profile, search.at, path);
      checkIssue(issuer, path, search);
    });
    const found = isIssued ? extended([...path, issuer], search) : undefined;
    if (found !== undefined) return found;
  }
  noteFailure(search, path, noPath(last));
  return undefined;
}

/**
 * By name; those whose key the certificate points at come first, and of these the ones that an anchor's name issued: this saves
 * wrong turns when a CA has several keys, and when CAs have certified each other.
 */
function issuersOf(
  certificate: Certificate,
  candidates: readonly Certificate[],
  { anchors }: Search,
): readonly Certificate[] {
  const named = candidates.filter((candidate) => equalNames(candidate.subject, certificate.issuer));
  if (named.length < 2) return named;
  const wanted = authorityKeyIdentifierOf(certificate.extensions);
  const rank = (candidate: Certificate) => {
    const identifier = subjectKeyIdentifierOf(candidate.extensions);
    const isWanted = wanted !== undefined && identifier !== undefined && equal(identifier, wanted);
    const isNearAnchor = anchors.some((anchor) => equalNames(anchor.subject, candidate.issuer));
    return (isWanted ? 0 : 2) + (isNearAnchor ? 0 : 1);
  };
  return named
    .map((candidate) => ({ candidate, rank: rank(candidate) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ candidate }) => candidate);
}

/** A CA that comes twice, in whichever certificate, is a detour. The first certificate may be one of the CA above it. */
function isUsed(certificate: Certificate, [leaf, ...issuers]: Path): boolean {
  return (
    equal(certificate.raw, leaf.raw) ||
    issuers.some(
      (used) =>
        equal(used.subjectPublicKeyInfo, certificate.subjectPublicKeyInfo) &&
        equalNames(used.subject, certificate.subject),
    )
  );
}

/** Whether `check` passes; why it does not is kept when no path came further than this one. */
function attempted(path: Path, search: Search, check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    const failure = asPathError(error);
    if (failure.code === "too-many-names") throw failure;
    noteFailure(search, path, failure);
    return false;
  }
}

function noteFailure(search: Search, path: Path, error: PathError): void {
  if (search.failure === undefined || path.length > search.failure.length)
    search.failure = { length: path.length, error };
}

function checkIssue(issuer: Certificate, path: Path, search: Search): void {
  checkNames(issuer, path, search.work);
  const subject = lastOf(path);
  search.signaturesVerified += 1;
  if (!verifySignature(issuer.publicKey, subject.signatureAlgorithm, subject.tbsCertificate, subject.signature))
    throw refusal("bad-signature", subject, "was not signed by the certificate that it names as its issuer");
}

function checkWhole(path: Path, anchor: Certificate, search: Search): void {
  checkPolicies(path, anchor);
  if (search.revocation === undefined) return;
  checkRevocation(path, anchor, search.revocation, search.at, () => {
    refuseEndless(search);
    search.signaturesVerified += 1;
  });
}

function lastOf(path: Path): Certificate {
  return path[path.length - 1] ?? path[0];
}

/** Called before each issuer that would be tried. */
function countAttempt(search: Search): void {
  refuseEndless(search);
  search.attempts += 1;
  if (search.attempts > maximumAttempts)
    throw new PathError("path-too-long", `No path was found with ${maximumAttempts} issuers tried.`);
}

/** Called before each signature that would be checked. */
function refuseEndless({ revocation, signaturesVerified }: Search): void {
  const maximum = revocation === undefined ? maximumSignatures : 2 * maximumSignatures;
  if (signaturesVerified >= maximum)
    throw new PathError("path-too-long", `No path was found with ${maximum} signatures checked.`);
}

function noPath(last: Certificate): PathError {
  const issuer = formatName(last.issuer);
  return new PathError("no-path", `No certificate of the issuer ${issuer} is registered or was sent.`, {
    details: { issuer },
  });
}

/** TLS libraries send about three; a stranger may send more to make the search long. Six CAs that all certified each other are 30. */
const maximumChain = 32;
/** Each certificate that may be sent once: its extensions are read again each time, and may have tens of kilobytes. */
const maximumAttempts = 32;
/**
 * A path of five with a wrong turn at each step; a stranger's RSA-8192 chain must not cost more than some milliseconds. Twice
 * as many when each step has a list as well.
 */
const maximumSignatures = 12;
