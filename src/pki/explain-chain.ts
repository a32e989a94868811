import { equal } from "../core/bytes.ts";
import { CryptoError } from "../crypto/errors.ts";
import { verifySignature } from "../crypto/keys.ts";
import type { Certificate } from "./certificate.ts";
import type { CertificateList } from "./crl.ts";
import { PathError, type PathErrorCode } from "./errors.ts";
import { isAuthority, isDeviceIdentity, isSelfIssued, isSelfSigned } from "./explain-certificate-kind.ts";
import { readable } from "./explain-extensions.ts";
import { type ExplainedField, error, type Finding, type FindingCode, field, warning } from "./explain-model.ts";
import { nameText } from "./explain-words.ts";
import { equalNames } from "./name.ts";
import { keyPurposes } from "./oids.ts";
import { validatePath } from "./path.ts";
import type { Profile } from "./path-profiles.ts";
import { extKeyUsageOf } from "./standard-extensions.ts";

/** What the certificates of a file are to be held against. */
export interface Trust {
  readonly anchors: readonly Certificate[];
  /** Without any, revocation is not looked at. */
  readonly lists: readonly CertificateList[];
}

interface Chained {
  readonly fields: readonly ExplainedField[];
  readonly findings: readonly Finding[];
}

/** Which certificate of a file issued which, by their signatures, and whose issuer is missing; they are counted from 1. */
export function explainChain(certificates: readonly Certificate[]): Chained {
  const looked = certificates.slice(0, mostChained);
  const lines: string[] = [];
  const findings: Finding[] = [];
  for (const [index, certificate] of looked.entries()) {
    const issuers = looked.flatMap((issuer, at) => (at !== index && issued(issuer, certificate) ? [at + 1] : []));
    if (issuers.length > 0) lines.push(`${issuers.join(" and ")} issued ${index + 1}`);
    else if (isSelfSigned(certificate)) lines.push(`${index + 1} is its own issuer`);
    else if (looked.some((other) => other !== certificate && isNamedIssuer(other, certificate)))
      findings.push(
        error("bad-signature", `Certificate ${index + 1} names another one here as its issuer, which did not sign it.`),
      );
    else lines.push(`the issuer of ${index + 1} is not here: ${nameText(certificate.issuer)}`);
  }
  if (certificates.length > looked.length)
    findings.push(warning("not-read", `Only the first ${mostChained} certificates were held against each other.`));
  const doubled = looked.filter((one, index) => looked.findIndex((other) => equal(other.raw, one.raw)) < index);
  if (doubled.length > 0) lines.push(`the same certificate is here more than once: ${doubled.length} too many`);
  return { fields: looked.length < 2 ? [] : field("chain", ...lines), findings };
}

/** Whether a path leads from the certificate that the file is about to an anchor, as of `at`. */
export function explainPath(certificates: readonly Certificate[], { anchors, lists }: Trust, at: number): Chained {
  const leaf = leafOf(certificates);
  if (leaf === undefined || anchors.length === 0) return { fields: [], findings: [] };
  const profile = profileOf(leaf);
  const others = certificates.filter((certificate) => certificate !== leaf).slice(0, mostOthers);
  const known = anchors.filter((anchor) => !equal(anchor.raw, leaf.raw));
  if (known.length < anchors.length)
    return { fields: field("path", `${nameText(leaf.subject)} is an anchor itself`), findings: [] };
  try {
    const { path, anchor } = validatePath({
      chain: [leaf, ...others],
      anchors,
      at,
      profile,
      revocation: { lists, policy: "listed" },
    });
    const names = [...path, anchor].map(({ subject }) => nameText(subject));
    if (lists.length === 0)
      return { fields: field("path", `good as ${profile}, not looked for in a CRL`, ...names), findings: [] };
    const isListed = ({ subject }: Certificate) => lists.some(({ issuer }) => equalNames(issuer, subject));
    const unlisted = [...path.slice(1), anchor].filter((issuer) => !isListed(issuer));
    const missing = unlisted.map(({ subject }) => `not looked at: no list of ${nameText(subject)}`);
    if (unlisted.length === path.length)
      return {
        fields: field("path", `not good as ${profile}: revocation-unknown`, ...names, ...missing),
        findings: [error("revocation-unknown", "No CRL is of an issuer of the path: get those of its issuers.")],
      };
    return { fields: field("path", `good as ${profile}, not revoked by the CRLs`, ...names, ...missing), findings: [] };
  } catch (refusal) {
    if (!(refusal instanceof PathError)) throw refusal;
    const { code, message } = refusal;
    const findings = [isOfRevocation(code) ? error(code, message) : error("no-path", noPathText(refusal))];
    return { fields: field("path", `${code === "no-path" ? "none" : "not good"} as ${profile}: ${code}`), findings };
  }
}

function isOfRevocation(code: PathErrorCode): code is Extract<PathErrorCode, FindingCode> {
  return code === "revoked" || code === "crl-expired" || code === "revocation-unknown";
}

function noPathText({ code, message }: PathError): string {
  return `${code === "no-path" ? "No path leads to the anchor." : "No path to the anchor is good."} ${message}`;
}

/** The first certificate that issued none of the others. */
function leafOf(certificates: readonly Certificate[]): Certificate | undefined {
  const looked = certificates.slice(0, mostChained);
  const isIssuer = (candidate: Certificate) =>
    looked.some((other) => other !== candidate && isNamedIssuer(candidate, other) && !equal(other.raw, candidate.raw));
  return looked.find((certificate) => !isIssuer(certificate)) ?? looked[0];
}

/** What it was most likely made for. */
function profileOf(certificate: Certificate): Profile {
  if (isAuthority(certificate)) return "ca";
  const purposes = readable(() => extKeyUsageOf(certificate.extensions)) ?? [];
  if (isDeviceIdentity(certificate) || purposes.length === 0) return "idevid";
  if (purposes.includes(keyPurposes.serverAuth)) return "tls-server";
  return purposes.includes(keyPurposes.clientAuth) ? "tls-client" : "idevid";
}

function isNamedIssuer(issuer: Certificate, certificate: Certificate): boolean {
  return equalNames(issuer.subject, certificate.issuer) && !(isSelfIssued(certificate) && isSelfSigned(certificate));
}

function issued(issuer: Certificate, certificate: Certificate): boolean {
  if (!isNamedIssuer(issuer, certificate)) return false;
  try {
    const { signatureAlgorithm, tbsCertificate, signature } = certificate;
    return verifySignature(issuer.publicKey, signatureAlgorithm, tbsCertificate, signature);
  } catch (refusal) {
    // Which of the two is not supported is among the findings of its own.
    if (refusal instanceof CryptoError) return true;
    throw refusal;
  }
}

/** Each is held against each other one, so the work grows with the square. */
const mostChained = 32;
/** What `validatePath` takes beside the first. */
const mostOthers = 15;
