import { hex } from "../core/bytes.ts";
import { HatcheryError } from "../core/errors.ts";
import { signatureAlgorithmOf } from "../crypto/keys.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import type { Certificate } from "./certificate.ts";
import { digestNameOf, signatureIdentifierOf } from "./cms-digest.ts";
import { CmsError } from "./cms-errors.ts";
import type { CertificateIdentifier } from "./cms-identifier.ts";
import { parseSignedData, type SignedData, verifySignedData } from "./cms-signed-data.ts";
import { type SignerInfo, signedStatementOf } from "./cms-signer-info.ts";
import type { CertificateList } from "./crl.ts";
import { explainCertificate } from "./explain-certificate.ts";
import { explainList } from "./explain-list.ts";
import { type ExplainedField, type Explanation, error, type Finding, field, warning } from "./explain-model.ts";
import { contentInfoShape, tolerated } from "./explain-shape.ts";
import { contentTypeText, counted, dateText, nameText } from "./explain-words.ts";
import { cmsAttributes } from "./oids.ts";

/** What a message or a file holds, for those who look at all of it together. */
export interface Explained {
  readonly explanation: Explanation;
  readonly certificates: readonly Certificate[];
  readonly lists: readonly CertificateList[];
}

/**
 * SignedData in words: who signed what with which algorithms, and whether each signature holds under a certificate that the
 * message carries. Without signers it is a certs-only message. The certificates and CRLs in it are its children.
 */
export function explainSignedData(bytes: Uint8Array, at: number): Explained {
  const { value: signedData, findings } = tolerated(bytes, contentInfo, (message) => parseSignedData(message));
  if (signedData === undefined) {
    const summary = "This looks like CMS SignedData, and cannot be read as such.";
    const explanation: Explanation = { kind: "signed-data", summary, fields: [], findings, children: [] };
    return { explanation, certificates: [], lists: [] };
  }
  const certificates = signedData.certificates.map((certificate) => explainCertificate(certificate, at));
  const lists = signedData.crls.map((list) => explainList(list, at));
  const signers = signedData.signerInfos.map((signer) => explainSigner(signer, signedData));
  const explanation: Explanation = {
    kind: signers.length === 0 ? "certs-only" : "signed-data",
    summary: summaryOf(signedData),
    fields: [...contentFields(signedData), ...signers.flatMap(({ fields }) => fields)],
    findings: [...findings, ...signers.flatMap((signer) => signer.findings), ...emptyFindings(signedData)],
    children: [...certificates, ...lists].map((child) => child.explanation),
  };
  return {
    explanation,
    certificates: certificates.flatMap(({ certificate }) => certificate ?? []),
    lists: lists.flatMap(({ list }) => list ?? []),
  };
}

/** Whose certificate a message names. */
export function identifierText(identifier: CertificateIdentifier): string {
  return identifier.kind === "subjectKeyIdentifier"
    ? `key identifier ${hex(identifier.keyIdentifier)}`
    : `serial number ${hex(identifier.serialNumber)} of ${nameText(identifier.issuer)}`;
}

function summaryOf({ signerInfos, certificates, crls }: SignedData): string {
  const carried = [
    ...(certificates.length > 0 ? [counted(certificates.length, "certificate")] : []),
    ...(crls.length > 0 ? [counted(crls.length, "CRL")] : []),
  ];
  const held = carried.length === 0 ? "nothing else" : carried.join(" and ");
  if (signerInfos.length > 0)
    return `This is a signed message (CMS SignedData) with ${counted(signerInfos.length, "signer")}, holding ${held}.`;
  return `This is a certs-only message (CMS, PKCS #7) of ${held}: nothing in it is signed by the message.`;
}

function contentFields({ eContentType, eContent, signerInfos }: SignedData): readonly ExplainedField[] {
  if (signerInfos.length === 0 && (eContent?.length ?? 0) === 0) return [];
  const size = eContent === undefined ? "detached: it is not in the file" : counted(eContent.length, "octet");
  return field("content", `${contentTypeText(eContentType)}, ${size}`);
}

function emptyFindings({ signerInfos, certificates, crls }: SignedData): readonly Finding[] {
  if (signerInfos.length + certificates.length + crls.length > 0) return [];
  return [warning("nothing-found", "The message holds no signer, no certificate and no CRL.")];
}

function explainSigner(
  signer: SignerInfo,
  signedData: SignedData,
): { readonly fields: readonly ExplainedField[]; readonly findings: readonly Finding[] } {
  const verdict = verdictOf(signer, signedData);
  const fields = field(
    "signer",
    identifierText(signer.sid),
    `with ${algorithmText(signer)}`,
    ...attributesText(signer),
    verdict instanceof CmsError ? `not verified: ${verdict.code}` : `verified with the certificate of ${verdict}`,
  );
  return { fields, findings: verdict instanceof CmsError ? [signerFinding(verdict)] : [] };
}

/** The name of the certificate that it verifies with, or why it does not. */
function verdictOf(signer: SignerInfo, signedData: SignedData): string | CmsError {
  try {
    const { signers } = verifySignedData({ ...signedData, signerInfos: [signer] });
    return signers.map(({ certificate }) => nameText(certificate.subject)).join(", ");
  } catch (refusal) {
    if (refusal instanceof CmsError) return refusal;
    throw refusal;
  }
}

function signerFinding({ code, message }: CmsError): Finding {
  switch (code) {
    case "unknown-signer":
      return warning(
        "no-signer-certificate",
        `${message} Whether the signature is good cannot be told from this file.`,
      );
    case "content-missing":
      return warning("no-signer-certificate", `${message} The signature can be checked only together with it.`);
    case "unsupported-algorithm":
    case "unsupported-key":
      return error(code, message);
    default:
      return error("bad-signature", message);
  }
}

function algorithmText({ digestAlgorithm, signatureAlgorithm }: SignerInfo): string {
  try {
    const digestName = digestNameOf(digestAlgorithm);
    const { name } = signatureAlgorithmOf(signatureIdentifierOf(signatureAlgorithm, digestName));
    return `${name}, digest ${digestName}`;
  } catch (refusal) {
    if (refusal instanceof HatcheryError) return "algorithms that are not supported";
    throw refusal;
  }
}

function attributesText({ signedAttrs }: SignerInfo): readonly string[] {
  if (signedAttrs === undefined) return ["no signed attributes"];
  const names = signedAttrs.attributes.map(({ type }) => attributeNames.get(type) ?? type);
  return [`signed attributes: ${names.join(", ")}`, ...signingTimeText(signedAttrs)];
}

function signingTimeText(signedAttrs: SignerInfo["signedAttrs"] & object): readonly string[] {
  try {
    const { signingTime } = signedStatementOf(signedAttrs);
    return signingTime === undefined ? [] : [`signed on ${dateText(signingTime)} by its own clock`];
  } catch (refusal) {
    // What is wrong with them is told by the verdict.
    if (refusal instanceof HatcheryError) return [];
    throw refusal;
  }
}

const attributeNames: ReadonlyMap<string, string> = new Map([
  ...Object.entries(cmsAttributes).map(([name, type]) => [type, name] as const),
  ["1.2.840.113549.1.9.15", "smimeCapabilities"],
  ["1.2.840.113549.1.9.52", "cmsAlgorithmProtection"],
  ["1.2.840.113549.1.9.16.2.12", "signingCertificate"],
  ["1.2.840.113549.1.9.16.2.47", "signingCertificateV2"],
]);

/** RFC 5652 3 and 5.1. */
const contentInfo = contentInfoShape("SignedData", [
  { name: "version", tags: [tags.integer] },
  { name: "digestAlgorithms", tags: [tags.set] },
  { name: "encapContentInfo", tags: [tags.sequence] },
  { name: "certificates", tags: [contextConstructed(0)], optional: true },
  { name: "crls", tags: [contextConstructed(1)], optional: true },
  { name: "signerInfos", tags: [tags.set] },
]);
