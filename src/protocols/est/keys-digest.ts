import { hex, utf8 } from "../../core/bytes.ts";
import { md5 } from "../../crypto/digest.ts";
import { equalSecret, sha256 } from "../../crypto/mac.ts";
import type { DigestAlgorithm, DigestInput } from "./messages.ts";

/**
 * H(A1) of RFC 7616 3.4.2: whoever has it can answer challenges of this realm as well as with the password. The password is
 * taken in NFC, as RFC 7616 4 wants it of a client that was told `charset=UTF-8`.
 */
export function digestSecret(algorithm: DigestAlgorithm, user: string, realm: string, password: string): Uint8Array {
  return hashes[algorithm](utf8(`${user}:${realm}:${password.normalize("NFC")}`));
}

/** The response of RFC 7616 3.4.1 with qop `auth`, in lower-case hex. */
export function digestResponse(secret: Uint8Array, input: DigestInput): string {
  const { algorithm, method, uri, nonce, nc, cnonce } = input;
  const hashed = (text: string) => hex(hashes[algorithm](utf8(text)));
  return hashed(`${hex(secret)}:${nonce}:${nc}:${cnonce}:auth:${hashed(`${method}:${uri}`)}`);
}

/** Whether `response` is the one of `secret`, in a time that does not depend on where they differ. */
export function verifyDigestResponse(secret: Uint8Array, input: DigestInput, response: string): boolean {
  return equalSecret(utf8(digestResponse(secret, input)), utf8(response.toLowerCase()));
}

const hashes: { readonly [algorithm in DigestAlgorithm]: (data: Uint8Array) => Uint8Array } = {
  "SHA-256": sha256,
  MD5: md5,
};
