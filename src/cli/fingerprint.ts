import { equal, fromHex, hex } from "../core/bytes.ts";
import { CliError } from "./errors.ts";

/** A fingerprint as people compare it: the digest's name and pairs of hexadecimal digits, as `openssl x509 -fingerprint` has them. */
export function formatFingerprint(digest: "SHA256" | "SHA512", value: Uint8Array): string {
  return `${digest}:${(hex(value).toUpperCase().match(/../g) ?? []).join(":")}`;
}

/** The digest in `SHA256:AB:CD...` or `SHA512:...`, with or without colons; throws `usage`. */
export function parseFingerprint(text: string): Uint8Array {
  const fingerprint = fingerprintIn(text);
  if (fingerprint !== undefined) return fingerprint;
  throw new CliError(
    "usage",
    "a fingerprint is SHA256: and 64 hexadecimal digits, or SHA512: and 128; there: openssl x509 -in ca.pem -noout -fingerprint -sha256",
  );
}

/** Whether an answer to the question for a fingerprint is a yes: the word, or one of the fingerprints itself. */
export function confirms(answer: string, fingerprints: readonly Uint8Array[]): boolean {
  if (answer.trim().toLowerCase() === "yes") return true;
  const given = fingerprintIn(answer);
  return given !== undefined && fingerprints.some((each) => equal(each, given));
}

function fingerprintIn(text: string): Uint8Array | undefined {
  const match = /^(?:sha-?(256|512)(?: fingerprint)?[:= ])?([0-9a-f: ]+)$/i.exec(text.trim());
  const bytes = fromHex((match?.[2] ?? "").replace(/[: ]/g, "").toLowerCase());
  const length = bytes?.length;
  if (length !== 32 && length !== 64) return undefined;
  return match?.[1] === undefined || Number(match[1]) === length * 8 ? bytes : undefined;
}
