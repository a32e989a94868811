import { HatcheryError } from "../../src/core/errors.ts";
import { decodePem } from "../../src/encoding/pem.ts";
import { type Certificate, parseCertificate } from "../../src/pki/certificate.ts";
import { PathError, PkiError } from "../../src/pki/errors.ts";
import { validatePath } from "../../src/pki/path.ts";
import { basicConstraintsOf } from "../../src/pki/standard-extensions.ts";

/** A case of x509-limbo, as far as it is read here. */
export interface LimboCase {
  readonly id: string;
  readonly validation_kind: "SERVER" | "CLIENT";
  readonly trusted_certs: readonly string[];
  readonly untrusted_intermediates: readonly string[];
  readonly peer_certificate: string;
  readonly validation_time: string | null;
  readonly extended_key_usage: readonly string[];
  readonly expected_result: "SUCCESS" | "FAILURE";
}

/** Our purposes; `tls` is tls-server or tls-client, as the case says. */
export const profiles = ["tls", "idevid", "ca"] as const;
export type Profile = (typeof profiles)[number];

export type Outcome =
  | { readonly kind: "accepted"; readonly signaturesVerified: number }
  /** The code of the error, of a certificate that does not parse as well. */
  | { readonly kind: "refused"; readonly code: string };

/** What we say to a case. Errors that are not those of the rooms that were asked are thrown on. */
export function outcomeOf(limbo: LimboCase, profile: Profile): Outcome {
  try {
    const { signaturesVerified } = validatePath({
      chain: [limbo.peer_certificate, ...limbo.untrusted_intermediates].map(parsed),
      anchors: limbo.trusted_certs.map(parsed),
      at: limbo.validation_time === null ? today : Date.parse(limbo.validation_time),
      profile: profile === "tls" ? tlsPurposeOf(limbo) : profile,
    });
    return { kind: "accepted", signaturesVerified };
  } catch (error) {
    if (error instanceof PathError || error instanceof PkiError) return { kind: "refused", code: error.code };
    throw error;
  }
}

/**
 * What x509-limbo says to a case. It knows no purpose like `authority`; for that what is no CA is to be refused, and its
 * word stands for all others.
 */
export function expectedOf(limbo: LimboCase, profile: Profile): Outcome["kind"] {
  if (profile === "ca" && !isAuthority(limbo)) return "refused";
  return limbo.expected_result === "SUCCESS" ? "accepted" : "refused";
}

/** The purpose of TLS that a case is about. */
export function tlsPurposeOf({ validation_kind }: LimboCase): "tls-server" | "tls-client" {
  return validation_kind === "SERVER" ? "tls-server" : "tls-client";
}

function isAuthority({ peer_certificate }: LimboCase): boolean {
  try {
    return basicConstraintsOf(parsed(peer_certificate).extensions)?.cA === true;
  } catch (error) {
    if (error instanceof HatcheryError) return false;
    throw error;
  }
}

function parsed(pem: string): Certificate {
  const [block] = decodePem(pem);
  return parseCertificate(block?.bytes ?? new Uint8Array());
}

/** For the cases whose time is now: a day on which all certificates that are to be valid are. */
const today = Date.UTC(2026, 0, 1);
