import { equal, hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { sha256 } from "../crypto/mac.ts";
import type { Certificate } from "../pki/certificate.ts";
import { parseCertificationRequest } from "../pki/csr.ts";
import { formatName } from "../pki/name.ts";
import type { CertificateRequest, Issuance } from "../protocols/ports.ts";
import type { Store } from "../store/store.ts";
import { complaintAbout, complaintAboutPath } from "./upstream-certificate.ts";
import type { UpstreamClient } from "./upstream-client.ts";
import { isRegistrationAuthority, type UpstreamSettings } from "./upstream-settings.ts";

/** An upstream that certifies, as it is known now. */
export interface UpstreamInUse {
  readonly settings: UpstreamSettings;
  readonly client: Pick<UpstreamClient, "remembered" | "simpleenroll">;
  /** Its CA, verified. */
  readonly authorities: readonly Certificate[];
}

export interface UpstreamIssueParts {
  readonly tenant: string;
  readonly store: Store;
  readonly clock: Clock;
  /** The upstream's CA fetched anew: a certificate of a CA that is not known may be by its next one. */
  readonly refreshed: () => Promise<readonly Certificate[]>;
}

/**
 * Has a request certified by the upstream, as the device wrote it, and holds the certificate against what was admitted
 * before it is passed on and recorded. Throws `upstream-unusable` or `overloaded` when the upstream cannot be asked now: then nothing has changed
 * here, while a certificate that never arrived may exist there.
 */
export async function issueByUpstream(
  { request: pkcs10, subject, subjectAltName, ...request }: CertificateRequest,
  { settings, client, authorities }: UpstreamInUse,
  { tenant, store, clock, refreshed }: UpstreamIssueParts,
): Promise<Issuance> {
  if (pkcs10 === undefined) return refused("the protocol has no request that the upstream CA could be given");
  const asked = parseCertificationRequest(pkcs10);
  // The binding is of the device's association with this server, which has verified it; taking it out would break the
  // device's signature. RFC 7030 3.7: an RA may send what is bound elsewhere, anybody else would rightly be refused.
  if (asked.challengePassword !== undefined && !isRegistrationAuthority(settings.credential))
    return refused(
      "the request holds the channel binding of its own connection, which the upstream takes from a registration authority only: give this service a certificate with id-kp-cmcRA, or let the device leave the binding out",
    );
  const certificateOf = (certificates: readonly Certificate[]) =>
    certificates.find((each) => equal(each.subjectPublicKeyInfo, asked.subjectPublicKeyInfo));
  const recordOf = ({ raw }: Certificate) => store.authorities.certificateByFingerprint(tenant, hex(sha256(raw)));
  // A certificate that could not be recorded, because somebody else was first, is not asked for twice.
  const last = client.remembered(pkcs10);
  const lost = last && certificateOf(last.certificates);
  const answer =
    last !== undefined && lost !== undefined && (await recordOf(lost)) === undefined
      ? last
      : await client.simpleenroll(pkcs10);
  if (answer.kind === "pending") return { ...answer, reason: "the upstream CA waits for a decision" };
  if (answer.kind === "refused") return refused(`the upstream CA: ${answer.reason}`);

  const certificate = certificateOf(answer.certificates);
  if (certificate === undefined) return refused("the upstream CA sent no certificate for the key that was asked for");
  const now = clock.now();
  const path = (cas: readonly Certificate[]) => complaintAboutPath(certificate, cas, now);
  const admitted = { subject, request: asked, ...(subjectAltName === undefined ? {} : { subjectAltName }) };
  const complaint =
    complaintAbout(certificate, admitted, now) ??
    (path(authorities) === undefined ? undefined : path(await refreshed()));
  if (complaint !== undefined) return refused(`the upstream CA's certificate is not passed on: ${complaint}`);

  const issued = { kind: "issued", certificate: certificate.raw, notAfter: certificate.notAfter } as const;
  const known = await recordOf(certificate);
  // An upstream that knows the request again may answer it with the same certificate.
  if (known !== undefined)
    return known.device === request.device && known.revocation === undefined
      ? { ...issued, writes: [] }
      : refused("the upstream CA sent a certificate that is another device's or was revoked here");
  const [authority, serial] = [authorityName(settings, certificate), hex(certificate.serialNumber)];
  if ((await store.authorities.certificate(tenant, authority, serial)) !== undefined)
    return refused(`the upstream CA has given the serial number ${serial} to another certificate already`);
  const record = {
    tenant,
    authority,
    serial,
    certificate: certificate.raw,
    subject: formatName(certificate.subject),
    profile: request.profile,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    run: request.run,
    ...(request.device === undefined ? {} : { device: request.device }),
  };
  return { ...issued, writes: [store.authorities.insertCertificate(record)] };
}

function refused(reason: string): Issuance {
  return { kind: "refused", reason };
}

/** RFC 5280 4.1.2.2: serial numbers are unique for one issuer's name, and an upstream may have several CAs over time. */
function authorityName({ host }: UpstreamSettings, { issuer }: Certificate): string {
  return `${host}/${hex(sha256(issuer.raw)).slice(0, 8)}`;
}
