import { equal, hex } from "../core/bytes.ts";
import { contextConstructed, contextPrimitive, tags } from "../encoding/tags.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { certificateFindings, datesFindings } from "./explain-certificate-findings.ts";
import { isAuthority, isDeviceIdentity } from "./explain-certificate-kind.ts";
import { explainExtensions, readable } from "./explain-extensions.ts";
import { explainPublicKey } from "./explain-key.ts";
import { type ExplainedField, type Explanation, error, type Finding, field } from "./explain-model.ts";
import { nameFindings } from "./explain-name.ts";
import { type Shape, tolerated } from "./explain-shape.ts";
import { dateText, fingerprint, nameText, signatureAlgorithmText, spanText, withoutEnd } from "./explain-words.ts";
import { attribute, equalNames, parseName } from "./name.ts";
import { attributeTypes } from "./oids.ts";

/** A certificate in words, its dates as of `at`; and the certificate, where it could be read. */
export function explainCertificate(
  bytes: Uint8Array,
  at: number,
): { readonly explanation: Explanation; readonly certificate: Certificate | undefined } {
  const { value: certificate, parts, findings } = tolerated(bytes, certificateShape, parseCertificate);
  if (certificate === undefined) {
    const summary = "This looks like a certificate, and cannot be read as one.";
    const numbers = numberFindings(parts.get("serialNumber"));
    return {
      explanation: {
        kind: "certificate",
        summary,
        fields: partFields(parts),
        findings:
          numbers.length > 0 ? [...numbers, ...findings.filter(({ offset }) => offset !== undefined)] : findings,
        children: [],
      },
      certificate,
    };
  }
  const { subject, issuer, extensions } = certificate;
  const key = explainPublicKey(certificate.subjectPublicKeyInfo);
  const inWords = explainExtensions(extensions);
  const explanation: Explanation = {
    kind: "certificate",
    summary: summaryOf(certificate, at),
    fields: [
      ...field("subject", nameText(subject)),
      ...field("issuer", issuerText(certificate)),
      ...field("serial", hex(certificate.serialNumber)),
      ...field("valid from", dateText(certificate.notBefore)),
      ...field("valid to", dateText(certificate.notAfter)),
      ...key.fields,
      ...field("signature", signatureAlgorithmText(certificate.signatureAlgorithm)),
      ...inWords.fields,
      ...field("device", ...deviceTraits(certificate)),
      ...field("SHA-256", fingerprint(certificate.raw)),
    ],
    findings: [
      ...findings,
      ...datesFindings(certificate, at),
      ...key.findings,
      ...certificateFindings(certificate),
      ...inWords.findings,
      ...nameFindings(subject, "subject"),
      ...(equal(subject.raw, issuer.raw) ? [] : nameFindings(issuer, "issuer")),
    ],
    children: [],
  };
  return { explanation, certificate };
}

function summaryOf(certificate: Certificate, at: number): string {
  const { notBefore, notAfter } = certificate;
  const whose = isAuthority(certificate)
    ? "a CA"
    : isDeviceIdentity(certificate)
      ? "a device, by its maker"
      : "an end entity";
  const version = certificate.version === 3 ? "" : ` of version ${certificate.version}`;
  return `This is the certificate${version} of ${whose}, ${validityText(notBefore, notAfter, at)}.`;
}

function validityText(notBefore: number, notAfter: number, at: number): string {
  if (at < notBefore) return `valid only in ${spanText(notBefore - at)}`;
  if (notAfter === withoutEnd) return "valid without end";
  // RFC 5280 4.1.2.5: through notAfter, inclusive; that is the whole of its second.
  if (at >= notAfter + 1000) return `expired ${spanText(at - notAfter)} ago`;
  return `valid for another ${spanText(notAfter + 1000 - at)}`;
}

function issuerText({ subject, issuer }: Certificate): string {
  return equalNames(subject, issuer) ? `${nameText(issuer)} (itself)` : nameText(issuer);
}

/** What makes it a device's identity by IEEE 802.1AR-2018 8. */
function deviceTraits(certificate: Certificate): readonly string[] {
  const serialNumber = attribute(certificate.subject, attributeTypes.serialNumber);
  if (isAuthority(certificate) || (serialNumber === undefined && !isDeviceIdentity(certificate))) return [];
  return [
    serialNumber === undefined ? "no serialNumber in the subject" : `serial number ${serialNumber}`,
    ...(certificate.notAfter === withoutEnd ? ["valid without end, as an IDevID is"] : []),
  ];
}

/** As much as can be said of what is past repair. */
function partFields(parts: ReadonlyMap<string, Uint8Array>): readonly ExplainedField[] {
  const nameOf = (part: string) => {
    const bytes = parts.get(part);
    return bytes === undefined ? undefined : readable(() => nameText(parseName(bytes)));
  };
  const serialNumber = parts.get("serialNumber");
  const key = parts.get("subjectPublicKeyInfo");
  return [
    ...field("subject", nameOf("subject")),
    ...field("issuer", nameOf("issuer")),
    ...field("serial", serialNumber === undefined ? undefined : hex(serialNumber.subarray(2))),
    ...(key === undefined ? [] : explainPublicKey(key).fields),
  ];
}

/** RFC 5280 4.1.2.2, by the element with its header. */
function numberFindings(serialNumber: Uint8Array | undefined): readonly Finding[] {
  const content = serialNumber?.subarray(2);
  const [first] = content ?? [];
  if (content === undefined || first === undefined) return [];
  const advice =
    "A serial number is a positive number of at most 20 octets: issue the certificate again with another one.";
  if (first >= 0x80) return [error("serial-number", `The serial number is negative. ${advice}`)];
  if (content.every((octet) => octet === 0)) return [error("serial-number", `The serial number is zero. ${advice}`)];
  if (content.length <= 20 + (first === 0 ? 1 : 0)) return [];
  return [error("serial-number", `The serial number has ${content.length} octets. ${advice}`)];
}

const time = [tags.utcTime, tags.generalizedTime];

/** RFC 5280 4.1. */
const certificateShape: Shape = {
  name: "a certificate",
  tags: [tags.sequence],
  content: [
    {
      name: "tbsCertificate",
      tags: [tags.sequence],
      content: [
        { name: "version", tags: [contextConstructed(0)], optional: true },
        { name: "serialNumber", tags: [tags.integer] },
        { name: "signature", tags: [tags.sequence] },
        { name: "issuer", tags: [tags.sequence] },
        {
          name: "validity",
          tags: [tags.sequence],
          content: [
            { name: "notBefore", tags: time },
            { name: "notAfter", tags: time },
          ],
        },
        { name: "subject", tags: [tags.sequence] },
        { name: "subjectPublicKeyInfo", tags: [tags.sequence] },
        { name: "issuerUniqueID", tags: [contextPrimitive(1)], optional: true },
        { name: "subjectUniqueID", tags: [contextPrimitive(2)], optional: true },
        { name: "extensions", tags: [contextConstructed(3)], optional: true },
      ],
    },
    { name: "signatureAlgorithm", tags: [tags.sequence] },
    { name: "signatureValue", tags: [tags.bitString] },
  ],
};
