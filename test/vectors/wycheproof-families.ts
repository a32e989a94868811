import { signatureAlgorithms } from "../../src/crypto/algorithms.ts";
import {
  agreedByInfo,
  agreedByPoint,
  authenticated,
  type Judge,
  mac,
  padded,
  sideBySide,
  signature,
  type Verdict,
  wrapped,
} from "./wycheproof.ts";

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
const oneForm = "RFC 5480 2.2 makes support of compressed points optional, and one form is enough.";
const keys = {
  judge: agreedByInfo,
  notExpressible: 0,
  refusals: ["malformed-key", "unsupported-key", "other-curve"],
  choices: [
    {
      flag: "CompressedPoint",
      verdicts: ["unsupported-key"],
      reason: oneForm,
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
const points = {
  ...no,
  judge: agreedByPoint,
  choices: [
    {
      flag: "CompressedPoint",
      verdicts: ["refused"],
      reason: oneForm,
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
  aes_gcm: { ...no, judge: authenticated, valid: 53, invalid: 36, notExpressible: 122 },
  aes_cbc_pkcs5: { ...no, judge: padded, valid: 32, invalid: 64, notExpressible: 48 },
  aes_wrap: {
    ...no,
    judge: wrapped,
    valid: 24,
    acceptable: 1,
    invalid: 85,
    choices: [
      {
        flag: "ShortKey",
        verdicts: ["refused"],
        reason: "RFC 3394 2 wraps two blocks of 64 bits or more, and no key here is shorter than 128 bits.",
      },
    ],
  },
  ecdh_secp256r1: { ...keys, valid: 220, acceptable: 152, invalid: 36 },
  ecdh_secp384r1: { ...keys, valid: 514, acceptable: 154, invalid: 30 },
  ecdh_secp256r1_ecpoint: { ...points, valid: 220, acceptable: 1, invalid: 16 },
  ecdh_secp384r1_ecpoint: { ...points, valid: 514, acceptable: 1, invalid: 12 },
};

/** The files that are not run, and why. Who adds the function moves the file up. */
export const notUsedYet: { readonly [file: string]: string } = {
  aead_aes_siv_cmac: "nothing here encrypts with AES-SIV",
  aes_ccm: "nothing here encrypts with AES-CCM",
  aes_cmac: "nothing here is authenticated with AES-CMAC",
  aes_siv_cmac: "nothing here encrypts with AES-SIV",
  hkdf_sha256: "no key here is derived with HKDF",
  hkdf_sha384: "no key here is derived with HKDF",
  json_web_key: "no key here is read in JSON",
  json_web_signature: "no signature here is read in JSON",
  pbkdf2_hmacsha256: "passwords are hashed with scrypt",
  x25519: "key agreement is over the curves of certificates, P-256, P-384 and P-521",
};
