import { utf8 } from "../../core/bytes.ts";
import type { Peer } from "../../core/link.ts";
import type { Decoded, FactEvent, RunRecorder } from "../../knowledge/run.ts";
import type { Role, RoleBinding } from "../../knowledge/vocabulary.ts";
import type { Certificate } from "../../pki/certificate.ts";
import type { Client } from "./authenticate.ts";
import type { EnrollRequest, PresentedCredentials } from "./messages.ts";

/**
 * What both ends write into the ledger, each line where the thing was seen or done. The attributes of a fact stand here
 * as this code handles it, apart from the declaration in `survey.ts`: the one is checked against the other.
 */

type Attributes = Pick<FactEvent, "fact" | "factKind" | "crypto" | "provenance">;

export const known = {
  idevid: { fact: "est.device.idevid", factKind: "cert.idevid", crypto: "certificate", provenance: "manufactured" },
  idevidKey: {
    fact: "est.device.idevid-key",
    factKind: "key.private",
    crypto: "asym-private",
    provenance: "manufactured",
  },
  serial: { fact: "est.device.serial", factKind: "id.serial", crypto: "none", provenance: "manufactured" },
  account: { fact: "est.device.account", factKind: "id.account", crypto: "none", provenance: "configured" },
  password: { fact: "est.device.password", factKind: "sec.password", crypto: "password", provenance: "configured" },
  pskIdentity: { fact: "est.device.psk-identity", factKind: "id.account", crypto: "none", provenance: "configured" },
  psk: { fact: "est.device.psk", factKind: "sec.psk", crypto: "symmetric", provenance: "configured" },
  previous: {
    fact: "est.device.previous-certificate",
    factKind: "cert.ldevid",
    crypto: "certificate",
    provenance: "received",
  },
  previousKey: {
    fact: "est.device.previous-key",
    factKind: "key.private",
    crypto: "asym-private",
    provenance: "generated-on-device",
  },
  uri: { fact: "est.server.uri", factKind: "loc.server-uri", crypto: "none", provenance: "configured" },
  implicitAnchors: {
    fact: "est.device.implicit-anchors",
    factKind: "ta.server",
    crypto: "certificate",
    provenance: "manufactured",
  },
  fingerprint: {
    fact: "est.ca.fingerprint",
    factKind: "key.public.hash",
    crypto: "hash-of-key",
    provenance: "configured",
  },
  fingerprintAnchor: {
    fact: "est.ca.anchor-of-fingerprint",
    factKind: "ta.server",
    crypto: "certificate",
    provenance: "received",
  },
  confirmedAnchor: {
    fact: "est.ca.confirmed-anchor",
    factKind: "ta.server",
    crypto: "certificate",
    provenance: "typed-by-human",
  },
  anchor: { fact: "est.ca.anchor", factKind: "ta.server", crypto: "certificate", provenance: "configured" },
  manufacturerAnchor: {
    fact: "est.manufacturer.anchor",
    factKind: "ta.manufacturer",
    crypto: "certificate",
    provenance: "configured",
  },
  domainAnchor: { fact: "est.ca.certificates", factKind: "ta.domain", crypto: "certificate", provenance: "received" },
  wishes: { fact: "est.ca.csrattrs", factKind: "doc.csrattrs", crypto: "none", provenance: "received" },
  key: { fact: "est.device.key", factKind: "key.private", crypto: "asym-private", provenance: "generated-on-device" },
  publicKey: {
    fact: "est.device.public-key",
    factKind: "key.public.raw",
    crypto: "asym-public",
    provenance: "generated-on-device",
  },
  serverKey: {
    fact: "est.device.server-key",
    factKind: "key.private",
    crypto: "asym-private",
    provenance: "generated-by-coordinator",
  },
  certificate: {
    fact: "est.device.certificate",
    factKind: "cert.ldevid",
    crypto: "certificate",
    provenance: "received",
  },
} as const satisfies Readonly<Record<string, Attributes>>;

/** Frame names that no message of EST has: the TLS handshake, as far as EST depends on it. */
const tlsServer = "TLS server authentication";
const tlsClient = "TLS client authentication";

/** One line about what `holder` knows, seen by itself. */
export function note(
  run: RunRecorder,
  operation: FactEvent["operation"],
  attributes: Attributes,
  holder: Role,
  value?: Uint8Array,
): void {
  run.fact({ ...attributes, operation, holder, evidence: "observed", ...(value === undefined ? {} : { value }) });
}

/** One line about what the other end must know for what was seen. */
export function infer(run: RunRecorder, operation: FactEvent["operation"], attributes: Attributes, holder: Role): void {
  run.fact({ ...attributes, operation, holder, evidence: "inferred" });
}

/** Who showed which certificate in the TLS handshake, and under what protection. */
export function recordHandshake(
  run: RunRecorder,
  peer: Peer,
  by: "device" | "coordinator",
  clientChain: readonly Uint8Array[],
  clientCarries: readonly string[],
): void {
  run.phase("trust");
  const version = peer.security?.version ?? "none";
  // RFC 8446 4.4.2 encrypts certificates, RFC 5246 7.4.2 does not.
  const common = { channel: "ip.site", protection: version === "TLSv1.3" ? "encrypted" : "none" } as const;
  const identity = peer.pskIdentity;
  const serverBytes = by === "device" ? { bytes: total(peer.chain) } : {};
  run.frame({
    ...common,
    ...serverBytes,
    from: "coordinator",
    to: "device",
    name: tlsServer,
    decoded: {
      version,
      cipherSuite: peer.security?.cipherSuite ?? "none",
      ...(peer.terminator === undefined ? {} : { endedAtProxy: peer.terminator }),
    },
  });
  if (identity !== undefined) {
    // RFC 8446 4.2.11 and RFC 4279 2: the identity goes before any key is agreed on.
    const carries = [known.pskIdentity.fact];
    run.frame({
      ...common,
      protection: "none",
      from: "device",
      to: "coordinator",
      name: tlsClient,
      carries,
      decoded: {},
    });
    note(run, "hold", known.pskIdentity, by, identity);
    // The handshake has proven it, and nobody shows it: what both ends derive of it alone stands for it.
    note(run, "hold", known.psk, by, peer.exporter("EXPORTER-hatchery-psk", 32));
  }
  declareHandshakeOperations(run, identity === undefined, clientChain.length > 0);
  if (clientChain.length === 0) return;
  run.frame({
    ...common,
    from: "device",
    to: "coordinator",
    name: tlsClient,
    bytes: total(clientChain),
    carries: clientCarries,
    decoded: { certificates: clientChain.length },
  });
}

/** A request or reply, seen by either end; `part` is `request`, `response`, `pending`, `redirect` or `refusal`. */
export function recordFrame(
  run: RunRecorder,
  operation: string,
  part: "request" | "response" | "pending" | "redirect" | "refusal",
  peer: Peer,
  bytes: number,
  options: { readonly carries?: readonly string[]; readonly decoded?: Decoded; readonly repeated?: boolean } = {},
): void {
  const isBootstrap = operation === "bootstrap";
  run.phase(isBootstrap ? "trust" : operation === "simplereenroll" ? "renew" : "deliver");
  const [from, to] = part === "request" ? (["device", "coordinator"] as const) : (["coordinator", "device"] as const);
  run.frame({
    from,
    to,
    name: `${operation} ${part}`,
    bytes,
    channel: "ip.site",
    // Encrypted, but nobody knows for whom: that protects from no one.
    protection: peer.security === undefined || isBootstrap ? "none" : "encrypted",
    repeated: options.repeated ?? false,
    carries: options.carries ?? [],
    decoded: options.decoded ?? {},
  });
}

/** What the server learns of a client that it authenticated, and what it held before. */
export function recordClient(
  run: RunRecorder,
  request: EnrollRequest,
  client: Client,
  authorities: readonly Certificate[],
): void {
  run.phase("trust");
  const root = authorities[0];
  if (root !== undefined) {
    if (client.credential !== "psk") note(run, "hold", known.anchor, "coordinator", root.raw);
    note(run, "hold", known.domainAnchor, "coordinator", root.raw);
  }
  if (client.credential !== "psk") infer(run, "hold", known.anchor, "device");
  const certificate = client.certificate;
  if (client.credential === "idevid" && certificate !== undefined) {
    note(run, "hold", known.manufacturerAnchor, "coordinator");
    note(run, "learn", known.idevid, "coordinator", certificate.raw);
    note(run, "learn", known.serial, "coordinator", utf8(client.serial ?? ""));
    infer(run, "hold", known.idevidKey, "device");
  }
  if (client.credential === "ldevid" && certificate !== undefined) {
    note(run, "hold", known.previous, "coordinator", certificate.raw);
    infer(run, "hold", known.previousKey, "device");
  }
  if (request.credentials !== undefined)
    note(run, "hold", known.account, "coordinator", utf8(request.credentials.user));
  // With Digest the password is known by what was made of it, and does not come by.
  if (request.credentials?.kind === "digest") note(run, "hold", known.password, "coordinator");
  if (request.credentials?.kind === "basic") {
    note(run, "hold", known.password, "coordinator", utf8(request.credentials.password));
    run.operation({
      operation: "password-hash",
      algorithm: "scrypt",
      role: "coordinator",
      purpose: "HTTP Basic",
      evidence: "counted",
    });
  }
  recordVerifications(run, "coordinator", "client certificate path", client.signaturesVerified);
  // RFC 7030 4.4.1: the key in a request for another one is nobody's.
  if (request.kind === "serverkeygen") return;
  note(run, "learn", known.publicKey, "coordinator", request.csr.subjectPublicKeyInfo);
  infer(run, "derive", known.key, "device");
}

/** Signatures over certificates that `role` has checked with its own calls. */
export function recordVerifications(
  run: RunRecorder,
  role: "device" | "coordinator",
  purpose: string,
  count: number,
): void {
  const operation = { operation: "verify", algorithm: "certificate", role, purpose, evidence: "counted" } as const;
  for (let done = 0; done < count; done += 1) run.operation(operation);
}

/** Names of the facts whose value stands in an enrolment request. */
export function carriedByRequest(
  request: { readonly kind: string; readonly credentials?: Pick<PresentedCredentials, "kind"> },
  credential: Client["credential"],
): readonly string[] {
  return [
    ...(request.kind === "serverkeygen" ? [] : [known.publicKey.fact]),
    ...(request.credentials === undefined ? [] : [known.account.fact]),
    ...(request.credentials?.kind === "basic" ? [known.password.fact] : []),
    ...(credential === "idevid" ? [known.serial.fact] : []),
  ];
}

/** Facts in the client's TLS certificate. */
export function carriedByHandshake(credential: Client["credential"]): readonly string[] {
  if (credential === "idevid") return [known.idevid.fact, known.serial.fact];
  return credential === "ldevid" ? [known.previous.fact] : [];
}

/** The variant of the survey that a request with this credential runs. */
export function variantOf(operation: string, credential: Client["credential"]): string {
  if (operation === "simplereenroll") return "est/reenroll";
  if (operation === "fullcmc") return credential === "idevid" ? "est/fullcmc" : `est/fullcmc-${credential}`;
  if (operation === "serverkeygen")
    return credential === "idevid" ? "est/serverkeygen" : `est/serverkeygen-${credential}`;
  return {
    idevid: "est/idevid",
    ldevid: "est/ldevid",
    password: "est/password",
    psk: "est/tls-psk",
    ra: "est/registration-authority",
    anonymous: "est/anonymous",
  }[credential];
}

export const estServerPlayer: RoleBinding = {
  role: "coordinator",
  term: "EST server",
  operatedBy: "owner",
  locality: "site",
  online: "always",
  trusted: true,
};
export const caPlayer: RoleBinding = {
  role: "ca",
  term: "EST CA",
  operatedBy: "owner",
  locality: "site",
  online: "always",
  trusted: true,
};

/** RFC 8446: what both handshakes with ECDSA certificates cost, declared because it happens inside TLS. */
function declareHandshakeOperations(run: RunRecorder, certified: boolean, mutual: boolean): void {
  const declare = (operation: "agree" | "sign" | "verify", role: "device" | "coordinator", purpose: string) =>
    run.operation({ operation, role, purpose, algorithm: "TLS", evidence: "declared" });
  for (const role of ["device", "coordinator"] as const) declare("agree", role, "key exchange");
  if (!certified) return;
  declare("sign", "coordinator", "CertificateVerify");
  declare("verify", "device", "CertificateVerify");
  if (!mutual) return;
  declare("sign", "device", "CertificateVerify");
  declare("verify", "coordinator", "CertificateVerify");
}

function total(chain: readonly Uint8Array[]): number {
  return chain.reduce((sum, certificate) => sum + certificate.length, 0);
}
