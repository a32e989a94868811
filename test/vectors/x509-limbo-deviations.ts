import type { Outcome, Profile } from "./x509-limbo.ts";

/**
 * Where we deviate from x509-limbo, and why: the only list. docs/decisions/0006-path-validation-and-x509-limbo.md explains
 * each reason.
 */
export interface Deviations {
  readonly reason: string;
  /** What we say; x509-limbo says the other. */
  readonly outcome: Outcome["kind"];
  readonly profiles: readonly Profile[];
  readonly cases: readonly string[];
}

const endEntities = ["tls", "idevid"] as const;

export const deviations: readonly Deviations[] = [
  {
    reason: "depth-of-the-caller",
    outcome: "accepted",
    profiles: endEntities,
    cases: ["pathlen::max-chain-depth-1-exhausted"],
  },
  {
    reason: "rule-for-issuers",
    outcome: "accepted",
    profiles: endEntities,
    cases: [
      "rfc5280::aki::leaf-missing-aki",
      "rfc5280::aki::cross-signed-root-missing-aki",
      "rfc5280::ski::intermediate-missing-ski",
      "rfc5280::san::noncritical-with-empty-subject",
      "rfc5280::ca-empty-subject",
      "rfc5280::root-non-critical-basic-constraints",
      "rfc5280::leaf-ku-keycertsign",
      "crl::crlnumber-missing",
    ],
  },
  {
    reason: "rule-of-the-web",
    outcome: "accepted",
    profiles: endEntities,
    cases: [
      "webpki::aki::root-with-aki-missing-keyidentifier",
      "webpki::aki::root-with-aki-authoritycertissuer",
      "webpki::aki::root-with-aki-all-fields",
      "webpki::aki::root-with-aki-ski-mismatch",
      "webpki::cn::ipv4-leading-zeros-mismatch",
      "webpki::cn::ipv6-uppercase-mismatch",
      "webpki::cn::ipv6-non-rfc5952-mismatch",
      "webpki::cn::punycode-not-in-san",
      "webpki::cn::not-in-san",
      "webpki::cn::case-mismatch",
      "webpki::eku::ee-critical-eku",
      "webpki::eku::ee-without-eku",
      "webpki::san::public-suffix-wildcard-san",
      "webpki::san::public-suffix-multi-label-wildcard-san",
      "webpki::san::san-critical-with-nonempty-subject",
      "webpki::forbidden-rsa-not-divisible-by-8-in-root",
      "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf",
      "webpki::ee-basicconstraints-ca",
    ],
  },
  {
    reason: "rule-of-the-web",
    outcome: "accepted",
    profiles: ["ca"],
    cases: ["webpki::ca-as-leaf"],
  },
  {
    reason: "rule-of-the-web",
    outcome: "accepted",
    profiles: ["voucher-signer"],
    cases: ["webpki::eku::ee-without-eku"],
  },
  {
    reason: "purposes-of-the-manufacturer",
    outcome: "accepted",
    profiles: ["idevid"],
    cases: ["rfc5280::eku::ee-wrong-eku"],
  },
  {
    reason: "key-that-may-not-sign",
    outcome: "refused",
    profiles: [...endEntities, "voucher-signer"],
    cases: ["pathlen::validation-ignores-pathlen-in-leaf"],
  },
];
