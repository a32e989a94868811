import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import { formatName } from "../pki/name.ts";
import { isForRegistrationAuthority } from "../pki/registration-authority.ts";
import { type UpstreamSettings, urlOf } from "./upstream-settings.ts";

/** What may be shown of an upstream: everything but its credential's secret. */
export interface UpstreamStatus {
  readonly url: string;
  /** How this side proves itself there. `registrationAuthority`: the certificate says id-kp-cmcRA. */
  readonly credential:
    | { readonly kind: "password"; readonly user: string }
    | (ShownCertificate & { readonly kind: "certificate"; readonly registrationAuthority: boolean });
  readonly anchors: readonly ShownCertificate[];
  /** The CA as last published. */
  readonly authorities: readonly ShownCertificate[];
  /** Whether devices that trust this tenant's root are led to the upstream's CA. */
  readonly crossCertified: boolean;
  /** The last time that it could not be used, since the service was started. */
  readonly failure?: UpstreamFailure;
}

export interface ShownCertificate {
  readonly subject: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly notAfter: number;
}

export interface UpstreamFailure {
  readonly at: number;
  readonly reason: string;
}

/** The status of an upstream with these settings, whose CA is known as `authorities`. */
export function upstreamStatus(
  settings: UpstreamSettings,
  { authorities, cross }: { readonly authorities: readonly Certificate[]; readonly cross: readonly Certificate[] },
  failure: UpstreamFailure | undefined,
): UpstreamStatus {
  return {
    url: urlOf(settings),
    credential: shownCredential(settings),
    anchors: settings.anchors.map((der) => shown(parseCertificate(der))),
    authorities: authorities.map(shown),
    crossCertified: cross.length > 0,
    ...(failure === undefined ? {} : { failure }),
  };
}

function shownCredential({ credential }: UpstreamSettings): UpstreamStatus["credential"] {
  if (credential.kind === "password") return { kind: "password", user: credential.user };
  const [own] = credential.chain;
  return {
    kind: "certificate",
    ...shown(parseCertificate(own)),
    registrationAuthority: isForRegistrationAuthority(own),
  };
}

function shown({ subject, notAfter }: Certificate): ShownCertificate {
  return { subject: formatName(subject), notAfter };
}
