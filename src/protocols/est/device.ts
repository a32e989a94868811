import type { Connection, Peer } from "../../core/link.ts";
import type { Certificate } from "../../pki/certificate.ts";
import { buildCertificationRequest } from "../../pki/csr.ts";
import { type HttpRequest, type HttpResponse, singleField } from "../../transport/http/message.ts";
import type { DeviceKey } from "../ports.ts";
import { acceptAuthorities, acceptCertificate } from "./accept.ts";
import { labelPattern, operationNames, runHeader } from "./constants.ts";
import type { EstDeviceEnv, EstDeviceSettings } from "./device-env.ts";
import { DeviceLedger } from "./device-ledger.ts";
import { EstFailed } from "./errors.ts";
import { decodeResponse, encodeRequest } from "./http.ts";
import { challengePassword } from "./keys.ts";
import { namesToRenew } from "./subject.ts";

export interface EnrolledCredential {
  readonly certificate: Certificate;
  /** Issuers of the certificate below the root. */
  readonly chain: readonly Certificate[];
  readonly key: DeviceKey;
  /** The server's name of the run, when it is a Hatchery. */
  readonly run?: string;
}

/**
 * Enrols the device, or renews its certificate, as RFC 7030 sections 4.1 and 4.2 draw it: cacerts, request, perhaps a
 * wait, certificate. The key is stored before it is certified, so a device that was switched off goes on with the same
 * request. Throws EstFailed, or the transport's error; what the device had before stays untouched.
 */
export async function enroll(
  operation: "simpleenroll" | "simplereenroll",
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
  operation: "simpleenroll" | "simplereenroll",
  settings: EstDeviceSettings,
  env: EstDeviceEnv,
  ledger: DeviceLedger,
): Promise<EnrolledCredential> {
  const { server } = settings;
  const deadline = env.clock.monotonic() + settings.patience;
  let connection = await dial(settings, env);
  try {
    ledger.connected(connection.peer);
    const key = await pendingKey(settings, env, ledger);
    // 4.1.2: the CA's certificates first, under the explicit anchor.
    const authorities = await requestAuthorities(connection, settings, env, ledger);
    let csr: Uint8Array | undefined;
    for (;;) {
      // 4.2.3: the same request is repeated; only one that is bound to its association has to be made again.
      if (csr === undefined || settings.binding === "auto")
        csr = await certificationRequest(settings, key, connection.peer);
      const request = encodeRequest(operation, server.label, csr, settings.credentials);
      ledger.requested(operation, request, connection.peer, key);
      const answer = await connection.request(request, env.signal);
      const response = decodeResponse(operation, answer, env.clock.now());
      const run = singleField(answer.headers, runHeader);
      ledger.serverRun = run;
      if (response.kind === "certificates") {
        const accepted = acceptCertificate(response.certificates, key, authorities, env.clock.now());
        ledger.certified(operation, answer, connection.peer, accepted.certificate, accepted.signaturesVerified);
        await env.storage.saveCredential({
          key,
          certificate: accepted.certificate.raw,
          chain: accepted.chain.map((issuer) => issuer.raw),
          authorities: authorities.map((authority) => authority.raw),
        });
        const { certificate, chain } = accepted;
        return { certificate, chain, key, ...(run === undefined ? {} : { run }) };
      }
      ledger.pending(operation, answer, connection.peer, response.retryAfter);
      if (env.clock.monotonic() + response.retryAfter * 1000 > deadline) throw waitedTooLong(run, response.retryAfter);
      env.waiting?.(response.retryAfter, run);
      // RFC 9266 4.1: a binding serves one association, so the repeated request goes over a new one.
      await connection.close();
      await env.clock.sleep(response.retryAfter * 1000, env.signal);
      connection = await dial(settings, env);
    }
  } finally {
    await connection.close();
  }
}

function checkSettings(operation: string, { server, identity }: EstDeviceSettings): void {
  if (server.anchors.length === 0)
    throw new EstFailed(
      "anchor-missing",
      "no trust anchor was given; get the CA certificate of the server's operator (there: hatchery ca export) and pass it",
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

function dial(
  { server, identity }: EstDeviceSettings,
  env: EstDeviceEnv,
): Promise<Connection<HttpRequest, HttpResponse>> {
  const { host, port, anchors } = server;
  return env.dial({ host, port, anchors, ...(identity === undefined ? {} : { identity }) }, env.signal);
}

/** The key of an enrolment that was interrupted, or a new one, stored before anybody certifies it. */
async function pendingKey(settings: EstDeviceSettings, env: EstDeviceEnv, ledger: DeviceLedger): Promise<DeviceKey> {
  const kept = await env.storage.pendingKey();
  if (kept !== undefined) {
    ledger.keyed(kept, false);
    return kept;
  }
  const key = await env.keys.generate(settings.keyKind);
  await env.storage.savePendingKey(key);
  ledger.keyed(key, true);
  return key;
}

async function requestAuthorities(
  connection: Connection<HttpRequest, HttpResponse>,
  { server }: EstDeviceSettings,
  env: EstDeviceEnv,
  ledger: DeviceLedger,
): Promise<readonly Certificate[]> {
  const request = encodeRequest("cacerts", server.label, undefined, undefined);
  ledger.asked(request, connection.peer);
  const answer = await connection.request(request, env.signal);
  const response = decodeResponse("cacerts", answer, env.clock.now());
  // 4.1.3: any status but 200 ends the enrolment; decodeResponse lets no 202 through for cacerts.
  const published = response.kind === "certificates" ? response.certificates : [];
  const { authorities, signaturesVerified } = acceptAuthorities(published, server.anchors, env.clock.now());
  ledger.authorities(answer, connection.peer, authorities, signaturesVerified);
  return authorities;
}

async function certificationRequest(
  { subject, identity, binding }: EstDeviceSettings,
  key: DeviceKey,
  peer: Peer,
): Promise<Uint8Array> {
  const names = identity?.credential === "ldevid" ? namesToRenew(identity.chain) : { subject, extensions: [] };
  return buildCertificationRequest({
    ...names,
    signer: key.signer,
    ...(binding === "auto" ? { challengePassword: challengePassword(peer) } : {}),
  });
}

function waitedTooLong(run: string | undefined, retryAfter: number): EstFailed {
  const about = run === undefined ? "" : ` on run ${run}`;
  const text = `the server still waits for a decision${about}; ask its operator to approve it, then repeat this command: the key is kept`;
  return new EstFailed("waited-too-long", text, { details: { retryAfter, ...(run === undefined ? {} : { run }) } });
}
