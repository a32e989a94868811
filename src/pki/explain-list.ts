import { hex } from "../core/bytes.ts";
import { HatcheryError } from "../core/errors.ts";
import { signatureAlgorithmOf } from "../crypto/keys.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { type CertificateList, parseCertificateList } from "./crl.ts";
import type { Revocation } from "./crl-entries.ts";
import { CrlError } from "./crl-errors.ts";
import { readable } from "./explain-extensions.ts";
import { type ExplainedField, type Explanation, error, type Finding, field, warning } from "./explain-model.ts";
import { type Shape, tolerated } from "./explain-shape.ts";
import { counted, dateText, nameText, signatureAlgorithmText, spanText } from "./explain-words.ts";
import { parseName } from "./name.ts";
import { authorityKeyIdentifierOf } from "./standard-extensions.ts";

/** A CRL in words, its dates as of `at`; and the list, where it could be read. Its signature needs its issuer's certificate. */
export function explainList(
  bytes: Uint8Array,
  at: number,
): { readonly explanation: Explanation; readonly list: CertificateList | undefined } {
  const { value: list, parts, findings } = tolerated(bytes, listShape, parseWhole);
  if (list === undefined) {
    const explanation = unreadList(bytes, parts, findings);
    return { explanation, list };
  }
  const key = readable(() => authorityKeyIdentifierOf(list.extensions));
  const explanation: Explanation = {
    kind: "certificate-list",
    summary: `This is a CRL of ${counted(list.revokedCertificates.count, "revoked certificate")}, ${currencyText(list, at)}.`,
    fields: [
      ...field("issuer", nameText(list.issuer)),
      ...field("number", list.cRLNumber === undefined ? undefined : BigInt(`0x${hex(list.cRLNumber)}`).toString()),
      ...field("issued", dateText(list.thisUpdate)),
      ...field("next", list.nextUpdate === undefined ? undefined : dateText(list.nextUpdate)),
      ...field("signature", signatureAlgorithmText(list.signatureAlgorithm)),
      ...field("issuer key", key === undefined ? undefined : hex(key)),
      ...field("entries", ...firstEntries(list)),
    ],
    findings: [...findings, ...listFindings(list, at)],
    children: [],
  };
  return { explanation, list };
}

function parseWhole(bytes: Uint8Array): CertificateList {
  return parseCertificateList(bytes, Math.max(bytes.length, 1));
}

/** A delta or an indirect list is well-formed, and not read because it does not answer for all of an issuer. */
function unreadList(
  bytes: Uint8Array,
  parts: ReadonlyMap<string, Uint8Array>,
  findings: readonly Finding[],
): Explanation {
  const partial = refusalOf(() => parseWhole(bytes));
  const isPartial = partial instanceof CrlError && partial.code !== "malformed-crl";
  const issuer = parts.get("issuer");
  const fields: readonly ExplainedField[] = field(
    "issuer",
    issuer === undefined ? undefined : readable(() => nameText(parseName(issuer))),
  );
  return {
    kind: "certificate-list",
    summary: isPartial
      ? "This is a CRL of a kind that is not used here."
      : "This looks like a CRL, and cannot be read as one.",
    fields,
    findings: isPartial ? [error("partial-list", `${partial.message} Ask the CA for a complete CRL.`)] : findings,
    children: [],
  };
}

function refusalOf(work: () => unknown): HatcheryError | undefined {
  try {
    work();
    return undefined;
  } catch (refusal) {
    if (refusal instanceof HatcheryError) return refusal;
    throw refusal;
  }
}

function currencyText({ thisUpdate, nextUpdate }: CertificateList, at: number): string {
  if (at < thisUpdate) return `issued only in ${spanText(thisUpdate - at)}`;
  if (nextUpdate === undefined) return `issued ${spanText(at - thisUpdate)} ago`;
  return at < nextUpdate
    ? `current for another ${spanText(nextUpdate - at)}`
    : `out of date for ${spanText(at - nextUpdate)}`;
}

function listFindings(list: CertificateList, at: number): readonly Finding[] {
  const { thisUpdate, nextUpdate, signatureAlgorithm, version } = list;
  const findings: Finding[] = [];
  if (nextUpdate === undefined)
    findings.push(warning("no-next-update", "It does not say when the next one comes (RFC 5280 5.1.2.5)."));
  else if (nextUpdate < thisUpdate) findings.push(error("validity-reversed", "The next one was due before this one."));
  else if (at >= nextUpdate) findings.push(error("expired", "A newer CRL is due: fetch it from its issuer."));
  if (at < thisUpdate)
    findings.push(error("not-yet-valid", "It is from the future: look at the clock that it was made by."));
  if (version === 1)
    findings.push(warning("old-version", "A CRL of version 1 has no number, so an old one can pass for new."));
  const refusal = refusalOf(() => signatureAlgorithmOf(signatureAlgorithm));
  return refusal === undefined ? findings : [...findings, error("unsupported-algorithm", refusal.message)];
}

function firstEntries({ revokedCertificates }: CertificateList): readonly string[] {
  const first: string[] = [];
  for (const entry of revokedCertificates) {
    if (first.length === shownEntries) break;
    first.push(entryText(entry));
  }
  const rest = revokedCertificates.count - first.length;
  return rest === 0 ? first : [...first, `and ${rest} more`];
}

function entryText({ serialNumber, revocationDate, reason }: Revocation): string {
  return `${hex(serialNumber)} on ${dateText(revocationDate)}${reason === undefined ? "" : `, ${reason}`}`;
}

const time = [tags.utcTime, tags.generalizedTime];

/** RFC 5280 5.1. */
const listShape: Shape = {
  name: "a CRL",
  tags: [tags.sequence],
  content: [
    {
      name: "tbsCertList",
      tags: [tags.sequence],
      content: [
        { name: "version", tags: [tags.integer], optional: true },
        { name: "signature", tags: [tags.sequence] },
        { name: "issuer", tags: [tags.sequence] },
        { name: "thisUpdate", tags: time },
        { name: "nextUpdate", tags: time, optional: true },
        { name: "revokedCertificates", tags: [tags.sequence], optional: true },
        { name: "crlExtensions", tags: [contextConstructed(0)], optional: true },
      ],
    },
    { name: "signatureAlgorithm", tags: [tags.sequence] },
    { name: "signatureValue", tags: [tags.bitString] },
  ],
};

const shownEntries = 5;
