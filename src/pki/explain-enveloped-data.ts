import { hex } from "../core/bytes.ts";
import { HatcheryError } from "../core/errors.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { contentEncryptionOf } from "./cms-content-encryption.ts";
import { type EnvelopedData, parseEnvelopedData } from "./cms-enveloped-data.ts";
import { decodingCms } from "./cms-errors.ts";
import { keyAgreementOf, keyTransportSchemeOf, keyWrapLengthOf } from "./cms-key-encryption.ts";
import type { RecipientInfo } from "./cms-recipient-info.ts";
import { type ExplainedField, type Explanation, error, type Finding, field, warning } from "./explain-model.ts";
import { contentInfoShape, tolerated } from "./explain-shape.ts";
import { identifierText } from "./explain-signed-data.ts";
import { contentTypeText, counted } from "./explain-words.ts";

/** EnvelopedData or AuthEnvelopedData in words: for whom it is encrypted, and how. Of what is in it nothing can be told. */
export function explainEnvelopedData(bytes: Uint8Array): Explanation {
  const { value: data, findings } = tolerated(bytes, contentInfo, (message) => parseEnvelopedData(message));
  if (data === undefined) {
    const summary = "This looks like an encrypted CMS message, and cannot be read as one.";
    return { kind: "enveloped-data", summary, fields: [], findings, children: [] };
  }
  const recipients = data.recipientInfos.map(explainRecipient);
  const algorithm = contentAlgorithm(data);
  return {
    kind: "enveloped-data",
    summary: `This is an encrypted message (CMS ${data.kind}) for ${counted(data.recipientInfos.length, "recipient")}.`,
    fields: [
      ...field(
        "content",
        `${contentTypeText(data.contentType)}, ${counted(data.encryptedContent.length, "octet")} encrypted`,
      ),
      ...algorithm.fields,
      ...recipients.flatMap(({ fields }) => fields),
    ],
    findings: [
      ...findings,
      ...algorithm.findings,
      ...recipients.flatMap((recipient) => recipient.findings),
      ...unauthenticated(data),
    ],
    children: [],
  };
}

interface Part {
  readonly fields: readonly ExplainedField[];
  readonly findings: readonly Finding[];
}

function contentAlgorithm({ contentEncryptionAlgorithm }: EnvelopedData): Part {
  try {
    const { name, tagLength } = decodingCms(() => contentEncryptionOf(contentEncryptionAlgorithm));
    const tag = tagLength === 0 ? "" : `, with a tag of ${tagLength} octets`;
    return { fields: field("encryption", `${name}${tag}`), findings: [] };
  } catch (refusal) {
    if (!(refusal instanceof HatcheryError)) throw refusal;
    return { fields: [], findings: [error("unsupported-algorithm", refusal.message)] };
  }
}

function explainRecipient(info: RecipientInfo): Part {
  try {
    return {
      fields: field(
        "recipient",
        recipientText(info),
        decodingCms(() => keyText(info)),
      ),
      findings: [],
    };
  } catch (refusal) {
    if (!(refusal instanceof HatcheryError)) throw refusal;
    return {
      fields: field("recipient", recipientText(info)),
      findings: [warning("unsupported-recipient", `A recipient cannot decrypt the message here: ${refusal.message}`)],
    };
  }
}

function recipientText(info: RecipientInfo): string {
  if (info.kind === "keyEncryptionKey") return `who has the symmetric key ${hex(info.keyIdentifier)}`;
  return `who has the key of ${identifierText(info.rid)}`;
}

function keyText(info: RecipientInfo): string {
  const { keyEncryptionAlgorithm } = info;
  switch (info.kind) {
    case "keyTransport": {
      const scheme = keyTransportSchemeOf(keyEncryptionAlgorithm);
      return `by ${scheme.kind}${scheme.kind === "RSAES-OAEP" ? ` with ${scheme.hash}` : ""}`;
    }
    case "keyAgreement": {
      const { digestName, keyWrap } = keyAgreementOf(keyEncryptionAlgorithm);
      return `by ECDH with ${digestName} and AES-${keyWrapLengthOf(keyWrap) * 8} key wrap`;
    }
    case "keyEncryptionKey":
      return `by AES-${keyWrapLengthOf(keyEncryptionAlgorithm) * 8} key wrap`;
  }
}

function unauthenticated({ kind }: EnvelopedData): readonly Finding[] {
  if (kind === "AuthEnvelopedData") return [];
  return [
    warning(
      "not-authenticated",
      "Nobody would notice a change on the way: sign what is in it, or use AuthEnvelopedData.",
    ),
  ];
}

/** RFC 5652 3 and 6.1, RFC 5083 2.1. */
const contentInfo = contentInfoShape("EnvelopedData", [
  { name: "version", tags: [tags.integer] },
  { name: "originatorInfo", tags: [contextConstructed(0)], optional: true },
  { name: "recipientInfos", tags: [tags.set] },
  { name: "encryptedContentInfo", tags: [tags.sequence] },
  { name: "attributes", tags: [contextConstructed(1)], optional: true },
  { name: "mac", tags: [tags.octetString], optional: true },
  { name: "unauthAttrs", tags: [contextConstructed(2)], optional: true },
]);
