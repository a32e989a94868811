import { HatcheryError } from "../../core/errors.ts";

/** Everything that a server refuses a request for. */
export type EstRefusal =
  | "label-unknown"
  | "media-type"
  | "media-type-cmc"
  | "header-doubled"
  | "body-missing"
  | "base64"
  | "pem-armour"
  | "csr-malformed"
  | "csr-signature"
  | "key-weak"
  | "key-unsupported"
  | "key-not-allowed"
  | "key-revoked"
  | "credentials-missing"
  | "credentials-malformed"
  | "credentials-wrong"
  | "credentials-stale"
  | "certificate-malformed"
  | "certificate-unknown"
  | "certificate-expired"
  | "certificate-not-yet-valid"
  | "certificate-revoked"
  | "binding-missing"
  | "binding-malformed"
  | "binding-wrong"
  | "binding-used"
  | "binding-at-proxy"
  | "idevid-on-reenroll"
  | "profile-not-the-client"
  | "renewal-too-early"
  | "renewal-same-key"
  | "name-not-the-client"
  | "name-reserved"
  | "name-missing"
  | "waiting-under-another-name"
  | "server-key-not-offered"
  | "channel-not-confidential"
  | "encryption-incomplete"
  | "encryption-unsupported"
  | "decrypt-key-unknown"
  | "name-change-refused"
  | "fullcmc-not-offered"
  | "cmc-malformed"
  | "cmc-control"
  | "cmc-proof"
  | "cmc-requests"
  | "cmc-signature"
  | "cmc-algorithm"
  | "cmc-signer"
  | "not-allowed"
  | "ca-refused"
  | "upstream-unusable"
  | "overloaded";

export interface RefusalRow {
  readonly status: 400 | 401 | 403 | 404 | 415 | 503;
  /** What the peer reads. */
  readonly text: string;
  /** Whether a stored session of this request ends. */
  readonly endsSession: boolean;
}

// RFC 7030 4.2.3 wants 4xx or 5xx with a text; where it names no status, RFC 9110's meaning decides. Every 401 is the
// same to the peer, so that nobody learns which users or issuers exist: the reason is in the run.
const unauthorized: RefusalRow = {
  status: 401,
  text: "This request is not authenticated. Present a device certificate that is valid here, or a user name and password.",
  endsSession: false,
};
// RFC 7030 3.5: a refusal should say that linking is what failed.
const unlinked: RefusalRow = {
  ...unauthorized,
  text: "challengePassword must hold the channel binding of this TLS connection (RFC 7030 3.5).",
};
const forbidden = (text: string): RefusalRow => ({ status: 403, text, endsSession: true });
const later: RefusalRow = {
  status: 503,
  text: "The server cannot take this request now; try again later.",
  endsSession: false,
};
const malformed = (text: string): RefusalRow => ({ status: 400, text, endsSession: false });

export const refusals: { readonly [code in EstRefusal]: RefusalRow } = {
  "label-unknown": { status: 404, text: "There is no such label here.", endsSession: false },
  "media-type": { status: 415, text: "Send the request with Content-Type: application/pkcs10.", endsSession: false },
  "media-type-cmc": {
    status: 415,
    text: "Send the request with Content-Type: application/pkcs7-mime; smime-type=CMC-request.",
    endsSession: false,
  },
  "header-doubled": malformed("A header field that may occur once occurs more than once."),
  "body-missing": malformed("The request has no body; send a PKCS #10 request in base64."),
  base64: malformed("The body is not base64 (RFC 4648 section 4) of a DER PKCS #10 request."),
  "pem-armour": malformed("The body is PEM. Remove the BEGIN and END lines and send the base64 between them."),
  "csr-malformed": malformed("The body is not a well-formed PKCS #10 request in DER."),
  "csr-signature": malformed(
    "The request's signature does not verify with its own public key; sign with SHA-256 or better.",
  ),
  "key-weak": malformed("The public key is too weak; use P-256, P-384, P-521, Ed25519 or RSA of at least 2048 bits."),
  "key-unsupported": malformed(
    "The public key is of a kind that is not supported here; use a named curve, Ed25519 or RSA.",
  ),
  "key-not-allowed": malformed("Keys of this kind or size are not certified here; use another kind, or a larger one."),
  "key-revoked": forbidden("The certificate of this key was revoked; make a new key and ask with that one."),
  "credentials-missing": unauthorized,
  "credentials-malformed": unauthorized,
  "credentials-wrong": unauthorized,
  // RFC 7616 3.3: the challenge that goes with it says so, because the password is right.
  "credentials-stale": unauthorized,
  "certificate-malformed": unauthorized,
  "certificate-unknown": unauthorized,
  "certificate-expired": unauthorized,
  "certificate-not-yet-valid": unauthorized,
  "certificate-revoked": unauthorized,
  "binding-missing": unlinked,
  "binding-malformed": unlinked,
  "binding-wrong": unlinked,
  "binding-used": {
    ...unauthorized,
    text: "The channel binding of this TLS connection has served another request (RFC 9266 4.1); connect again.",
  },
  "binding-at-proxy": {
    ...unauthorized,
    text: "Your TLS connection ended at a proxy, so challengePassword cannot be checked; leave it out, or ask where TLS is passed through.",
  },
  "idevid-on-reenroll": forbidden(
    "Re-enrolment needs the certificate to be renewed; a manufacturer's certificate enrols with simpleenroll.",
  ),
  "profile-not-the-client": forbidden(
    "A certificate is renewed under the label that it was issued under; enrol under another one as a new device does.",
  ),
  "renewal-too-early": forbidden("It is too early to renew this certificate; ask again when it is nearer to its end."),
  "renewal-same-key": forbidden("Certificates are renewed with a new key here; make one and ask with that."),
  "name-not-the-client": forbidden("The request names a subject or an alternative name that is not this client's."),
  "name-reserved": forbidden("The request asks for a name of this server itself; devices need one of their own."),
  "waiting-under-another-name": {
    status: 403,
    text: "A request for this key waits for a decision under another name; repeat that one, or use another key.",
    endsSession: false,
  },
  "name-missing": malformed("The request names no device: put the device's name into the common name of its subject."),
  // RFC 7030 4.4: the operation is optional, and is there for the labels that it was switched on for.
  "server-key-not-offered": {
    status: 404,
    text: "No keys are made here; make one and use simpleenroll.",
    endsSession: false,
  },
  "channel-not-confidential": {
    status: 403,
    text: "A private key is sent over TLS that ends here only; connect without a proxy in between.",
    endsSession: false,
  },
  "encryption-incomplete": malformed(
    "An encrypted key takes SMIMECapabilities and one of decryptKeyID and asymmDecryptKeyID in the request (RFC 7030 4.4.1).",
  ),
  "encryption-unsupported": malformed(
    "The key cannot be encrypted with what the request offers: AES-CBC for the content and AES key wrap, or RSA encryption for an RSA key, under a key that may be used so.",
  ),
  "decrypt-key-unknown": malformed(
    "The key that the new key is to be encrypted under is not known here for this device.",
  ),
  "name-change-refused": forbidden("A renewal keeps its names here; leave changeSubjectName (RFC 6402 2.8) out."),
  "fullcmc-not-offered": { status: 404, text: "There is no fullcmc here; use simpleenroll.", endsSession: false },
  "cmc-malformed": malformed(
    "The body is not base64 (RFC 4648 section 4) of a well-formed Full PKI Request (RFC 5272 3.2).",
  ),
  "cmc-control": malformed("The request holds a control that is malformed or not understood here (RFC 5272 6)."),
  "cmc-proof": malformed(
    "Proofs by a shared secret (RFC 5272 6.2, 6.3) are not known here; sign with the device's certificate, or log in with user and password.",
  ),
  "cmc-requests": malformed("A Full PKI Request is taken here with exactly one PKCS #10 request in it."),
  "cmc-signature": malformed(
    "The signature of the Full PKI Request does not verify; sign with the key of the device's certificate, or under its subjectKeyIdentifier with the key that is to be certified.",
  ),
  "cmc-algorithm": malformed(
    "The Full PKI Request is signed with an algorithm or a key that is not supported here; sign with SHA-256 or better.",
  ),
  "cmc-signer": unauthorized,
  "not-allowed": forbidden("This device may not be enrolled here."),
  "ca-refused": forbidden("The certificate authority has refused this request."),
  // The peer need not know which of the two it is.
  "upstream-unusable": later,
  overloaded: later,
};

/** A request that the server refuses; `code` says why, the table above says what the peer gets. */
export class EstRefused extends HatcheryError<EstRefusal> {
  /** From when on the request is allowed, in milliseconds, where that can be told; the peer is told it too. */
  readonly from: number | undefined;

  constructor(code: EstRefusal, message: string, options: { readonly cause?: unknown; readonly from?: number } = {}) {
    super(code, message, options);
    this.name = "EstRefused";
    this.from = options.from;
  }
}

/** Everything that a device ends its run for. */
export type EstDeviceFailure =
  | "url-malformed"
  | "server-refused"
  | "cmc-failed"
  | "cmc-not-trusted"
  | "cmc-not-the-answer"
  | "status-unexpected"
  | "response-media-type"
  | "response-malformed"
  | "csrattrs-malformed"
  | "key-kind-unsupported"
  | "key-kind-conflict"
  | "signature-unsupported"
  | "request-not-fillable"
  | "binding-wanted"
  | "redirected"
  | "challenge-unanswerable"
  | "challenge-missing"
  | "server-busy"
  | "fingerprint-not-found"
  | "fingerprint-declined"
  | "fingerprint-not-kept"
  | "anchor-missing"
  | "user-malformed"
  | "psk-guessable"
  | "anchors-not-confirmed"
  | "encryption-impossible"
  | "key-not-encrypted"
  | "key-unreadable"
  | "key-signer-not-trusted"
  | "certificate-not-ours"
  | "certificate-not-trusted"
  | "certificate-not-current"
  | "certificate-names-another"
  | "certificate-of-a-ca"
  | "retry-after-missing"
  | "waited-too-long"
  | "nothing-to-renew";

/** A device's run that ended without a certificate; the device keeps what it had before. */
export class EstFailed extends HatcheryError<EstDeviceFailure> {
  constructor(
    code: EstDeviceFailure,
    message: string,
    options: { readonly cause?: unknown; readonly details?: Readonly<Record<string, string | number>> } = {},
  ) {
    super(code, message, options);
    this.name = "EstFailed";
  }
}

/** How long the server that `error` speaks of wants not to be asked again (RFC 9110 10.2.3), in milliseconds; 0 when it did not say. */
export function millisecondsAsked(error: unknown): number {
  return error instanceof EstFailed ? Number(error.details["retryAfter"] ?? 0) * 1000 : 0;
}
