import { codeOf } from "../../core/errors.ts";
import type { Connection, Peer } from "../../core/link.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { buildCertificationRequest } from "../../pki/csr.ts";
import type { RequestRequirements } from "../../pki/csr-attributes-requirements.ts";
import type { HttpRequest, HttpResponse } from "../../transport/http/message.ts";
import type { DeviceKey, ServerAnchors } from "../ports.ts";
import { acceptCertificate, type CaCertificates } from "./accept.ts";
import { type Expected, requireOwnNames } from "./accept-names.ts";
import { Backoff, spread } from "./backoff.ts";
import { busyPause, labelPattern, operationNames } from "./constants.ts";
import { isWanted, keyKindFor, requestContent, requireWantedKey, signerFor } from "./device-attributes.ts";
import { type HttpAuthentication, httpAuthentication } from "./device-authentication.ts";
import { buildFullRequest, type CmcTransaction, decodeFullResponse, extensionsForCmc } from "./device-cmc.ts";
import type { EstDeviceEnv, EstDeviceSettings, EstTrust } from "./device-env.ts";
import { DeviceLedger } from "./device-ledger.ts";
import { dial, requestAuthorities, requestRequirements } from "./device-reads.ts";
import { type Asking, ask } from "./device-redirect.ts";
import { protectionAttributes, takeServerKey } from "./device-server-key.ts";
import { establishTrust, isGuessable } from "./device-trust.ts";
import { unusualWishes } from "./device-wishes.ts";
import { EstFailed, millisecondsAsked } from "./errors.ts";
import { decodeResponse, encodeRequest, runIn } from "./http.ts";
import { encodeFullCmc } from "./http-fullcmc.ts";
import { decodeGenerated } from "./http-generated.ts";
import { challengePassword } from "./keys.ts";
import type { EstResponse, GeneratedResponse } from "./messages.ts";

/**
 * `serverkeygen`: the key is the server's, and the one that the device makes only tells its request from others. `fullcmc`: an
 * enrolment, or with the CA's own certificate a renewal, in messages of CMC.
 */
export type EnrollOperation = "simpleenroll" | "simplereenroll" | "serverkeygen" | "fullcmc";

export interface EnrolledCredential {
  readonly certificate: Certificate;
  /** Issuers of the certificate below the root. */
  readonly chain: readonly Certificate[];
  readonly key: DeviceKey;
  /** How the server was known: by anchors of one of the two sets, or by a fingerprint in this very run. */
  readonly trust: EstTrust["kind"];
  /** The server's name of the run, when it is a Hatchery. */
  readonly run?: string;
}

/**
 * Enrols the device, or renews its certificate, as RFC 7030 sections 4.1 and 4.2 draw it: cacerts, request, perhaps a
 * wait, certificate. The key is stored before it is certified, so a device that was switched off goes on with the same
 * request. Throws EstFailed, or the transport's error; what the device had before stays untouched.
 */
export async function enroll(
  operation: EnrollOperation,
  settings: EstDeviceSettings,
  env: EstDeviceEnv,
): Promise<EnrolledCredential> {
  checkSettings(operation, settings);
  const ledger = new DeviceLedger(operation, settings, env);
  try {
    const credential = await exchange(operation, settings, env, ledger);
    ledger.finish("granted", "certificate installed");
    return credential;
  } catch (error) {
    ledger.failed(error);
    throw error;
  }
}

async function exchange(
  operation: EnrollOperation,
  settings: EstDeviceSettings,
  env: EstDeviceEnv,
  ledger: DeviceLedger,
): Promise<EnrolledCredential> {
  const deadline = env.clock.monotonic() + settings.patience;
  const backoff = new Backoff(busyPause, env.randomness);
  const authentication = httpAuthentication(settings, env.randomness);
  const established = await establishTrust(settings, env);
  // 4.1.3: the CA's own anchors take over with the certificate; until then each association is verified as the first one was.
  const { anchors } = established;
  let key: DeviceKey | undefined;
  let ca: CaCertificates | undefined;
  let lasting: readonly Uint8Array[] = [];
  let requirements: RequestRequirements | undefined;
  let csr: Uint8Array | undefined;
  for (;;) {
    const connection = await dial(settings, anchors, env);
    let pause: Pause;
    try {
      ledger.connected(connection.peer, established);
      if (ca === undefined) {
        // 4.1.2: the CA's certificates first, from a server that is authenticated.
        const read = await requestAuthorities(connection, anchors, settings, env, ledger);
        ({ ca, lasting } = read);
        if (read.ended) continue;
      }
      if (requirements === undefined) {
        const read = await requestRequirements(operation, connection, anchors, settings, env, ledger);
        ({ requirements } = read);
        if (read.ended) continue;
      }
      key ??= await pendingKey(requirements, settings, env, ledger);
      const asked = await requestCertificate(
        operation,
        connection,
        { csr, requirements, key, authentication },
        settings,
        anchors,
        env,
        ledger,
      );
      ({ csr } = asked);
      const { answer, peer } = asked;
      const response = decodeAnswer(operation, asked, ca, env.clock.now());
      const run = runIn(answer.headers);
      ledger.serverRun = run;
      if (response.kind !== "pending") {
        const made = response.kind === "generated" ? takeServerKey(response.key, settings, ca, peer, env) : undefined;
        const certified = made ?? key;
        const accepted = acceptCertificate(response.certificates, certified, ca, env.clock.now());
        requireOwnNames(accepted.certificate, expectedOf(requirements, settings), env.warning);
        if (response.kind === "generated") ledger.received(response.key, certified);
        ledger.certified(operation, answer, peer, accepted.certificate, accepted.signaturesVerified);
        await env.storage.saveCredential({
          key: certified,
          ...(made === undefined ? {} : { replaces: key }),
          certificate: accepted.certificate.raw,
          chain: accepted.chain.map((issuer) => issuer.raw),
          authorities: ca.authorities.map((authority) => authority.raw),
          anchors: lasting,
        });
        const { certificate, chain } = accepted;
        const trust = established.bootstrap?.kind ?? established.anchors.kind;
        return { certificate, chain, key: certified, trust, ...(run === undefined ? {} : { run }) };
      }
      ledger.pending(operation, answer, peer, response.retryAfter);
      if (authentication.withheld()) throw unchallenged(run);
      const { retryAfter } = response;
      // RFC 7030 4.2.3: at least so long; a fleet that was told one time does not come back at one time.
      pause = { why: "decision", run, retryAfter, milliseconds: spread(retryAfter * 1000, env.randomness) };
    } catch (error) {
      if (key !== undefined && requirements !== undefined && isRenewal(settings) && isRefusal(error))
        await newPendingKey(requirements, settings, env);
      if (codeOf(error) !== "server-busy") throw error;
      pause = { why: "busy", error, milliseconds: backoff.next(millisecondsAsked(error)) };
    } finally {
      // RFC 9266 4.1: a binding serves one association, so the repeated request goes over a new one.
      await connection.close();
    }
    if (env.clock.monotonic() + pause.milliseconds > deadline)
      throw pause.why === "busy" ? pause.error : waitedTooLong(pause.run, pause.retryAfter);
    env.waiting?.(Math.ceil(pause.milliseconds / 1000), pause.why === "busy" ? undefined : pause.run, pause.why);
    await env.clock.sleep(pause.milliseconds, env.signal);
  }
}

function expectedOf(requirements: RequestRequirements, settings: EstDeviceSettings): Expected {
  const { identity } = settings;
  const [leaf] = identity?.credential === "ldevid" ? identity.chain : [];
  if (leaf !== undefined) return { kind: "renewal", of: parseCertificate(leaf) };
  return { kind: "first", subject: requestContent(requirements, settings).subject };
}

/** An answer, and what the request was that it answers. */
interface Asked {
  readonly answer: HttpResponse;
  readonly peer: Peer;
  readonly csr: Uint8Array;
  /** Of fullcmc. */
  readonly transaction: CmcTransaction | undefined;
}

function decodeAnswer(
  operation: EnrollOperation,
  { answer, transaction }: Asked,
  ca: CaCertificates,
  now: number,
): EstResponse | GeneratedResponse {
  if (transaction !== undefined) return decodeFullResponse(answer, transaction, ca, now);
  return operation === "serverkeygen" && answer.status === 200
    ? decodeGenerated(answer)
    : decodeResponse(operation, answer, now);
}

/** Why the device asks again later: a person has to decide (202), or the server is busy (503). */
type Pause =
  | {
      readonly why: "decision";
      readonly run: string | undefined;
      /** Seconds, as the server said. */
      readonly retryAfter: number;
      readonly milliseconds: number;
    }
  | { readonly why: "busy"; readonly error: unknown; readonly milliseconds: number };

async function requestCertificate(
  operation: EnrollOperation,
  connection: Connection<HttpRequest, HttpResponse>,
  {
    csr,
    requirements,
    key,
    authentication,
  }: {
    readonly csr: Uint8Array | undefined;
    readonly requirements: RequestRequirements;
    readonly key: DeviceKey;
    readonly authentication: HttpAuthentication;
  },
  settings: EstDeviceSettings,
  anchors: ServerAnchors,
  env: EstDeviceEnv,
  ledger: DeviceLedger,
): Promise<Asked> {
  const { server, binding, identity } = settings;
  // 4.2.3: the same request is repeated; only one that is bound to its association has to be made again.
  let current = binding === "auto" ? undefined : csr;
  let transaction: CmcTransaction | undefined;
  const asking: Asking = {
    operation,
    async make(peer) {
      current =
        binding === "never" && current !== undefined
          ? current
          : await certificationRequest(operation, requirements, settings, key, peer);
      if (operation !== "fullcmc") return encodeRequest(operation, server.label, current, undefined);
      const full = await buildFullRequest(current, key, identity, env.randomness);
      ({ transaction } = full);
      return encodeFullCmc(server.label, full.message);
    },
    dial: (origin) => dial({ ...settings, server: { ...server, ...origin } }, anchors, env),
    mayLeave: settings.redirect === "other-origin" && anchors.kind !== "psk",
    authentication,
    sent: (request, peer) => ledger.requested(operation, request, peer, key),
    redirected: (answer, peer) => ledger.redirected(operation, answer, peer),
  };
  const { answer, peer } = await ask(connection, server, asking, env.signal);
  return { answer, peer, csr: current as Uint8Array, transaction };
}

function checkSettings(operation: string, { server, identity, credentials }: EstDeviceSettings): void {
  const { trust } = server;
  // RFC 7617 2: the server would take the rest of the name for a part of the password.
  if (credentials?.user.includes(":") === true)
    throw new EstFailed(
      "user-malformed",
      "the name of a user has no colon in HTTP authentication; choose another user",
    );
  if ((trust.kind === "explicit" || trust.kind === "implicit") && trust.anchors.length === 0)
    throw new EstFailed(
      "anchor-missing",
      "no trust anchor was given; get the CA certificate of the server's operator (there: hatchery ca export) and pass it",
    );
  if (trust.kind === "psk" && isGuessable(trust.key))
    throw new EstFailed(
      "psk-guessable",
      "a pre-shared key has at least 32 random octets: whoever answers the device once can try all passwords against what it sent",
    );
  if (server.label !== undefined && (!labelPattern.test(server.label) || operationNames.has(server.label))) {
    throw new EstFailed(
      "url-malformed",
      `${server.label} cannot be a label: it is one path segment and not the name of an operation (RFC 7030 3.2.2)`,
    );
  }
  if (operation === "simplereenroll" && identity?.credential !== "ldevid") {
    throw new EstFailed("nothing-to-renew", "a renewal needs the certificate that is to be renewed, and its key");
  }
}

/**
 * The key of an enrolment that was interrupted, or a new one, stored before anybody certifies it. What cannot be asked for ends
 * the run before there is one. A renewal that the CA wants another kind of key for by now begins anew by itself: nobody is
 * there to remove the kept one, and no decision waits that was made for it; a kind that somebody chose is for that person to change.
 */
async function pendingKey(
  requirements: RequestRequirements,
  settings: EstDeviceSettings,
  env: EstDeviceEnv,
  ledger: DeviceLedger,
): Promise<DeviceKey> {
  for (const wish of unusualWishes(requestContent(requirements, settings), settings)) env.warning?.(wish);
  const kept = await env.storage.pendingKey();
  const isReplaced = isRenewal(settings) && settings.keyKind === undefined;
  if (kept !== undefined && !(isReplaced && !isWanted(requirements, kept.kind))) {
    requireWantedKey(requirements, kept);
    ledger.keyed(kept, false);
    return kept;
  }
  const key = await newPendingKey(requirements, settings, env);
  ledger.keyed(key, true);
  return key;
}

/** In place of the one that is kept. */
async function newPendingKey(
  requirements: RequestRequirements,
  { keyKind }: EstDeviceSettings,
  { keys, storage }: EstDeviceEnv,
): Promise<DeviceKey> {
  const key = await keys.generate(keyKindFor(requirements, keyKind));
  await storage.savePendingKey(key);
  return key;
}

function isRenewal({ identity }: EstDeviceSettings): boolean {
  return identity?.credential === "ldevid";
}

/** Whether the server has refused the request for what it is: with the same key it would refuse it for ever. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof EstFailed) || (error.code !== "server-refused" && error.code !== "cmc-failed")) return false;
  const { status } = error.details;
  return status === 400 || status === 403;
}

async function certificationRequest(
  operation: EnrollOperation,
  requirements: RequestRequirements,
  settings: EstDeviceSettings,
  key: DeviceKey,
  peer: Peer,
): Promise<Uint8Array> {
  const content = requestContent(requirements, settings);
  const forCmc = operation === "fullcmc" ? extensionsForCmc(key, settings.identity) : [];
  return buildCertificationRequest({
    ...content,
    extensions: [...content.extensions, ...forCmc],
    signer: signerFor(requirements, key),
    ...(settings.binding === "auto" ? { challengePassword: challengePassword(peer) } : {}),
    ...(operation === "serverkeygen" ? { attributes: protectionAttributes(settings) } : {}),
  });
}

function unchallenged(run: string | undefined): EstFailed {
  const sentence =
    "the server lets the request wait (202) as anybody's: it has not asked for the password, which HTTP Digest sends only when asked; use Basic (--http-auth basic), or have its operator give this user Digest (there: hatchery est user add --digest)";
  return new EstFailed("challenge-missing", sentence, {
    details: { status: 202, ...(run === undefined ? {} : { run }) },
  });
}

function waitedTooLong(run: string | undefined, retryAfter: number): EstFailed {
  const about = run === undefined ? "" : ` on run ${run}`;
  const text = `the server still waits for a decision${about}; ask its operator to approve it, then repeat this command: the key is kept`;
  return new EstFailed("waited-too-long", text, { details: { retryAfter, ...(run === undefined ? {} : { run }) } });
}
