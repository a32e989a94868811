import { HatcheryError } from "../../src/core/errors.ts";
import { decodePem } from "../../src/encoding/pem.ts";
import { type Certificate, parseCertificate } from "../../src/pki/certificate.ts";
import { type CertificateList, parseCertificateList } from "../../src/pki/crl.ts";
import { CrlError } from "../../src/pki/crl-errors.ts";
import { PathError, PkiError } from "../../src/pki/errors.ts";
import type { Extension } from "../../src/pki/extensions.ts";
import { matchesHostName } from "../../src/pki/host-name.ts";
import { validatePath } from "../../src/pki/path.ts";
import { basicConstraintsOf, extKeyUsageOf } from "../../src/pki/standard-extensions.ts";

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
  /** The name that a client asks for: a DNS name or an IP address, or another form. */
  readonly expected_peer_name: { readonly kind: string; readonly value: string } | null;
  readonly crls: readonly string[];
}

/** Our profiles; `tls` is tls-server or tls-client, as the case says. */
export const profiles = ["tls", "idevid", "ca", "voucher-signer"] as const;
export type Profile = (typeof profiles)[number];

export type Outcome =
  | { readonly kind: "accepted"; readonly signaturesVerified: number }
  /** The code of the error, of a certificate or list that does not parse as well, or `other-name`. */
  | { readonly kind: "refused"; readonly code: string };

/**
 * What we say to a case: whether there is a path, with a list for each of its certificates when the case has any, and whether
 * a server has the name that is asked for. Errors that are not those of the rooms that were asked are thrown on.
 */
export function outcomeOf(limbo: LimboCase, profile: Profile): Outcome {
  try {
    const leaf = parsed(limbo.peer_certificate);
    const { signaturesVerified } = validatePath({
      chain: [leaf, ...limbo.untrusted_intermediates.map(parsed)],
      anchors: limbo.trusted_certs.map(parsed),
      at: limbo.validation_time === null ? today : Date.parse(limbo.validation_time),
      profile: profile === "tls" ? tlsProfileOf(limbo) : profile,
      ...(limbo.crls.length > 0 ? { revocation: { lists: limbo.crls.map(parsedList), policy: "require" } } : {}),
    });
    const name = limbo.expected_peer_name;
    if (name !== null && !matchesHostName(leaf, name.value)) return { kind: "refused", code: "other-name" };
    return { kind: "accepted", signaturesVerified };
  } catch (error) {
    if (error instanceof PathError || error instanceof PkiError || error instanceof CrlError)
      return { kind: "refused", code: error.code };
    throw error;
  }
}

/**
 * What x509-limbo says to a case. It knows no profiles like `ca` and `voucher-signer`: for the one, what is no CA is to be
 * refused, for the other, what is for purposes of its own, as nearly all of its certificates are. Its word stands for all others.
 */
export function expectedOf(limbo: LimboCase, profile: Profile): Outcome["kind"] {
  if (profile === "ca" && !holdsOfPeer(limbo, (extensions) => basicConstraintsOf(extensions)?.cA === true))
    return "refused";
  if (profile === "voucher-signer" && !holdsOfPeer(limbo, (extensions) => extKeyUsageOf(extensions) === undefined))
    return "refused";
  return limbo.expected_result === "SUCCESS" ? "accepted" : "refused";
}

/** The profile of TLS that a case is about. */
export function tlsProfileOf({ validation_kind }: LimboCase): "tls-server" | "tls-client" {
  return validation_kind === "SERVER" ? "tls-server" : "tls-client";
}

/** False when the certificate cannot be read. */
function holdsOfPeer(
  { peer_certificate }: LimboCase,
  condition: (extensions: readonly Extension[]) => boolean,
): boolean {
  try {
    return condition(parsed(peer_certificate).extensions);
  } catch (error) {
    if (error instanceof HatcheryError) return false;
    throw error;
  }
}

function parsed(pem: string): Certificate {
  const [block] = decodePem(pem);
  return parseCertificate(block?.bytes ?? new Uint8Array());
}

function parsedList(pem: string): CertificateList {
  const [block] = decodePem(pem);
  return parseCertificateList(block?.bytes ?? new Uint8Array());
}

/** For the cases whose time is now: a day on which all certificates that are to be valid are. */
const today = Date.UTC(2026, 0, 1);
