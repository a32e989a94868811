import type { PathErrorCode } from "../../src/pki/errors.ts";
import type { defects, defectsOfAuthorities } from "./chains.ts";

/** What the three judges say of a defect. */
export interface Verdicts {
  /** Of validatePath. */
  readonly ours: "valid" | PathErrorCode;
  /** Why `openssl verify` says the opposite. */
  readonly openssl?: string;
  /** Why PKI.js says the opposite. */
  readonly pkijs?: string;
}

const noPurposes = "PKI.js asks for no purpose and no keyUsage of the leaf.";
const noLengths = "PKI.js does not process pathLenConstraint (RFC 5280 6.1.4 (l), (m)).";

/** Only these are deviations; everywhere else all three agree. */
export const verdicts: Readonly<Record<keyof typeof defects | keyof typeof defectsOfAuthorities, Verdicts>> = {
  "nothing wrong": { ours: "valid" },
  "leaf expired": { ours: "expired" },
  "leaf expires in this second": {
    ours: "valid",
    openssl: "RFC 5280 4.1.2.5 has notAfter included; OpenSSL refuses from its second on.",
  },
  "leaf expired a second ago": { ours: "expired" },
  "leaf not valid yet": { ours: "not-yet-valid" },
  "leaf valid from this second on": { ours: "valid" },
  "leaf without end": { ours: "valid" },
  "root expired": { ours: "expired" },
  "leaf for clients only": { ours: "key-usage", pkijs: noPurposes },
  "leaf for any purpose": {
    ours: "valid",
    openssl: "RFC 5280 4.2.1.12 lets anyExtendedKeyUsage stand for all; OpenSSL does not for its sslserver.",
  },
  "leaf without extKeyUsage": { ours: "valid" },
  "leaf's key only agrees": {
    ours: "key-usage",
    openssl: "OpenSSL thinks of the static key agreement of TLS 1.2, which nothing here offers.",
    pkijs: noPurposes,
  },
  "leaf signed by another key": { ours: "bad-signature" },
  "leaf names another issuer": { ours: "no-path" },
  "leaf with an unknown critical extension": {
    ours: "critical-extension",
    pkijs: "PKI.js looks for critical extensions in CAs only.",
  },
  "leaf with an unknown extension": { ours: "valid" },
  "root without keyCertSign": { ours: "key-usage" },
  "root permits the leaf's name": { ours: "valid" },
  "root permits other names": {
    ours: "name-not-permitted",
    pkijs: "RFC 5280 6.1 leaves the constraints of anchors open; PKI.js does not process them, and we and OpenSSL do.",
  },
  "CA expired": { ours: "expired" },
  "CA is none": { ours: "not-a-ca" },
  "CA without basicConstraints": { ours: "not-a-ca" },
  "CA without keyCertSign": { ours: "key-usage" },
  "CA without keyUsage": {
    ours: "valid",
    openssl: "RFC 5280 6.1.4 (n) asks for keyCertSign where there is a keyUsage; -x509_strict wants one there.",
  },
  "CA for clients only": { ours: "key-usage", pkijs: noPurposes },
  "CA for servers": { ours: "valid" },
  "CA signed by another key": { ours: "bad-signature" },
  "root allows no CA below": { ours: "path-too-long", pkijs: noLengths },
  "root allows two CAs below": { ours: "valid" },
  "CA allows no CA below": { ours: "valid" },
  "CA permits other names": { ours: "name-not-permitted" },
  "CA excludes the leaf's name": { ours: "name-not-permitted" },
};
