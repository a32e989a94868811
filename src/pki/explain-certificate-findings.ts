import { CryptoError } from "../crypto/errors.ts";
import { signatureAlgorithmOf, verifySignature } from "../crypto/keys.ts";
import type { Certificate } from "./certificate.ts";
import { isAuthority, isDeviceIdentity, isSelfIssued, isSelfSigned } from "./explain-certificate-kind.ts";
import { readable } from "./explain-extensions.ts";
import { error, type Finding, warning } from "./explain-model.ts";
import { dateText, spanText } from "./explain-words.ts";
import { extensionOf } from "./extensions.ts";
import { attribute, isEmptyName } from "./name.ts";
import { attributeTypes, extensionTypes, keyPurposes } from "./oids.ts";
import {
  authorityKeyIdentifierOf,
  basicConstraintsOf,
  extKeyUsageOf,
  keyUsageOf,
  subjectAltNameOf,
  subjectKeyIdentifierOf,
} from "./standard-extensions.ts";

/** What is wrong with the dates of a certificate at a time. */
export function datesFindings({ notBefore, notAfter }: Certificate, at: number): readonly Finding[] {
  if (notAfter < notBefore)
    return [error("validity-reversed", "The certificate ends before it begins, so it is never valid: issue it again.")];
  if (at < notBefore)
    return [
      error(
        "not-yet-valid",
        `The certificate is valid only from ${dateText(notBefore)} on: wait, or look at the clock that it was made by.`,
      ),
    ];
  if (at >= notAfter + 1000)
    return [error("expired", `The certificate expired ${spanText(at - notAfter)} ago: renew it.`)];
  return [];
}

/** What is wrong with a certificate by itself but dates, key and malformed extensions. */
export function certificateFindings(certificate: Certificate): readonly Finding[] {
  return [
    ...versionFindings(certificate),
    ...serialNumberFindings(certificate),
    ...signatureFindings(certificate),
    ...authorityFindings(certificate),
    ...identifierFindings(certificate),
    ...subjectFindings(certificate),
    ...serverFindings(certificate),
  ];
}

function versionFindings({ version }: Certificate): readonly Finding[] {
  if (version === 3) return [];
  return [
    warning(
      "old-version",
      `A certificate of version ${version} has no extensions: it cannot be a CA's, nor say what it is for.`,
    ),
  ];
}

/** CA/Browser Forum BR 7.1: 64 bits of randomness, which seven octets cannot hold. */
function serialNumberFindings(certificate: Certificate): readonly Finding[] {
  if (isSelfIssued(certificate) || certificate.serialNumber.length >= 8) return [];
  return [
    warning(
      "guessable-serial-number",
      "The serial number is shorter than 64 bits, so the next one can be guessed: let the CA draw it at random.",
    ),
  ];
}

function signatureFindings(certificate: Certificate): readonly Finding[] {
  const { signatureAlgorithm, tbsCertificate, signature } = certificate;
  const isSigned = () => verifySignature(certificate.publicKey, signatureAlgorithm, tbsCertificate, signature);
  try {
    signatureAlgorithmOf(signatureAlgorithm);
    if (!isSelfSigned(certificate) || isSigned()) return [];
    return [error("bad-signature", "The certificate names itself as its issuer, and its key did not sign it.")];
  } catch (refusal) {
    if (!(refusal instanceof CryptoError)) throw refusal;
    // Of its key it is complained elsewhere.
    if (refusal.code !== "unsupported-algorithm") return [];
    // What an anchor signs about itself, nobody checks.
    return [(isSelfSigned(certificate) ? warning : error)("unsupported-algorithm", refusal.message)];
  }
}

function authorityFindings(certificate: Certificate): readonly Finding[] {
  const { version, extensions } = certificate;
  const constraints = readable(() => basicConstraintsOf(extensions));
  const usages = readable(() => keyUsageOf(extensions));
  const findings: Finding[] = [];
  if (constraints?.cA === true) {
    if (usages === undefined)
      findings.push(
        warning("ca-without-key-cert-sign", "The CA has no keyUsage; RFC 5280 4.2.1.3 demands keyCertSign."),
      );
    else if (!usages.has("keyCertSign"))
      findings.push(
        error("ca-without-key-cert-sign", "The CA's keyUsage lacks keyCertSign, so what it issues is refused."),
      );
    if (extensionOf(extensions, extensionTypes.basicConstraints)?.critical === false)
      findings.push(
        warning("should-be-critical", "The basicConstraints of a CA have to be critical (RFC 5280 4.2.1.9)."),
      );
  } else if (usages?.has("keyCertSign") === true) {
    findings.push(
      error(
        constraints === undefined ? "no-basic-constraints" : "key-cert-sign-without-ca",
        "The keyUsage has keyCertSign, and basicConstraints do not say that it is a CA: what it signs is refused.",
      ),
    );
  } else if (constraints?.pathLenConstraint !== undefined) {
    findings.push(warning("key-cert-sign-without-ca", "It has a path length and is no CA (RFC 5280 4.2.1.9)."));
  }
  if (extensionOf(extensions, extensionTypes.nameConstraints)?.critical === false)
    findings.push(warning("should-be-critical", "The nameConstraints have to be critical (RFC 5280 4.2.1.10)."));
  if (version === 3 && constraints === undefined && isSelfIssued(certificate))
    findings.push(
      warning(
        "no-basic-constraints",
        "It names itself as its issuer and has no basicConstraints: as an anchor it is refused.",
      ),
    );
  return findings;
}

/** RFC 5280 4.2.1.1, 4.2.1.2: how a path is found when a CA has several keys. */
function identifierFindings(certificate: Certificate): readonly Finding[] {
  const { version, extensions } = certificate;
  const isCa = isAuthority(certificate);
  const lacksOwn = isCa && readable(() => subjectKeyIdentifierOf(extensions)) === undefined;
  const lacksIssuers =
    version === 3 && !isSelfIssued(certificate) && readable(() => authorityKeyIdentifierOf(extensions)) === undefined;
  return [
    ...(lacksOwn ? [warning("no-key-identifier", "The CA has no subjectKeyIdentifier (RFC 5280 4.2.1.2).")] : []),
    ...(lacksIssuers
      ? [
          warning(
            "no-key-identifier",
            "There is no authorityKeyIdentifier: after a roll-over its issuer is hard to find.",
          ),
        ]
      : []),
  ];
}

function subjectFindings(certificate: Certificate): readonly Finding[] {
  const { subject, extensions } = certificate;
  const isCa = isAuthority(certificate);
  const names = extensionOf(extensions, extensionTypes.subjectAltName);
  const findings: Finding[] = [];
  if (isEmptyName(subject)) {
    if (names === undefined || isCa)
      findings.push(
        error("no-name", isCa ? "The CA has no name (RFC 5280 4.1.2.6)." : "The certificate names nobody."),
      );
    else if (!names.critical)
      findings.push(
        error("names-not-critical", "The subject is empty, so subjectAltName has to be critical (RFC 5280 4.2.1.6)."),
      );
  }
  if (isDeviceIdentity(certificate) && attribute(subject, attributeTypes.serialNumber) === undefined)
    findings.push(
      warning(
        "no-device-serial-number",
        "It looks like a manufacturer's identity of a device, and its subject has not one serialNumber (IEEE 802.1AR 8.6): a registrar cannot tell which device it is.",
      ),
    );
  return findings;
}

/** RFC 9525 2: hosts are named by subjectAltName alone. */
function serverFindings({ subject, extensions }: Certificate): readonly Finding[] {
  if (readable(() => extKeyUsageOf(extensions))?.includes(keyPurposes.serverAuth) !== true) return [];
  const names = readable(() => subjectAltNameOf(extensions)) ?? [];
  const hosts = names.flatMap((name) => (name.kind === "dNSName" ? [name.text.toLowerCase()] : []));
  if (hosts.length === 0 && !names.some(({ kind }) => kind === "iPAddress"))
    return [
      error(
        "common-name-not-in-names",
        "It is for a TLS server and names no host in subjectAltName, where clients look: issue it again with one.",
      ),
    ];
  const commonName = attribute(subject, attributeTypes.commonName);
  if (commonName === undefined || !hostPattern.test(commonName) || hosts.includes(commonName.toLowerCase())) return [];
  return [
    warning(
      "common-name-not-in-names",
      "The commonName looks like a host and is not in subjectAltName, where clients look.",
    ),
  ];
}

const hostPattern = /^(\*\.)?([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$/;
