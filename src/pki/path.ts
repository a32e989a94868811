import { equal } from "../core/bytes.ts";
import type { ErrorDetails } from "../core/errors.ts";
import { CryptoError } from "../crypto/errors.ts";
import { verifySignature } from "../crypto/keys.ts";
import type { Certificate } from "./certificate.ts";
import { PathError, type PathErrorCode, PkiError } from "./errors.ts";
import { equalNames, formatName } from "./name.ts";
import { extensionTypes, keyPurposes } from "./oids.ts";
import {
  authorityKeyIdentifierOf,
  basicConstraintsOf,
  extKeyUsageOf,
  type KeyUsage,
  keyUsageOf,
  subjectAltNameOf,
  subjectKeyIdentifierOf,
} from "./standard-extensions.ts";

/**
 * What the first certificate is to be used for: the client's or the server's end of TLS, an identity made by a manufacturer
 * (IEEE 802.1AR), or an authority, such as the certificates around a roll-over (RFC 7030 4.1.3).
 */
export type Profile = "tls-client" | "tls-server" | "idevid" | "ca";

export interface PathInput {
  /** As received: the certificate in question first, then others in any order. */
  readonly chain: readonly Certificate[];
  /** What is trusted, self-signed or not. */
  readonly anchors: readonly Certificate[];
  /** Milliseconds since 1970-01-01 UTC; undefined for a device without a clock, and then no dates are checked. */
  readonly at: number | undefined;
  readonly profile: Profile;
}

export interface ValidPath {
  /** From the certificate in question to the one that the anchor issued. */
  readonly path: readonly Certificate[];
  readonly anchor: Certificate;
  /** How many signatures were checked on the way, wrong turns included. */
  readonly signaturesVerified: number;
}

/**
 * Finds a path to an anchor and checks it (RFC 5280 6.1): signatures, keys, dates, basicConstraints, keyUsage, extKeyUsage,
 * pathLenConstraint and critical extensions, of the anchor as well. Throws PathError, for the path that came furthest. It
 * does not check revocation or host names, and it refuses name constraints and critical policies instead of processing
 * them. An anchor never vouches for itself: it has to issue something.
 */
export function validatePath({ chain, anchors, at, profile }: PathInput): ValidPath {
  const [leaf, ...others] = chain;
  if (leaf === undefined) throw new PathError("no-path", "There is no certificate.");
  if (chain.length > maximumChain)
    throw new PathError("path-too-long", `More than ${maximumChain} certificates were sent.`);
  const search: Search = { others, anchors, at, profile, signaturesVerified: 0, failure: undefined };
  try {
    checkLeaf(leaf, search);
    const found = extended([leaf], search);
    if (found !== undefined) return { ...found, signaturesVerified: search.signaturesVerified };
  } catch (error) {
    throw asPathError(error);
  }
  throw search.failure?.error ?? noPath(leaf);
}

interface Search extends Omit<PathInput, "chain"> {
  readonly others: readonly Certificate[];
  signaturesVerified: number;
  /** Why the longest path so far went no further. */
  failure: { readonly length: number; readonly error: PathError } | undefined;
}

type Path = readonly [Certificate, ...Certificate[]];

/** Depth first, anchors before others. Each step was signed, so what strangers can make it do is bounded by the signatures. */
function extended(path: Path, search: Search): Pick<ValidPath, "path" | "anchor"> | undefined {
  const last = path[path.length - 1] ?? path[0];
  for (const anchor of issuersOf(last, search.anchors))
    if (issued(anchor, last, path, search, checkAuthority)) return { path, anchor };
  const unused = search.others.filter((other) => !path.some((used) => equal(used.raw, other.raw)));
  for (const issuer of issuersOf(last, unused)) {
    if (!issued(issuer, last, path, search, checkIntermediate)) continue;
    const found = extended([...path, issuer], search);
    if (found !== undefined) return found;
  }
  noteFailure(search, path, noPath(last));
  return undefined;
}

/** By name; the one whose key the certificate points at comes first, which saves wrong turns when a CA has several keys. */
function issuersOf(certificate: Certificate, candidates: readonly Certificate[]): readonly Certificate[] {
  const named = candidates.filter((candidate) => equalNames(candidate.subject, certificate.issuer));
  if (named.length < 2) return named;
  const wanted = authorityKeyIdentifierOf(certificate.extensions);
  const matches = (candidate: Certificate) => {
    const identifier = subjectKeyIdentifierOf(candidate.extensions);
    return wanted !== undefined && identifier !== undefined && equal(identifier, wanted) ? 0 : 1;
  };
  return named.sort((a, b) => matches(a) - matches(b));
}

function issued(
  issuer: Certificate,
  subject: Certificate,
  path: Path,
  search: Search,
  check: (issuer: Certificate, search: Search, path: Path) => void,
): boolean {
  if (search.signaturesVerified === maximumSignatures)
    throw new PathError("path-too-long", `No path was found with ${maximumSignatures} signatures checked.`);
  try {
    check(issuer, search, path);
    search.signaturesVerified += 1;
    if (verifySignature(issuer.publicKey, subject.signatureAlgorithm, subject.tbsCertificate, subject.signature))
      return true;
    throw refusal("bad-signature", subject, "was not signed by the certificate that it names as its issuer");
  } catch (error) {
    noteFailure(search, path, asPathError(error));
    return false;
  }
}

function noteFailure(search: Search, path: Path, error: PathError): void {
  if (search.failure === undefined || path.length > search.failure.length)
    search.failure = { length: path.length, error };
}

function checkLeaf(leaf: Certificate, search: Search): void {
  // Nothing else on the way asks for this key, and one that is weak or on a curve of its own choice proves nobody.
  void leaf.publicKey;
  if (search.profile === "ca") {
    checkAuthority(leaf, search);
    return;
  }
  checkDates(leaf, search.at);
  checkExtensions(leaf);
  // RFC 5246 7.4.2, RFC 8446 4.4.2.2, IEEE 802.1AR 8.10: the key signs.
  checkKeyUsage(leaf, "digitalSignature");
  checkExtKeyUsage(leaf, search.profile);
}

function checkIntermediate(issuer: Certificate, search: Search, path: Path): void {
  checkAuthority(issuer, search, path);
  // Not in RFC 5280, but what everybody does: a CA for e-mail does not make TLS clients.
  checkExtKeyUsage(issuer, search.profile);
}

function checkAuthority(issuer: Certificate, search: Search, path?: Path): void {
  checkDates(issuer, search.at);
  checkExtensions(issuer);
  // RFC 5280 6.1.4 (k) to (n).
  const constraints = basicConstraintsOf(issuer.extensions);
  if (constraints?.cA !== true) throw refusal("not-a-ca", issuer, "is not the certificate of a CA");
  checkKeyUsage(issuer, "keyCertSign");
  const below = path === undefined ? [] : path.slice(1).filter((between) => !isSelfIssued(between));
  if (constraints.pathLenConstraint !== undefined && below.length > constraints.pathLenConstraint)
    throw refusal("path-too-long", issuer, "does not allow as many CAs below it");
}

function checkDates(certificate: Certificate, at: number | undefined): void {
  if (at === undefined) return;
  const { notBefore, notAfter } = certificate;
  if (at < notBefore) throw refusal("not-yet-valid", certificate, "is not valid yet", { notBefore, at });
  // RFC 5280 4.1.2.5: through notAfter, inclusive; that is the whole of its second.
  if (at >= notAfter + 1000) throw refusal("expired", certificate, "has expired", { notAfter, at });
}

function checkExtensions(certificate: Certificate): void {
  for (const { type, critical } of certificate.extensions) {
    // RFC 5280 4.2.1.10 makes them critical. Passing over those that are not would let a CA name whom it may not.
    if (type === extensionTypes.nameConstraints)
      throw refusal("critical-extension", certificate, "has name constraints, which are not processed");
    if (critical && !processed.has(type))
      throw refusal("critical-extension", certificate, `has the critical extension ${type}, which is not processed`);
  }
  // RFC 5280 4.2: an extension whose content cannot be processed is not processed. Which names it holds is the caller's.
  subjectAltNameOf(certificate.extensions);
}

function checkKeyUsage(certificate: Certificate, usage: KeyUsage): void {
  const usages = keyUsageOf(certificate.extensions);
  if (usages !== undefined && !usages.has(usage))
    throw refusal("key-usage", certificate, `has a keyUsage without ${usage}`);
}

function checkExtKeyUsage(certificate: Certificate, profile: Profile): void {
  const wanted = extKeyPurposes[profile];
  const purposes = extKeyUsageOf(certificate.extensions);
  if (wanted === undefined || purposes === undefined) return;
  if (!purposes.includes(wanted) && !purposes.includes(keyPurposes.anyExtendedKeyUsage))
    throw refusal("key-usage", certificate, `has an extKeyUsage that does not allow the profile ${profile}`);
}

function isSelfIssued(certificate: Certificate): boolean {
  return equalNames(certificate.subject, certificate.issuer);
}

function noPath(last: Certificate): PathError {
  const issuer = formatName(last.issuer);
  return new PathError("no-path", `No certificate of the issuer ${issuer} is registered or was sent.`, {
    details: { issuer },
  });
}

function refusal(code: PathErrorCode, certificate: Certificate, complaint: string, more: ErrorDetails = {}): PathError {
  const subject = formatName(certificate.subject);
  return new PathError(code, `The certificate of ${subject} ${complaint}.`, { details: { subject, ...more } });
}

function asPathError(error: unknown): PathError {
  if (error instanceof PathError) return error;
  if (error instanceof PkiError)
    return new PathError("malformed-extension", "A certificate of the path has a malformed extension.", {
      cause: error,
    });
  if (error instanceof CryptoError) {
    const code = error.code === "unsupported-algorithm" ? error.code : "unsupported-key";
    return new PathError(code, error.message, { cause: error, details: error.details });
  }
  throw error;
}

/** IEEE 802.1AR leaves the extKeyUsage of IDevIDs to the manufacturer, and authorities are held to keyCertSign. */
const extKeyPurposes: Readonly<Record<Profile, string | undefined>> = {
  "tls-client": keyPurposes.clientAuth,
  "tls-server": keyPurposes.serverAuth,
  idevid: undefined,
  ca: undefined,
};

/** RFC 5280 4.2: a critical extension that is not processed here is a reason to refuse. Names of hosts are the caller's. */
const processed: ReadonlySet<string> = new Set([
  extensionTypes.basicConstraints,
  extensionTypes.keyUsage,
  extensionTypes.extKeyUsage,
  extensionTypes.subjectAltName,
]);

/** TLS libraries send about three; a stranger may send more to make the search long. */
const maximumChain = 16;
/** A path of five with a wrong turn at each step; a stranger's RSA-8192 chain must not cost more than some milliseconds. */
const maximumSignatures = 12;
