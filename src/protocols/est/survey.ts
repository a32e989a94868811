import type { DeclaredFact, DeclaredStep, Survey } from "../../knowledge/survey.ts";
import { tlsClient, tlsServer } from "./record.ts";

const enrolling = ["est/idevid", "est/password", "est/anonymous"] as const;
const all = [...enrolling, "est/reenroll"] as const;

/** EST's row of the survey: what RFC 7030 says that everybody knows, does and learns. */
export const estSurvey: Survey = {
  protocol: "est",
  title: "Enrollment over Secure Transport",
  specification: "RFC 7030, RFC 8951, RFC 9908, RFC 9148",
  variants: [
    { id: "est/idevid", title: "manufacturer's certificate", status: "runs", manufacturerBurden: 3 },
    { id: "est/password", title: "user and password (HTTP Basic)", status: "runs", manufacturerBurden: 2 },
    { id: "est/anonymous", title: "no credential, a person approves", status: "runs", manufacturerBurden: 0 },
    { id: "est/reenroll", title: "renewal under the earlier certificate", status: "runs", manufacturerBurden: 0 },
    { id: "est/tls-psk-srp", title: "certificate-less TLS", status: "declared-only", manufacturerBurden: 2 },
    { id: "est/fingerprint", title: "no anchor, a person compares a fingerprint", status: "declared-only", manufacturerBurden: 0 },
    { id: "est/serverkeygen", title: "key made by the server", status: "declared-only", manufacturerBurden: 3 },
    { id: "est/coaps", title: "EST over CoAP and DTLS", status: "declared-only", manufacturerBurden: 3 },
  ],
  terms: [
    { word: "enrolment", concept: "certificate-enrolment", source: "RFC 7030 1" },
    { word: "bootstrapping", concept: "initial-trust", source: "RFC 7030 4.1.1" },
    { word: "initialization data", concept: "manufacturing", source: "RFC 7030 2" },
    { word: "re-enroll", concept: "repetition", source: "RFC 7030 4.2.2" },
  ],
  players: [
    { role: "coordinator", term: "EST server", operatedBy: "owner", locality: "site", online: "always", trusted: true, variants: all, contacted: true },
    { role: "ca", term: "EST CA", operatedBy: "owner", locality: "site", online: "always", trusted: true, variants: all, contacted: true },
    { role: "manufacturer", term: "manufacturer", operatedBy: "manufacturer", locality: "internet", online: "never", trusted: true, variants: all, contacted: false },
    { role: "directory", term: "none", operatedBy: "owner", locality: "site", online: "never", trusted: false, variants: all, contacted: false },
  ],
  facts: [
    fact("est.device.idevid", "cert.idevid", "manufacturer's certificate of the device", {
      crypto: "certificate", secrecy: "public", provenance: "manufactured", before: ["device"], after: ["device", "coordinator"],
      uniqueness: "per-device", mutability: "immutable", variants: ["est/idevid"], source: "RFC 7030 2.1",
    }),
    fact("est.device.idevid-key", "key.private", "private key of the manufacturer's certificate", {
      crypto: "asym-private", secrecy: "secret", provenance: "manufactured", before: ["device"], after: ["device"],
      uniqueness: "per-device", mutability: "immutable", variants: ["est/idevid"], source: "RFC 7030 2.1",
    }),
    fact("est.device.serial", "id.serial", "serial number in the manufacturer's certificate", {
      crypto: "none", secrecy: "public", provenance: "manufactured", before: ["device"], after: ["device", "coordinator"],
      uniqueness: "per-device", mutability: "immutable", variants: ["est/idevid"], source: "IEEE 802.1AR 8.6",
    }),
    fact("est.manufacturer.anchor", "ta.manufacturer", "anchor of the manufacturer, registered by the operator", {
      crypto: "certificate", secrecy: "public", provenance: "configured", before: ["coordinator"], after: ["coordinator"],
      uniqueness: "per-model", mutability: "rotating", variants: ["est/idevid"], source: "RFC 7030 3.3.2",
    }),
    fact("est.device.account", "id.account", "user name for HTTP authentication", {
      crypto: "none", secrecy: "public", provenance: "configured", before: ["device", "coordinator"], after: ["device", "coordinator"],
      uniqueness: "per-device", mutability: "rotating", variants: ["est/password"], source: "RFC 7030 2.2.2",
    }),
    fact("est.device.password", "sec.password", "password for HTTP authentication", {
      crypto: "password", secrecy: "confidential", provenance: "configured", before: ["device", "coordinator"], after: ["device", "coordinator"],
      uniqueness: "per-device", mutability: "rotating", variants: ["est/password"], source: "RFC 7030 3.2.3",
    }),
    fact("est.device.previous-certificate", "cert.ldevid", "certificate that is renewed", {
      crypto: "certificate", secrecy: "public", provenance: "received", before: ["device", "coordinator"], after: ["device", "coordinator"],
      uniqueness: "per-device", mutability: "replaced-at-onboarding", variants: ["est/reenroll"], source: "RFC 7030 4.2.2",
    }),
    fact("est.device.previous-key", "key.private", "private key of the certificate that is renewed", {
      crypto: "asym-private", secrecy: "secret", provenance: "generated-on-device", before: ["device"], after: ["device"],
      uniqueness: "per-device", mutability: "replaced-at-onboarding", variants: ["est/reenroll"], source: "RFC 7030 4.2.2",
    }),
    fact("est.server.uri", "loc.server-uri", "where the EST server is", {
      crypto: "none", secrecy: "public", provenance: "configured", before: ["device"], after: ["device"],
      uniqueness: "per-owner", mutability: "erased-by-reset", variants: all, source: "RFC 7030 3.2.2",
    }),
    fact("est.ca.anchor", "ta.server", "explicit trust anchor for the EST server", {
      crypto: "certificate", secrecy: "public", provenance: "configured", before: ["device", "coordinator"], after: ["device", "coordinator"],
      uniqueness: "per-owner", mutability: "erased-by-reset", variants: all, source: "RFC 7030 3.6.1",
    }),
    fact("est.ca.certificates", "ta.domain", "root of the CA as the server publishes it", {
      crypto: "certificate", secrecy: "public", provenance: "received", before: ["coordinator"], after: ["device", "coordinator"],
      uniqueness: "per-owner", mutability: "erased-by-reset", variants: all, source: "RFC 7030 4.1.3",
    }),
    fact("est.device.key", "key.private", "new private key", {
      crypto: "asym-private", secrecy: "secret", provenance: "generated-on-device", before: [], after: ["device"],
      uniqueness: "per-device", mutability: "erased-by-reset", variants: all, source: "RFC 7030 4.2.1",
    }),
    fact("est.device.public-key", "key.public.raw", "new public key, with proof of possession", {
      crypto: "asym-public", secrecy: "public", provenance: "generated-on-device", before: [], after: ["device", "coordinator"],
      uniqueness: "per-device", mutability: "erased-by-reset", variants: all, source: "RFC 7030 4.2.1",
    }),
    fact("est.device.certificate", "cert.ldevid", "operational certificate", {
      crypto: "certificate", secrecy: "public", provenance: "received", before: [], after: ["device", "coordinator"],
      uniqueness: "per-device", mutability: "erased-by-reset", variants: all, source: "RFC 7030 4.2.3",
    }),
  ],
  steps: [
    step("est.prepare", "prepare", "administrator", "runs CA and EST server, tells devices the URI", {
      channel: "backend", frames: [], floor: 0, variants: all, source: "RFC 7030 2", evidence: "D",
    }),
    step("est.server-authentication", "trust", "coordinator", "shows its certificate in the TLS handshake", {
      channel: "ip.site", frames: [tlsServer], floor: 1, variants: all, source: "RFC 7030 3.3.1",
    }),
    step("est.client-authentication", "trust", "device", "shows its certificate in the TLS handshake", {
      channel: "ip.site", frames: [tlsClient], floor: 1, variants: ["est/idevid", "est/reenroll"], source: "RFC 7030 3.3.2",
    }),
    step("est.cacerts", "deliver", "device", "fetches the CA certificates", {
      channel: "ip.site", frames: ["cacerts request", "cacerts response"], floor: 2, variants: all, source: "RFC 7030 4.1",
    }),
    step("est.enroll", "deliver", "device", "asks for a certificate", {
      channel: "ip.site", frames: ["simpleenroll request", "simpleenroll response"], floor: 2, variants: ["est/idevid", "est/password"], source: "RFC 7030 4.2.1",
    }),
    step("est.enroll-twice", "deliver", "device", "asks for a certificate, waits, and asks again", {
      channel: "ip.site", frames: ["simpleenroll request", "simpleenroll pending", "simpleenroll response"], floor: 3, variants: ["est/anonymous"], source: "RFC 7030 4.2.3",
    }),
    step("est.approve", "authorize", "administrator", "approves the waiting request", {
      channel: "backend", frames: [], floor: 0, variants: ["est/anonymous"], source: "RFC 7030 4.2.3", userActions: ["approve-in-console"],
    }),
    step("est.reenroll", "renew", "device", "asks for a certificate under the earlier one", {
      channel: "ip.site", frames: ["simplereenroll request", "simplereenroll response"], floor: 2, variants: ["est/reenroll"], source: "RFC 7030 4.2.2",
    }),
  ],
  properties: [
    { property: "manufacturer-contacted", holds: false, variants: all, source: "RFC 7030 2", evidence: "D->M" },
    { property: "internet-contacted", holds: false, variants: all, source: "RFC 7030 2", evidence: "D->M" },
    { property: "user-acts-at-device", holds: false, variants: all, source: "RFC 7030 2.1", evidence: "D->M" },
    { property: "coordinator-knew-private-key", holds: false, variants: all, source: "RFC 7030 4.2.1", evidence: "D->M" },
    { property: "coordinator-decides", holds: true, variants: all, source: "RFC 7030 3.7", evidence: "D->M" },
  ],
};

function fact(id: string, kind: DeclaredFact["kind"], about: string, rest: Omit<DeclaredFact, "id" | "kind" | "about" | "evidence">): DeclaredFact {
  return { id, kind, about, evidence: "D->M", ...rest };
}

function step(
  id: string,
  phase: DeclaredStep["phase"],
  actor: DeclaredStep["actor"],
  action: string,
  rest: Pick<DeclaredStep, "channel" | "frames" | "floor" | "variants" | "source"> & Partial<Pick<DeclaredStep, "evidence" | "userActions">>,
): DeclaredStep {
  return { id, phase, actor, action, optional: false, userActions: [], evidence: "D->M", ...rest };
}
