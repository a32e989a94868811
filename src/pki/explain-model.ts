/** What a file, or a part of it, is, in plain words. No text of it holds a control character, nor a private key. */
export interface Explanation {
  readonly kind: ExplanationKind;
  /** One sentence. */
  readonly summary: string;
  readonly fields: readonly ExplainedField[];
  readonly findings: readonly Finding[];
  /** The blocks of a file, or what a message carries. */
  readonly children: readonly Explanation[];
}

export type ExplanationKind =
  | "file" // of several blocks, or of none
  | "certificate"
  | "certification-request"
  | "certificate-list"
  | "certs-only"
  | "signed-data"
  | "enveloped-data"
  | "private-key"
  | "public-key"
  | "other"; // recognised, and not read here
export interface ExplainedField {
  readonly name: string;
  /** One at least. */
  readonly values: readonly string[];
}

/** Something that is wrong. */
export interface Finding {
  readonly code: FindingCode;
  /** `error`: it is refused here, and by any strict reader. `warning`: it is allowed, and makes trouble. */
  readonly severity: "error" | "warning";
  /** What is wrong and what to do, in one or two sentences. */
  readonly text: string;
  /** Octets from the start of the block, where the trouble is at one place. */
  readonly offset?: number;
}

export type FindingCode =
  // The form of the file and of the structures in it.
  | "nothing-found"
  | "not-read"
  | "damaged-block"
  | "malformed"
  | "not-der"
  | "trailing-bytes"
  | "truncated"
  // Keys and algorithms.
  | "private-key"
  | "malformed-key"
  | "weak-key"
  | "unsupported-key"
  | "unsupported-algorithm"
  | "bad-signature"
  // Dates.
  | "expired"
  | "not-yet-valid"
  | "validity-reversed"
  | "no-next-update"
  // Names and numbers.
  | "serial-number"
  | "guessable-serial-number"
  | "no-name"
  | "names-not-critical"
  | "common-name-not-in-names"
  | "string-type"
  | "no-device-serial-number"
  // Extensions and attributes.
  | "old-version"
  | "duplicate-extension"
  | "duplicate-attribute"
  | "malformed-extension"
  | "unknown-critical-extension"
  | "should-be-critical"
  | "no-basic-constraints"
  | "ca-without-key-cert-sign"
  | "key-cert-sign-without-ca"
  | "no-key-identifier"
  // Lists, messages and paths.
  | "partial-list"
  | "no-signer-certificate"
  | "not-authenticated"
  | "unsupported-recipient"
  | "no-path"
  | "revoked"
  | "crl-expired"
  | "revocation-unknown";

/** A field with one value or several; none when there is no value. */
export function field(name: string, ...values: readonly (string | undefined)[]): readonly ExplainedField[] {
  const known = values.filter((value) => value !== undefined && value !== "").map((value) => shown(value ?? ""));
  return known.length === 0 ? [] : [{ name, values: known }];
}

/** Something that is refused. */
export function error(code: FindingCode, text: string, offset?: number): Finding {
  return { code, severity: "error", text: shown(text), ...(offset === undefined ? {} : { offset }) };
}

/** Something that is allowed and makes trouble. */
export function warning(code: FindingCode, text: string): Finding {
  return { code, severity: "warning", text: shown(text) };
}

/** Whether anything in it, or in what it holds, is refused. */
export function hasError({ findings, children }: Explanation): boolean {
  return findings.some(({ severity }) => severity === "error") || children.some(hasError);
}

/** Text of strangers for people: what a terminal would obey or hide is written as its code point, and the end of long text left out. */
export function shown(text: string): string {
  const cut = text.length > longestText ? `${text.slice(0, longestText).toWellFormed()}…` : text;
  return cut.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

const longestText = 600;
