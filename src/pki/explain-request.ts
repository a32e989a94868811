import { CryptoError } from "../crypto/errors.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { type CertificationRequest, parseCertificationRequest, verifyProofOfPossession } from "./csr.ts";
import { explainExtensions, readable } from "./explain-extensions.ts";
import { explainPublicKey } from "./explain-key.ts";
import { type ExplainedField, type Explanation, error, type Finding, field, warning } from "./explain-model.ts";
import { nameFindings } from "./explain-name.ts";
import { type Shape, tolerated } from "./explain-shape.ts";
import { nameText, signatureAlgorithmText } from "./explain-words.ts";
import { isEmptyName, parseName } from "./name.ts";
import { extensionTypes, requestAttributes } from "./oids.ts";

/** A certification request in words. It tells that there is a challengePassword, and never which. */
export function explainRequest(bytes: Uint8Array): Explanation {
  const { value: request, parts, findings } = tolerated(bytes, requestShape, parseCertificationRequest);
  if (request === undefined) {
    const summary = "This looks like a certification request, and cannot be read as one.";
    return { kind: "certification-request", summary, fields: partFields(parts), findings, children: [] };
  }
  const key = explainPublicKey(request.subjectPublicKeyInfo);
  const inWords = explainExtensions(request.extensionRequest);
  const proof = proofOfPossession(request);
  return {
    kind: "certification-request",
    summary: `This is a certification request, ${proof.summary}.`,
    fields: [
      ...field("subject", nameText(request.subject)),
      ...key.fields,
      ...field("signature", signatureAlgorithmText(request.signatureAlgorithm)),
      ...inWords.fields,
      ...field(
        "challenge",
        request.challengePassword === undefined ? undefined : "a challengePassword, not shown here",
      ),
      ...field("others", ...otherAttributes(request)),
    ],
    findings: [
      ...findings,
      ...key.findings,
      ...proof.findings,
      ...inWords.findings,
      ...nameFindings(request.subject, "subject"),
      ...namelessFindings(request),
    ],
    children: [],
  };
}

function proofOfPossession(request: CertificationRequest): {
  readonly summary: string;
  readonly findings: readonly Finding[];
} {
  try {
    if (verifyProofOfPossession(request)) return { summary: "signed by the key in it", findings: [] };
    return {
      summary: "not signed by the key in it",
      findings: [
        error(
          "bad-signature",
          "The signature is not by the key in the request: it was changed after it was signed, or signed with another key.",
        ),
      ],
    };
  } catch (refusal) {
    if (!(refusal instanceof CryptoError)) throw refusal;
    const summary = "whose signature cannot be checked here";
    // Of its key it is complained elsewhere.
    if (refusal.code !== "unsupported-algorithm") return { summary, findings: [] };
    return { summary, findings: [error("unsupported-algorithm", refusal.message)] };
  }
}

function otherAttributes({ attributes }: CertificationRequest): readonly string[] {
  const explained: readonly string[] = Object.values(requestAttributes);
  return attributes.map(({ type }) => type).filter((type) => !explained.includes(type));
}

function namelessFindings({ subject, extensionRequest }: CertificationRequest): readonly Finding[] {
  const hasNames = extensionRequest.some(({ type }) => type === extensionTypes.subjectAltName);
  if (!isEmptyName(subject) || hasNames) return [];
  return [warning("no-name", "The request names nobody: the CA has to know from elsewhere whom it is for.")];
}

function partFields(parts: ReadonlyMap<string, Uint8Array>): readonly ExplainedField[] {
  const subject = parts.get("subject");
  const key = parts.get("subjectPublicKeyInfo");
  return [
    ...field("subject", subject === undefined ? undefined : readable(() => nameText(parseName(subject)))),
    ...(key === undefined ? [] : explainPublicKey(key).fields),
  ];
}

/** RFC 2986 4. */
const requestShape: Shape = {
  name: "a certification request",
  tags: [tags.sequence],
  content: [
    {
      name: "certificationRequestInfo",
      tags: [tags.sequence],
      content: [
        { name: "version", tags: [tags.integer] },
        { name: "subject", tags: [tags.sequence] },
        { name: "subjectPublicKeyInfo", tags: [tags.sequence] },
        { name: "attributes", tags: [contextConstructed(0)], optional: true },
      ],
    },
    { name: "signatureAlgorithm", tags: [tags.sequence] },
    { name: "signature", tags: [tags.bitString] },
  ],
};
