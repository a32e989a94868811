import { equal } from "../core/bytes.ts";
import { CryptoError } from "../crypto/errors.ts";
import { privateKeyFromDer, signerOf } from "../crypto/keys.ts";
import type { Certificate } from "./certificate.ts";
import { explainCertificate } from "./explain-certificate.ts";
import { explainChain, explainPath, type Trust } from "./explain-chain.ts";
import { explainEnvelopedData } from "./explain-enveloped-data.ts";
import { derFaults } from "./explain-faults.ts";
import { type Block, blocksIn } from "./explain-input.ts";
import { explainEncryptedKey, explainPrivateKey, explainPublicKeyFile } from "./explain-key.ts";
import { explainList } from "./explain-list.ts";
import { type ExplainedField, type Explanation, error, type Finding, field, shown } from "./explain-model.ts";
import { explainRequest } from "./explain-request.ts";
import { type Explained, explainSignedData } from "./explain-signed-data.ts";
import { type Structure, structureOf } from "./explain-structure.ts";
import { counted } from "./explain-words.ts";

export { type Explanation, hasError } from "./explain-model.ts";

export interface ExplainOptions {
  /** Milliseconds since 1970-01-01 UTC: the day that dates are judged by. */
  readonly at: number;
  /** What certificates are held against; without it no path is looked for. */
  readonly trust?: Trust;
}

/**
 * Says in plain words what a file is and what is wrong with it: certificates, certification requests, CRLs, CMS messages and
 * keys, in DER, BER, PEM or bare base64. It throws nothing for any bytes, and shows nothing of a private key. Its time grows
 * with the file, which the caller bounds.
 */
export function explain(file: Uint8Array, { at, trust = untrusting }: ExplainOptions): Explanation {
  const parts = blocksIn(file).map((block) => ({ block, ...explainBlock(block, at) }));
  const [only, second] = parts;
  const certificates = parts.flatMap((part) => part.certificates);
  const chain = explainChain(certificates);
  const path = explainPath(
    certificates,
    { ...trust, lists: [...trust.lists, ...parts.flatMap(({ lists }) => lists)] },
    at,
  );
  const together = {
    fields: [...chain.fields, ...keyOwners(parts), ...path.fields],
    findings: [...chain.findings, ...path.findings],
  };
  if (only === undefined) return nothingFound(file);
  if (second === undefined) {
    const { explanation } = only;
    return {
      ...explanation,
      fields: [...explanation.fields, ...together.fields],
      findings: [...explanation.findings, ...together.findings],
    };
  }
  const children = parts.map(({ explanation }) => explanation);
  return { kind: "file", summary: `This file holds ${counted(parts.length, "block")}.`, ...together, children };
}

/** The certificates and complete CRLs of a file that can be read: what a caller may trust. Throws nothing. */
export function trustIn(file: Uint8Array): Trust {
  const parts = blocksIn(file).map((block) => explainBlock(block, 0));
  return {
    anchors: parts.flatMap(({ certificates }) => certificates),
    lists: parts.flatMap(({ lists }) => lists),
  };
}

function explainBlock(block: Block, at: number): Explained {
  if (block.kind === "unread") return alone(explainUnread(block));
  const structure = structureOf(block.bytes);
  switch (structure) {
    case "certificate": {
      const { explanation, certificate } = explainCertificate(block.bytes, at);
      return { explanation, certificates: certificate === undefined ? [] : [certificate], lists: [] };
    }
    case "certificate-list": {
      const { explanation, list } = explainList(block.bytes, at);
      return { explanation, certificates: [], lists: list === undefined ? [] : [list] };
    }
    case "signed-data":
      return explainSignedData(block.bytes, at);
    case "certification-request":
      return alone(explainRequest(block.bytes));
    case "enveloped-data":
      return alone(explainEnvelopedData(block.bytes));
    case "private-key":
      return alone(explainPrivateKey(block.bytes));
    case "encrypted-private-key":
      return alone(explainEncryptedKey());
    case "public-key":
      return alone(explainPublicKeyFile(block.bytes));
    default:
      return alone(notRead(otherStructures[structure], structure === "unknown" ? derFaults(block.bytes) : []));
  }
}

function alone(explanation: Explanation): Explained {
  return { explanation, certificates: [], lists: [] };
}

function explainUnread({ reason, label }: Block & { readonly kind: "unread" }): Explanation {
  switch (reason) {
    case "encrypted-key":
      return explainEncryptedKey();
    case "openssh-key":
      return { ...notRead(unreadKey), kind: "private-key" };
    case "ssh":
      return notRead("This is an SSH key: convert it with ssh-keygen -e -m PKCS8.");
    case "pgp":
      return notRead("This is a PGP message or key, which has nothing to do with X.509.");
    case "unknown-label":
      return notRead(`This is a PEM block ${shown(label)}, whose content is not known here.`);
    case "damaged": {
      const text = `The PEM block ${label} has no END line of its own, or holds something else than base64: copy it again.`;
      const findings = [error("damaged-block", text)];
      return {
        kind: "other",
        summary: `This is a broken PEM block ${shown(label)}.`,
        fields: [],
        findings,
        children: [],
      };
    }
  }
}

/** Something that is recognised, or not even that, and is not explained further. */
function notRead(summary: string, findings: readonly Finding[] = []): Explanation {
  const finding = error("not-read", "This program does not read such files.");
  return { kind: "other", summary, fields: [], findings: findings.length > 0 ? findings : [finding], children: [] };
}

function nothingFound(file: Uint8Array): Explanation {
  const text =
    file.length === 0
      ? "The file is empty."
      : "It is neither DER, which begins with the octet 30, nor PEM, nor base64: look where it comes from.";
  return {
    kind: "other",
    summary: `This is nothing that is known here, of ${counted(file.length, "octet")}.`,
    fields: [],
    findings: [error("nothing-found", text)],
    children: [],
  };
}

/** Which private key of a file belongs to which certificate. */
function keyOwners(parts: readonly (Explained & { readonly block: Block })[]): readonly ExplainedField[] {
  const certificates: readonly Certificate[] = parts.flatMap((part) => part.certificates);
  const lines = parts.flatMap(({ block, explanation }, index) => {
    const key = explanation.kind === "private-key" && block.kind === "der" ? publicHalf(block.bytes) : undefined;
    if (key === undefined || certificates.length === 0) return [];
    const owner = certificates.findIndex(({ subjectPublicKeyInfo }) => equal(subjectPublicKeyInfo, key));
    return [
      owner === -1
        ? `the private key in block ${index + 1} belongs to no certificate here`
        : `the private key in block ${index + 1} belongs to certificate ${owner + 1}`,
    ];
  });
  return field("keys", ...lines);
}

function publicHalf(privateKey: Uint8Array): Uint8Array | undefined {
  try {
    return signerOf(privateKeyFromDer(privateKey)).publicKey;
  } catch (refusal) {
    if (refusal instanceof CryptoError) return undefined;
    throw refusal;
  }
}

const untrusting: Trust = { anchors: [], lists: [] };

const unreadKey =
  "This is a private key in the format of OpenSSH: keep it secret. Convert it with ssh-keygen -p -m PKCS8.";

type OtherStructure = Extract<Structure, "other-cms" | "pkcs12" | "ocsp-request" | "ocsp-response" | "unknown">;

const otherStructures: Readonly<Record<OtherStructure, string>> = {
  "other-cms": "This is a CMS message of a type that is not read here.",
  pkcs12: "This is a PKCS #12 file, keys and certificates under a password: take it apart with openssl pkcs12.",
  "ocsp-request": "This is an OCSP request: look into it with openssl ocsp -reqin FILE -req_text.",
  "ocsp-response": "This is an OCSP response: look into it with openssl ocsp -respin FILE -resp_text.",
  unknown: "This is an ASN.1 structure that is not known here.",
};
