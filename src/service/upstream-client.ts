import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { sha256 } from "../crypto/mac.ts";
import type { Certificate } from "../pki/certificate.ts";
import { isForRegistrationAuthority } from "../pki/registration-authority.ts";
import { decodeResponse, EstFailed, type EstResponse, encodeRequest } from "../protocols/est/index.ts";
import { dialHttps } from "../transport/http/client.ts";
import type { HttpResponse } from "../transport/http/message.ts";
import { ServiceError } from "./errors.ts";
import { associations } from "./upstream-associations.ts";
import { originOf, type UpstreamSettings } from "./upstream-settings.ts";

/** What the upstream said to a certification request. Nothing in its certificates has been verified. */
export type UpstreamAnswer =
  | UpstreamCertificates
  /** Seconds after which the same may be asked again. */
  | { readonly kind: "pending"; readonly retryAfter: number }
  | { readonly kind: "refused"; readonly reason: string };

export interface UpstreamCertificates {
  readonly kind: "certificates";
  readonly certificates: readonly Certificate[];
}

/** The RA's end of RFC 7030 towards one upstream server. Each call throws `upstream-unusable` or `overloaded` for whatever may pass. */
export interface UpstreamClient {
  /** As published; nothing has been verified. */
  cacerts(): Promise<readonly Certificate[]>;
  /** The certificates that a request was answered with in the last minute. */
  remembered(request: Uint8Array): UpstreamCertificates | undefined;
  /** `request`: PKCS #10 in DER, sent as it is. */
  simpleenroll(request: Uint8Array): Promise<UpstreamAnswer>;
  close(): Promise<void>;
}

/** A client of the server in `settings`; it connects with the first request. */
export function upstreamClient(settings: UpstreamSettings, clock: Clock): UpstreamClient {
  const { anchors, credential, label } = settings;
  const dial = () =>
    dialHttps({
      url: originOf(settings),
      // RFC 7030 3.6.1: under explicit anchors id-kp-cmcRA stands for the name of the host.
      trust: { kind: "anchors", anchors, acceptOtherName: isForRegistrationAuthority },
      ...(credential.kind === "certificate" ? { credential: { chain: credential.chain, key: credential.key } } : {}),
      timeouts,
      limits,
    });
  const connections = associations(dial, clock);
  const basic = credential.kind === "password" ? { user: credential.user, password: credential.password } : undefined;
  /** A device that asks again while its request is under way shares the answer. */
  const underWay = new Map<string, Promise<UpstreamAnswer>>();
  const answered = new Map<string, { readonly answer: UpstreamCertificates; readonly at: number }>();

  /** The oldest stand first. */
  function forgetOld(): void {
    const now = clock.monotonic();
    for (const [name, { at }] of answered) {
      if (now - at < rememberedFor && answered.size <= mostRemembered) break;
      answered.delete(name);
    }
  }

  async function enroll(name: string, request: Uint8Array): Promise<UpstreamAnswer> {
    const response = await connections.request(encodeRequest("simpleenroll", label, request, basic));
    const answer = answerOf("simpleenroll", response, clock);
    answered.delete(name);
    if (answer.kind === "certificates") answered.set(name, { answer, at: clock.monotonic() });
    forgetOld();
    return answer;
  }

  return {
    async cacerts() {
      const response = await connections.request(encodeRequest("cacerts", label, undefined, undefined));
      const answer = answerOf("cacerts", response, clock);
      if (answer.kind === "certificates") return answer.certificates;
      throw notAnswered(answer.kind === "refused" ? answer.reason : "it asks for patience");
    },
    remembered(request) {
      forgetOld();
      return answered.get(hex(sha256(request)))?.answer;
    },
    simpleenroll(request) {
      const name = hex(sha256(request));
      const asked = underWay.get(name) ?? enroll(name, request).finally(() => underWay.delete(name));
      underWay.set(name, asked);
      return asked;
    },
    close: () => connections.close(),
  };
}

function answerOf(operation: "cacerts" | "simpleenroll", response: HttpResponse, clock: Clock): UpstreamAnswer {
  try {
    return decodeResponse(operation, response, clock.now()) satisfies EstResponse;
  } catch (error) {
    if (!(error instanceof EstFailed)) throw error;
    if (judgesTheRequest(error)) return { kind: "refused", reason: error.message };
    throw notAnswered(error.message, error);
  }
}

/**
 * A 4xx is the upstream's no to the request (RFC 7030 4.2.3), but for those that are about this side's credentials, the
 * URL, or the time: the operator or the clock cures them, and no device shall be turned away for them.
 */
function judgesTheRequest({ code, details }: EstFailed): boolean {
  const status = Number(details["status"]);
  return code === "server-refused" && status < 500 && !notTheRequest.has(status);
}

function notAnswered(reason: string, cause?: unknown): ServiceError {
  return new ServiceError("upstream-unusable", `the upstream EST server gave no usable answer: ${reason}`, { cause });
}

const notTheRequest: ReadonlySet<number> = new Set([401, 404, 405, 407, 408, 425, 429]);

/** Shorter than a device's patience: it is told to come again, rather than kept waiting. */
const timeouts = { connect: 5_000, handshake: 5_000, header: 20_000, body: 5_000 } as const;
/** Longer than a device that is told to come again takes, in milliseconds. */
const rememberedFor = 60_000;
const mostRemembered = 1000;
/** The most that `decodeCertsOnly` reads, in base64 with line ends. */
const limits = { headerBytes: 16_384, bodyBytes: 393_216 } as const;
