import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex } from "../../src/core/bytes.ts";
import { type Certificate, parseCertificate } from "../../src/pki/certificate.ts";
import { PathError } from "../../src/pki/errors.ts";
import { validatePath } from "../../src/pki/path.ts";
import type { Profile } from "../../src/pki/path-profiles.ts";
import { readVectors, vectorsPresent } from "./folder.ts";

/** The certificates of draft-ietf-anima-constrained-voucher: a manufacturer, its MASA, a pledge, and an owner with a registrar. */
interface Examples {
  readonly vectors: readonly { readonly id: string; readonly certs_hex?: Readonly<Record<string, string>> }[];
}

if (vectorsPresent) {
  const { vectors } = readVectors<Examples>("brski.json");
  const examples = vectors.find(({ id }) => id === "cbrski-keys")?.certs_hex ?? {};
  const certificateOf = (name: string) => parseCertificate(fromHex(examples[name] ?? "") ?? new Uint8Array());
  const [pledge, registrar, owner, masa, manufacturer] = ["pledge", "registrar", "domain_ca", "masa", "masa_ca"].map(
    certificateOf,
  ) as [Certificate, Certificate, Certificate, Certificate, Certificate];

  const outcome = (certificate: Certificate, anchor: Certificate, profile: Profile, at: number | undefined) => {
    try {
      return validatePath({ chain: [certificate], anchors: [anchor], at, profile }).path.length;
    } catch (error) {
      assert.ok(error instanceof PathError);
      return error.code;
    }
  };

  test("ok/the pledge has an IDevID, with a clock in any year and without one", () => {
    assert.equal(outcome(pledge, manufacturer, "idevid", undefined), 1);
    assert.equal(outcome(pledge, manufacturer, "idevid", Date.UTC(2026, 0, 1)), 1);
    // The IDevID has no end, but its issuer has one.
    assert.equal(outcome(pledge, manufacturer, "idevid", Date.UTC(2040, 0, 1)), "expired");
    assert.equal(outcome(pledge, owner, "idevid", undefined), "no-path");
  });

  test("ok/the registrar is both ends of TLS", () => {
    const at = Date.UTC(2024, 0, 1);
    assert.equal(outcome(registrar, owner, "tls-server", at), 1);
    assert.equal(outcome(registrar, owner, "tls-client", at), 1);
    assert.equal(outcome(registrar, owner, "voucher-signer", at), "key-usage");
  });

  test("ok/the manufacturer's anchor signs vouchers itself, the MASA's certificate is for TLS alone", () => {
    const at = Date.UTC(2027, 0, 1);
    assert.equal(outcome(manufacturer, manufacturer, "voucher-signer", at), 1);
    assert.equal(outcome(masa, manufacturer, "tls-server", at), 1);
    assert.equal(outcome(masa, manufacturer, "voucher-signer", at), "key-usage");
  });
}
