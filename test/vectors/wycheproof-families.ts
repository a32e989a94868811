import { signatureAlgorithms } from "../../src/crypto/algorithms.ts";
import { importedKey, type Judge, mac, sealed, sideBySide, signature, type Verdict } from "./wycheproof.ts";

/** A file of Wycheproof, who judges its cases, and what must come of them. */
export interface Family {
  readonly judge: Judge;
  /** How many cases are put to our function, and how many it cannot be asked about; pinned, so that none gets lost. */
  readonly valid: number;
  readonly acceptable: number;
  readonly invalid: number;
  readonly notExpressible: number;
  /** What an invalid case may come to. */
  readonly refusals: readonly Verdict[];
  /** What acceptable cases must come to, by the first of these flags that they carry. */
  readonly choices: readonly Choice[];
}

export interface Choice {
  readonly flag: string;
  readonly verdicts: readonly Verdict[];
  readonly reason: string;
}

const no = { acceptable: 0, notExpressible: 0, refusals: ["refused"], choices: [] } as const;
const keys = {
  judge: importedKey,
  notExpressible: 0,
  refusals: ["malformed-key", "unsupported-key", "other-curve"],
  choices: [
    {
      flag: "CompressedPoint",
      verdicts: ["unsupported-key"],
      reason: "RFC 5480 2.2 makes support of compressed points optional, and one form is enough.",
    },
    {
      flag: "UnnamedCurve",
      verdicts: ["unsupported-key"],
      reason: "RFC 5480 2.1.1 allows namedCurve alone: whoever writes out a curve may choose its generator.",
    },
    {
      flag: "InvalidAsn",
      verdicts: ["malformed-key", "unsupported-key"],
      reason: "A key of a curve has one encoding in DER, and this is another, or names another curve.",
    },
  ],
} as const;

/** The files that are run, by name. */
export const families: { readonly [file: string]: Family } = {
  ecdsa_secp256r1_sha256: { ...no, judge: signature(signatureAlgorithms.ecdsaWithSha256), valid: 118, invalid: 205 },
  ecdsa_secp256r1_sha512: { ...no, judge: signature(signatureAlgorithms.ecdsaWithSha512), valid: 163, invalid: 207 },
  ecdsa_secp384r1_sha384: { ...no, judge: signature(signatureAlgorithms.ecdsaWithSha384), valid: 129, invalid: 207 },
  ecdsa_secp256r1_sha256_p1363: {
    ...no,
    judge: sideBySide(signatureAlgorithms.ecdsaWithSha256, 32),
    valid: 114,
    invalid: 48,
    notExpressible: 13,
  },
  ecdsa_secp384r1_sha384_p1363: {
    ...no,
    judge: sideBySide(signatureAlgorithms.ecdsaWithSha384, 48),
    valid: 127,
    invalid: 48,
    notExpressible: 12,
  },
  ecdsa_secp521r1_sha512_p1363: {
    ...no,
    judge: sideBySide(signatureAlgorithms.ecdsaWithSha512, 66),
    valid: 155,
    invalid: 49,
    notExpressible: 8,
  },
  ed25519: { ...no, judge: signature(signatureAlgorithms.ed25519), valid: 58, invalid: 43 },
  rsa_signature_2048_sha256: {
    ...no,
    judge: signature(signatureAlgorithms.sha256WithRsa),
    valid: 6,
    acceptable: 1,
    invalid: 166,
    choices: [
      {
        flag: "MissingNull",
        verdicts: ["refused"],
        reason: "RFC 8017 9.2 lets verifiers take a DigestInfo without NULL as well; none that we know is made so.",
      },
    ],
  },
  rsa_pss_2048_sha256_mgf1_32: { ...no, judge: signature(signatureAlgorithms.pssWithSha256), valid: 43, invalid: 29 },
  hmac_sha256: { ...no, judge: mac, valid: 44, invalid: 72 },
  aes_gcm: { ...no, judge: sealed, valid: 26, invalid: 18, notExpressible: 167, refusals: ["seal-broken"] },
  ecdh_secp256r1: { ...keys, valid: 220, acceptable: 152, invalid: 36 },
  ecdh_secp384r1: { ...keys, valid: 514, acceptable: 154, invalid: 30 },
};

/** Files of primitives that `src/crypto` has no function for. Who adds the function moves the file up. */
export const notUsedYet: readonly string[] = [
  "aead_aes_siv_cmac",
  "aes_cbc_pkcs5",
  "aes_ccm",
  "aes_cmac",
  "aes_siv_cmac",
  "aes_wrap",
  "ecdh_secp256r1_ecpoint",
  "ecdh_secp384r1_ecpoint",
  "hkdf_sha256",
  "hkdf_sha384",
  "json_web_key",
  "json_web_signature",
  "pbkdf2_hmacsha256",
  "x25519",
];
