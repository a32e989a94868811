import type { Certificate } from "./certificate.ts";
import { PathError } from "./errors.ts";
import { extensionOf } from "./extensions.ts";
import type { GeneralName } from "./general-name.ts";
import { formatName, isEmptyName } from "./name.ts";
import { nameConstraintsOf } from "./name-constraints.ts";
import { forbiddenName } from "./name-constraints-check.ts";
import { attributeTypes, extensionTypes } from "./oids.ts";
import { isSelfIssued } from "./path-certificate.ts";
import { refusal } from "./path-errors.ts";
import { subjectAltNameOf } from "./standard-extensions.ts";

/** How much one search has compared, so that certificates full of names and constraints do not make it long. */
export interface NameWork {
  comparisons: number;
}

/**
 * Checks the names of all certificates below `issuer`, the first one of the path foremost, against its nameConstraints,
 * critical or not (RFC 5280 6.1.3 (b), (c)). Doing so for each issuer of a path is the same as intersecting their permitted
 * subtrees and joining their excluded ones. Throws PathError `name-not-permitted` or `too-many-names`, and PkiError.
 */
export function checkNames(issuer: Certificate, below: readonly Certificate[], work: NameWork): void {
  if (extensionOf(issuer.extensions, extensionTypes.nameConstraints) === undefined) return;
  const constraints = nameConstraintsOf(issuer.extensions);
  if (constraints === undefined) return;
  const subtrees = constraints.permittedSubtrees.length + constraints.excludedSubtrees.length;
  for (const [index, certificate] of below.entries()) {
    // RFC 5280 6.1.3 (b): a CA that changes its key is not held to them, the first certificate always is.
    if (index > 0 && isSelfIssued(certificate)) continue;
    const names = namesOf(certificate);
    // What was read counts as well.
    work.comparisons += (names.length + 1) * (subtrees + 1);
    if (work.comparisons > maximumComparisons)
      throw new PathError("too-many-names", `More than ${maximumComparisons} comparisons of names would be needed.`);
    const name = forbiddenName(names, constraints);
    if (name !== undefined)
      throw refusal("name-not-permitted", certificate, `has a ${name.kind} that a CA above it may not name`, {
        issuer: formatName(issuer.subject),
      });
  }
}

/**
 * RFC 5280 4.2.1.10: subject and subjectAltName. A common name is never taken for that of a host, so constraints of dNSName do
 * not bind it. An emailAddress is taken for an rfc822Name beside a subjectAltName too, where RFC 5280 asks it only without.
 */
function namesOf({ subject, extensions }: Certificate): readonly GeneralName[] {
  const names = [...(subjectAltNameOf(extensions) ?? [])];
  if (isEmptyName(subject)) return names;
  names.push({ kind: "directoryName", name: subject });
  for (const { type, text = "" } of subject.relativeDistinguishedNames.flat())
    if (type === attributeTypes.emailAddress) names.push({ kind: "rfc822Name", text });
  return names;
}

/** 250 names against 250 subtrees, which is some milliseconds. */
const maximumComparisons = 2 ** 16;
