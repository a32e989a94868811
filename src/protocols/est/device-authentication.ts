import { hex } from "../../core/bytes.ts";
import type { Randomness } from "../../core/randomness.ts";
import { fieldValues, type HttpRequest, type HttpResponse, singleField } from "../../transport/http/message.ts";
import type { EstDeviceSettings } from "./device-env.ts";
import { EstFailed } from "./errors.ts";
import { type DigestChallenge, decodeChallenges, encodeBasic, encodeDigest } from "./http-authorization.ts";

/** The device's side of HTTP authentication (RFC 7030 3.2.3), for requests to a server that is authorized already. */
export interface HttpAuthentication {
  /** Whether to ask without a request and without a credential first, for the challenge that the password is proven by. */
  asksFirst(): boolean;
  /** Whether the last request went without the credentials that there are, because nobody has challenged for them. */
  withheld(): boolean;
  /** The request with the credentials that the server is known to want. */
  authorized(request: HttpRequest): HttpRequest;
  /**
   * Whether the request is to be sent once more, because `answer` challenges for what can be answered. Throws EstFailed
   * `challenge-unanswerable` when it asks for nothing that is known here or allowed; a refusal of what was sent it leaves to the caller.
   */
  challenged(answer: HttpResponse): boolean;
  /** The next request goes to another server, whose challenges are its own. */
  elsewhere(): void;
}

/**
 * Answers Basic and Digest challenges for the user in `settings`. Basic is sent unasked, which spares a round trip and a refusal
 * in the server's books (RFC 7617 2.2), unless the settings keep the password here.
 */
export function httpAuthentication(
  { credentials, httpAuthentication: wanted = "basic" }: EstDeviceSettings,
  randomness: Randomness,
): HttpAuthentication {
  let digest: { readonly challenge: DigestChallenge; count: number } | undefined;
  let sent: "nothing" | "basic" | "digest" = "nothing";
  let answered = 0;

  return {
    asksFirst: () => credentials !== undefined && wanted !== "basic" && digest === undefined,

    withheld: () => credentials !== undefined && sent === "nothing",

    authorized(request) {
      if (credentials === undefined) return request;
      const authorizedBy = (value: string) => ({
        ...request,
        headers: [...request.headers, ["Authorization", value] as const],
      });
      if (digest !== undefined) {
        sent = "digest";
        digest.count += 1;
        return authorizedBy(
          encodeDigest(credentials, digest.challenge, request, digest.count, hex(randomness.bytes(16))),
        );
      }
      sent = wanted === "basic" ? "basic" : "nothing";
      return wanted === "basic" ? authorizedBy(encodeBasic(credentials)) : request;
    },

    challenged(answer) {
      const values = fieldValues(answer.headers, "www-authenticate");
      if (credentials === undefined || answer.status !== 401 || values.length === 0) {
        answered = 0;
        return false;
      }
      const { challenges, schemes } = decodeChallenges(values);
      const digests = challenges.filter((each) => each.kind === "digest");
      const challenge =
        digests.find(({ algorithm }) => algorithm === "SHA-256") ??
        (wanted === "digest-md5" ? digests.find(({ algorithm }) => algorithm === "MD5") : undefined);
      const takesBasic = challenges.some(({ kind }) => kind === "basic");
      // The same words once more would be refused once more, and count as another guess.
      if (sent === "basic" && takesBasic) return false;
      if (sent === "digest" && (challenge?.stale !== true || answered >= mostAnswered)) return false;
      if (challenge === undefined) throw unanswerable(schemes, wanted);
      digest = { challenge, count: 0 };
      answered += 1;
      return true;
    },

    elsewhere() {
      digest = undefined;
      sent = "nothing";
      answered = 0;
    },
  };
}

/** Whether the server ends the association with this answer (RFC 9112 9.6), so that a challenge is answered on another one. */
export function endsAssociation({ status, headers }: HttpResponse): boolean {
  // What says no length ends with the association (RFC 9112 6.3), as libest's 401 does; a 204 has no content to measure.
  const framed =
    status === 204 || ["content-length", "transfer-encoding"].some((name) => singleField(headers, name) !== undefined);
  return !framed || (singleField(headers, "connection") ?? "").toLowerCase().includes("close");
}

function unanswerable(schemes: readonly string[], wanted: NonNullable<EstDeviceSettings["httpAuthentication"]>) {
  const known = { basic: "Basic and Digest with SHA-256", digest: "Digest with SHA-256", "digest-md5": "Digest" }[
    wanted
  ];
  const asked = schemes.join(", ").replace(/[^\x20-\x7e]+/g, " ") || "something that cannot be read";
  return new EstFailed(
    "challenge-unanswerable",
    `the server asks for HTTP authentication by ${asked}, and this device is set to answer ${known} only`,
    { details: { status: 401 } },
  );
}

/** Challenges that are answered in a row: the first, and a nonce that has become too old meanwhile (RFC 7616 3.3). */
const mostAnswered = 2;
