import { privateKeyToPem } from "../crypto/keys.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { formatName } from "../pki/name.ts";
import { isForRegistrationAuthority } from "../pki/registration-authority.ts";
import { labelPattern, operationNames, wellKnown } from "../protocols/est/constants.ts";
import { ServiceError } from "./errors.ts";
import { certificatesIn, privateKeyIn } from "./pem-files.ts";

/** Where an upstream EST server is, and how the two know each other. Holds secrets: it is stored sealed and never shown. */
export interface UpstreamSettings {
  readonly host: string;
  readonly port: number;
  readonly label?: string;
  /** Trust anchors in DER: the server's certificate and everything that it issues has to lead to one of them. */
  readonly anchors: readonly Uint8Array[];
  readonly credential: UpstreamCredential;
}

export type UpstreamCredential =
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  | {
      readonly kind: "certificate";
      /** In DER, the RA's own certificate first. */
      readonly chain: readonly [Uint8Array, ...Uint8Array[]];
      /** PKCS #8 in PEM, not encrypted. */
      readonly key: string;
    };

/** The settings as an operator gives them; files are PEM texts. */
export interface UpstreamRequest {
  readonly url: string;
  readonly anchor: string;
  readonly credential:
    | { readonly kind: "password"; readonly user: string; readonly password: string }
    | { readonly kind: "certificate"; readonly certificate: string; readonly key: string };
}

/** The settings of a request; throws `invalid` with what is wrong. Neither dates are checked nor the server asked. */
export function upstreamSettings({ url, anchor, credential }: UpstreamRequest): UpstreamSettings {
  return {
    ...addressOf(url),
    anchors: certificatesIn(anchor, "the anchor of the upstream").map(({ raw }) => raw),
    credential: credential.kind === "password" ? password(credential) : identity(credential),
  };
}

/** Throws `invalid` when an anchor or the RA's certificate has expired or is not valid yet. */
export function requireCurrent({ anchors, credential }: UpstreamSettings, now: number): void {
  const own = credential.kind === "certificate" ? [credential.chain[0]] : [];
  for (const der of [...anchors, ...own]) {
    const { subject, notBefore, notAfter } = parseCertificate(der);
    if (now < notBefore || now > notAfter)
      throw new ServiceError(
        "invalid",
        `the certificate of ${formatName(subject)} is not valid now; get a current one from the upstream's operator`,
      );
  }
}

/** `https://host:port/.well-known/est/label`, as people write it. */
export function urlOf({ host, port, label }: Pick<UpstreamSettings, "host" | "port" | "label">): string {
  return `${originOf({ host, port })}${wellKnown}${label === undefined ? "" : `/${label}`}`;
}

/** `https://host:port`. */
export function originOf({ host, port }: Pick<UpstreamSettings, "host" | "port">): string {
  return `https://${host.includes(":") ? `[${host}]` : host}${port === 443 ? "" : `:${port}`}`;
}

/** Whether this side is a registration authority to the upstream (RFC 7030 3.7): its certificate says id-kp-cmcRA. */
export function isRegistrationAuthority(credential: UpstreamCredential): boolean {
  return credential.kind === "certificate" && isForRegistrationAuthority(credential.chain[0]);
}

function addressOf(text: string): Pick<UpstreamSettings, "host" | "port" | "label"> {
  const wrong = (reason: string) =>
    new ServiceError("invalid", `the URL of the upstream cannot be used: ${reason}; write https://HOST${wellKnown}`);
  if (!URL.canParse(text)) throw wrong("it is not a URL");
  const { protocol, username, password, search, hash, hostname, port, pathname } = new URL(text);
  if (protocol !== "https:") throw wrong("EST runs over https only (RFC 7030 3.2.1)");
  if (username !== "" || password !== "") throw wrong("user and password do not belong into it");
  if (search !== "" || hash !== "") throw wrong("it has a query or a fragment");
  const [prefix, label = ""] = pathname.replace(/\/$/, "").split(/(?<=\/est)\//, 2);
  if (prefix !== wellKnown || !(label === "" || (labelPattern.test(label) && !operationNames.has(label))))
    throw wrong(`its path is not ${wellKnown} or ${wellKnown}/LABEL (RFC 7030 3.2.2)`);
  const address = { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 443 : Number(port) };
  return label === "" ? address : { ...address, label };
}

function password({ user, password }: { readonly user: string; readonly password: string }): UpstreamCredential {
  // RFC 7617 2: a user-id has no colon, and neither part has a control character.
  if (user === "" || /[:\p{Cc}]/u.test(user) || /\p{Cc}/u.test(password) || password === "")
    throw new ServiceError(
      "invalid",
      "the upstream's user needs a name without a colon and a password, both without control characters (RFC 7617)",
    );
  return { kind: "password", user, password };
}

function identity(files: { readonly certificate: string; readonly key: string }): UpstreamCredential {
  const [first, ...others] = certificatesIn(files.certificate, "the file of the certificate for the upstream");
  const key = privateKeyIn(files.key, first, "the key for the upstream");
  return { kind: "certificate", chain: [first.raw, ...others.map(({ raw }) => raw)], key: privateKeyToPem(key) };
}
