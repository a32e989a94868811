import { hex, textOf } from "../../core/bytes.ts";
import { messageOf } from "../../core/errors.ts";
import type { Peer } from "../../core/link.ts";
import { matchesPattern } from "../../core/pattern.ts";
import type { Write } from "../../core/write.ts";
import { sha256 } from "../../crypto/mac.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { PathError } from "../../pki/errors.ts";
import { attribute, equalNames, isEmptyName } from "../../pki/name.ts";
import { attributeTypes, keyPurposes } from "../../pki/oids.ts";
import { validatePath } from "../../pki/path.ts";
import { extKeyUsageOf } from "../../pki/standard-extensions.ts";
import type { CertificateProfile, CredentialKind, Ports, VerifiedUser } from "../ports.ts";
import { type EstRefusal, EstRefused } from "./errors.ts";
import type { EnrollRequest, PresentedCredentials } from "./messages.ts";

/** Who the server takes the client for (RFC 7030 3.3.2, 3.2.3), before any policy. */
export interface Client {
  readonly credential: CredentialKind;
  /** The name that the credential proves; undefined when it proves none by itself. */
  readonly name: string | undefined;
  /** Whether the credential covers a name that a request asks for. */
  readonly mayName: (name: string) => boolean;
  readonly serial: string | undefined;
  /** Name of the registered anchor of its manufacturer. */
  readonly issuer: string | undefined;
  readonly certificate: Certificate | undefined;
  /** Name of the profile by which the authority here has issued the certificate; undefined when it has not. */
  readonly profile: string | undefined;
  readonly user: string | undefined;
  /** Whether several devices may have the credential: a password or a pre-shared key for more than one name. */
  readonly common: boolean;
  /** Name of the registration authority that asks for a device (RFC 7030 3.7); then the certificate is its own. */
  readonly registrationAuthority: string | undefined;
  /** Signatures that were verified for this. */
  readonly signaturesVerified: number;
  /** To be committed with what the client is granted: they are lost when its credential was taken away meanwhile. */
  readonly writes: readonly Write[];
}

/**
 * Authenticates the client by its TLS certificate, its HTTP credentials or both; every credential that it presents must
 * be good. Throws EstRefused with one of the codes that all look alike to the peer. That the client holds the
 * certificate's key was proven by TLS; whether it is admitted is not decided here.
 */
export async function authenticate(
  request: EnrollRequest,
  peer: Peer,
  profile: CertificateProfile,
  ports: Ports,
): Promise<Client> {
  const { credentials } = request;
  const user = credentials === undefined ? undefined : await verifiedUser(credentials, hostOf(peer), ports);
  const shared = peer.pskIdentity === undefined ? undefined : await keyHolder(textOf(peer.pskIdentity), ports);
  const holders = [user, shared].filter((holder) => holder !== undefined);
  const mayName = (name: string) => holders.every(({ devices }) => matchesPattern(devices, name));
  const common = holders.every(({ devices }) => devices.includes("*"));
  const chain = presentedChain(request, peer);
  if (chain.length > 0) {
    const client = await byCertificate(request, chain, profile, peer, ports);
    // Who presents both is held to both.
    return { ...client, user: credentials?.user, mayName: (name) => client.mayName(name) && mayName(name) };
  }
  if (shared !== undefined) return { ...nobody, credential: "psk", mayName, user: credentials?.user, common };
  if (credentials === undefined) return { ...nobody, credential: "anonymous", mayName };
  return { ...nobody, credential: "password", mayName, user: credentials.user, common };
}

/** The peer's address without its port. */
export function hostOf({ address }: Peer): string {
  return address.replace(/:\d+$/, "");
}

/** RFC 7030 3.3.3: TLS has proven that the client holds the key, as it was when the association began. */
async function keyHolder(identity: string, ports: Ports): Promise<VerifiedUser> {
  const holder = await ports.credentials.pskUser(identity);
  if (holder === undefined)
    throw new EstRefused("credentials-wrong", "the pre-shared key of this connection was removed");
  return holder;
}

async function verifiedUser(credentials: PresentedCredentials, address: string, ports: Ports): Promise<VerifiedUser> {
  const user =
    credentials.kind === "basic"
      ? await ports.credentials.verifyPassword(credentials.user, credentials.password, address)
      : await ports.credentials.verifyDigest(credentials, address);
  if (user === undefined) throw new EstRefused("credentials-wrong", "the user does not exist or the password is wrong");
  if (user === "stale")
    throw new EstRefused(
      "credentials-stale",
      "the Digest is right, but its nonce is used up, too old or another service's",
    );
  return user;
}

/**
 * The credentials of a request as presented, unverified: together with operation and key they name its session.
 */
export function presentedCredential(request: EnrollRequest, peer: Peer): string {
  const [certificate] = presentedChain(request, peer);
  const parts = [
    certificate === undefined ? "" : hex(sha256(certificate)),
    request.credentials === undefined ? "" : `user:${request.credentials.user}`,
    ...(peer.pskIdentity === undefined ? [] : [`psk:${textOf(peer.pskIdentity)}`]),
  ];
  return parts.join("/");
}

/** The certificates that the client shows: in TLS, or else by signing a Full PKI Request (RFC 7030 4.3), its own first. */
export function presentedChain(request: EnrollRequest, peer: Peer): readonly Uint8Array[] {
  return peer.chain.length === 0 && request.kind === "fullcmc" ? request.full.signerChain : peer.chain;
}

/** What kind of certificate the client showed, unverified; `anonymous` for none and for one that cannot be read. */
export function presentedKind(peer: Peer, issuers: readonly Certificate[], request?: EnrollRequest): CredentialKind {
  const [der] = peer.chain;
  if (der === undefined) return peer.pskIdentity === undefined ? "anonymous" : "psk";
  try {
    const leaf = parseCertificate(der);
    if (!isOwn(leaf, issuers)) return "idevid";
    return request !== undefined && asksForAnother(request, leaf) ? "ra" : "ldevid";
  } catch {
    return "anonymous";
  }
}

async function byCertificate(
  request: EnrollRequest,
  presented: readonly Uint8Array[],
  profile: CertificateProfile,
  peer: Peer,
  ports: Ports,
): Promise<Client> {
  const chain = presented.slice(0, mostChainCertificates).map(parseReceived);
  const leaf = chain[0] as Certificate;
  const issuers = await ports.issuer.issuers();
  // The two sets of anchors are kept apart: what a manufacturer signed is never taken for one of our own certificates.
  if (isOwn(leaf, issuers)) {
    const asksFor = asksForAnother(request, leaf) ? "another" : "itself";
    const renews = request.kind === "simplereenroll" || (request.kind === "fullcmc" && asksFor === "itself");
    const holder = await ldevid(leaf, issuers, renews ? profile : undefined, ports);
    return asksFor === "another" ? registrationAuthority(holder, profile, peer, ports) : holder;
  }
  return idevid(chain, ports);
}

function isOwn(leaf: Certificate, issuers: readonly Certificate[]): boolean {
  return issuers.some((issuer) => equalNames(issuer.subject, leaf.issuer));
}

/** `renewing`: the profile by whose grace the certificate may be expired, when that is the one that it was issued by. */
async function ldevid(
  leaf: Certificate,
  issuers: readonly Certificate[],
  renewing: CertificateProfile | undefined,
  ports: Ports,
): Promise<Client> {
  const now = ports.clock.now();
  const grace = renewing?.renewal.grace ?? 0;
  const at = now - grace <= leaf.notAfter ? Math.min(now, leaf.notAfter) : now;
  const { signaturesVerified } = validated([leaf], issuers, "tls-client", at);
  const status = await ports.issuer.status(leaf);
  if (status.kind === "unknown")
    throw new EstRefused("certificate-unknown", "the certificate bears our authority's name but is not in the store");
  if (status.kind === "revoked")
    throw new EstRefused("certificate-revoked", `the certificate was revoked for ${status.reason}`);
  if (now > leaf.notAfter && status.profile !== renewing?.name)
    throw new EstRefused(
      "certificate-expired",
      `the certificate has expired, and the grace of the profile that was asked for is none for one of ${status.profile}`,
    );
  if (await ports.issuer.isCompromised(leaf.subjectPublicKeyInfo))
    throw new EstRefused("certificate-revoked", "another certificate of its key was revoked for keyCompromise");
  const name = attribute(leaf.subject, attributeTypes.commonName);
  return {
    ...nobody,
    credential: "ldevid",
    name,
    mayName: (asked) => asked === name || asked === attribute(leaf.subject, attributeTypes.serialNumber),
    certificate: leaf,
    profile: status.profile,
    signaturesVerified,
    writes: status.writes,
  };
}

/**
 * RFC 7030 3.7: who shows a certificate of ours with id-kp-cmcRA may ask for others. RFC 7030 4.2.2 lets a certificate be
 * renewed under itself alone, so a registration authority renews its own, and nobody else's.
 */
function asksForAnother({ kind, csr }: EnrollRequest, leaf: Certificate): boolean {
  if (kind === "simplereenroll" || isEmptyName(csr.subject) || equalNames(csr.subject, leaf.subject)) return false;
  return extKeyUsageOf(leaf.extensions)?.includes(keyPurposes.cmcRA) === true;
}

async function registrationAuthority(
  holder: Client,
  { name, registrationAuthority: delegates }: CertificateProfile,
  peer: Peer,
  ports: Ports,
): Promise<Client> {
  const own = holder.profile ?? "";
  const names = await ports.issuer.registrationAuthority(own);
  // Other protocols have the purpose too (RFC 8995 5.5.4); the right is given by the profile, for as long as that says so.
  if (names === "") return holder;
  // What it hands on is linked to the device's association and not to its own: a signature alone could be anybody's, sent again.
  if (peer.chain.length === 0)
    throw new EstRefused("cmc-signer", "a registration authority signed the request, and is not the TLS client");
  // With it a registration authority could make others, which the operator never saw.
  if (delegates !== "")
    throw new EstRefused(
      "profile-not-the-client",
      `a registration authority asked for the profile ${name}, whose holders are registration authorities themselves`,
    );
  return {
    ...holder,
    credential: "ra",
    name: undefined,
    mayName: (asked) => matchesPattern(names, asked),
    // What is renewed is never its own certificate.
    profile: undefined,
    registrationAuthority: holder.name ?? own,
  };
}

async function idevid(chain: readonly Certificate[], ports: Ports): Promise<Client> {
  const leaf = chain[0] as Certificate;
  const manufacturers = await ports.trust.manufacturers();
  const anchors = manufacturers.map((manufacturer) => manufacturer.certificate);
  const { anchor, signaturesVerified } = validated(chain, anchors, "idevid", ports.clock.now());
  const issuer = manufacturers.find((manufacturer) => manufacturer.certificate === anchor);
  const commonName = onlyText(leaf, attributeTypes.commonName);
  const name = onlyText(leaf, attributeTypes.serialNumber) ?? commonName;
  if (name === undefined) {
    // IEEE 802.1AR 8.6: the subject of an IDevID holds a serialNumber; without a name it identifies no device.
    throw new EstRefused(
      "certificate-malformed",
      "the manufacturer's certificate has neither a serialNumber nor a common name",
    );
  }
  if (name.length > mostNameCharacters)
    throw new EstRefused(
      "certificate-malformed",
      `the manufacturer's certificate names its device in more than ${mostNameCharacters} characters`,
    );
  return {
    ...nobody,
    credential: "idevid",
    name,
    mayName: (asked) => asked === name || asked === commonName,
    serial: name,
    issuer: issuer?.name,
    certificate: leaf,
    signaturesVerified,
  };
}

/** The text of an attribute that may be absent, but neither doubled nor anything but text: the name meant must be plain. */
function onlyText({ subject }: Certificate, type: string): string | undefined {
  const found = subject.relativeDistinguishedNames.flat().some((each) => each.type === type);
  const text = attribute(subject, type);
  if (found && (text === undefined || text === ""))
    throw new EstRefused(
      "certificate-malformed",
      `the manufacturer's certificate has attribute ${type} twice, or not as text`,
    );
  return text;
}

function validated(
  chain: readonly Certificate[],
  anchors: readonly Certificate[],
  profile: "idevid" | "tls-client",
  at: number,
) {
  try {
    return validatePath({ chain, anchors, at, profile });
  } catch (cause) {
    if (!(cause instanceof PathError)) throw cause;
    throw new EstRefused(pathRefusals[cause.code] ?? "certificate-unknown", cause.message, { cause });
  }
}

function parseReceived(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    throw new EstRefused("certificate-malformed", messageOf(cause), { cause });
  }
}

const pathRefusals: { readonly [code: string]: EstRefusal } = {
  expired: "certificate-expired",
  "not-yet-valid": "certificate-not-yet-valid",
};

const nobody = {
  name: undefined,
  serial: undefined,
  issuer: undefined,
  certificate: undefined,
  profile: undefined,
  user: undefined,
  common: false,
  registrationAuthority: undefined,
  signaturesVerified: 0,
  writes: [],
};

/** RFC 5280 A.1: ub-serial-number and ub-common-name. */
const mostNameCharacters = 64;

/** Certificates of a client's chain that are looked at; Node itself bounds the handshake's size. */
const mostChainCertificates = 8;
