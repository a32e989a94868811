import { hex, utf8 } from "../../core/bytes.ts";
import { messageOf } from "../../core/errors.ts";
import type { Peer } from "../../core/link.ts";
import { fingerprinting, saltLabel, saltLength } from "../../knowledge/fingerprint.ts";
import { type RunOutcome, RunRecorder } from "../../knowledge/run.ts";
import type { Certificate } from "../../pki/certificate.ts";
import { type AttrOrOid, encodeCsrAttrs } from "../../pki/csr-attributes.ts";
import { type HttpRequest, type HttpResponse, singleField } from "../../transport/http/message.ts";
import type { DeviceKey } from "../ports.ts";
import { serialOf } from "./accept.ts";
import type { EstDeviceEnv, EstDeviceSettings } from "./device-env.ts";
import type { EstablishedTrust } from "./device-trust.ts";
import { recordTrust, trustVariantOf } from "./device-trust-record.ts";
import type { DeliveredKey } from "./messages.ts";
import {
  carriedByHandshake,
  carriedByRequest,
  estServerPlayer,
  known,
  note,
  recordFrame,
  recordHandshake,
  recordVerifications,
  variantOf,
} from "./record.ts";

/** The device's end of the ledger: begins with its first association, ends with a certificate or a failure. */
export class DeviceLedger {
  /** What the server calls this run. */
  serverRun: string | undefined;
  #run: RunRecorder | undefined;
  #pendings = 0;
  #deliveredForm: DeliveredKey["form"] | undefined;
  #answered = false;
  /** What was told before the server answered the request, for a run that has to begin anew. */
  readonly #told: ((run: RunRecorder) => void)[] = [];
  readonly #operation: string;
  readonly #settings: EstDeviceSettings;
  readonly #env: EstDeviceEnv;

  constructor(operation: string, settings: EstDeviceSettings, env: EstDeviceEnv) {
    this.#operation = operation;
    this.#settings = settings;
    this.#env = env;
  }

  /** An association of the run. Until the server has answered a request, the run that both ends know begins with the next. */
  connected(peer: Peer, { anchors, bootstrap }: EstablishedTrust): void {
    if (this.#answered) return;
    const { identity, credentials, server } = this.#settings;
    const run = new RunRecorder({
      id: hex(this.#env.randomness.bytes(8)),
      protocol: "est",
      variant: trustVariantOf(this.#operation, anchors, bootstrap) ?? variantOf(this.#operation, this.#credential()),
      link: peer.security === undefined ? "none" : `${peer.security.version} ${peer.security.cipherSuite}`,
      by: "device",
      fingerprint: fingerprinting(peer.exporter(saltLabel, saltLength)),
      clock: this.#env.clock,
    });
    this.#run = run;
    run.phase("trust");
    note(run, "hold", known.uri, "device", utf8(`${server.host}:${server.port}`));
    recordTrust(run, anchors, bootstrap);
    const leaf = identity?.chain[0];
    if (identity?.credential === "idevid" && leaf !== undefined) {
      note(run, "hold", known.idevid, "device", leaf);
      note(run, "hold", known.idevidKey, "device");
      const serial = serialOf(leaf);
      if (serial !== undefined) note(run, "hold", known.serial, "device", utf8(serial));
    }
    if (identity?.credential === "ldevid" && leaf !== undefined) {
      note(run, "hold", known.previous, "device", leaf);
      note(run, "hold", known.previousKey, "device");
    }
    if (credentials !== undefined) {
      note(run, "hold", known.account, "device", utf8(credentials.user));
      note(run, "hold", known.password, "device", utf8(credentials.password));
    }
    run.contact(estServerPlayer);
    recordHandshake(run, peer, "device", identity?.chain ?? [], carriedByHandshake(this.#credential()));
    for (const record of this.#told) record(run);
  }

  keyed(key: DeviceKey, generated: boolean): void {
    this.#tell((run) => {
      run.phase("deliver");
      if (generated)
        run.operation({
          operation: "keygen",
          algorithm: key.kind,
          role: "device",
          purpose: "new key",
          evidence: "counted",
        });
      // The key in a request for the server's is nobody's (RFC 7030 4.4.1).
      if (this.#operation === "serverkeygen") return;
      note(run, "derive", known.key, "device");
      note(run, "derive", known.publicKey, "device", key.signer.publicKey);
    });
  }

  asked(operation: "cacerts" | "csrattrs", request: HttpRequest, peer: Peer): void {
    this.#tell((run) => recordFrame(run, operation, "request", peer, request.body.length));
  }

  requirements(answer: HttpResponse, peer: Peer, elements: readonly AttrOrOid[]): void {
    const says = elements.length > 0;
    this.#tell((run) => {
      recordFrame(run, "csrattrs", "response", peer, says ? answer.body.length : 0, {
        carries: says ? [known.wishes.fact] : [],
        decoded: { elements: elements.length },
      });
      if (says) note(run, "learn", known.wishes, "device", encodeCsrAttrs(elements));
    });
  }

  authorities(answer: HttpResponse, peer: Peer, authorities: readonly Certificate[], signaturesVerified: number): void {
    const root = authorities[0];
    this.#tell((run) => {
      recordFrame(run, "cacerts", "response", peer, answer.body.length, {
        carries: [known.domainAnchor.fact, known.anchor.fact],
        decoded: { certificates: authorities.length },
      });
      recordVerifications(run, "device", "CA certificates", signaturesVerified);
      if (root !== undefined) note(run, "learn", known.domainAnchor, "device", root.raw);
    });
  }

  requested(operation: string, request: HttpRequest, peer: Peer, key: DeviceKey): void {
    const run = this.#run;
    if (run === undefined) return;
    run.operation({
      operation: "sign",
      algorithm: key.kind,
      role: "device",
      purpose: "proof of possession",
      evidence: "counted",
    });
    const scheme = singleField(request.headers, "authorization")?.split(" ", 1)[0]?.toLowerCase();
    const credentials =
      scheme === undefined ? {} : { credentials: { kind: scheme === "basic" ? scheme : "digest" } as const };
    const carries = carriedByRequest({ kind: operation, ...credentials }, this.#credential());
    recordFrame(run, operation, "request", peer, request.body.length, { carries, repeated: this.#pendings > 0 });
  }

  redirected(operation: string, answer: HttpResponse, peer: Peer): void {
    const decoded = { status: answer.status };
    if (this.#run !== undefined) recordFrame(this.#run, operation, "redirect", peer, answer.body.length, { decoded });
  }

  pending(operation: string, answer: HttpResponse, peer: Peer, retryAfter: number): void {
    this.#answered = true;
    this.#pendings += 1;
    // One line tells that it waited; the server does not record each time that it was asked again either.
    if (this.#run !== undefined && this.#pendings === 1)
      recordFrame(this.#run, operation, "pending", peer, answer.body.length, { decoded: { retryAfter } });
  }

  certified(
    operation: string,
    answer: HttpResponse,
    peer: Peer,
    certificate: Certificate,
    signaturesVerified: number,
  ): void {
    const run = this.#run;
    if (run === undefined) return;
    const form = this.#deliveredForm;
    recordFrame(run, operation, "response", peer, answer.body.length, {
      carries: [known.certificate.fact, ...(form === undefined ? [] : [known.serverKey.fact])],
      decoded: form === undefined ? {} : { key: form },
    });
    recordVerifications(run, "device", "issued certificate", signaturesVerified);
    note(run, "learn", known.certificate, "device", certificate.raw);
  }

  /** The key that the server has made; `certified` follows. */
  received({ form }: DeliveredKey, { signer }: DeviceKey): void {
    this.#deliveredForm = form;
    if (this.#run !== undefined) note(this.#run, "learn", known.serverKey, "device", signer.publicKey);
  }

  finish(outcome: RunOutcome, reason: string): void {
    if (this.#run === undefined) return;
    const run = this.#run.finish(outcome, reason);
    this.#env.ledger?.(this.serverRun === undefined ? run : { ...run, id: this.serverRun });
  }

  failed(error: unknown): void {
    this.#run?.error(error, "local", messageOf(error));
    this.finish("failed", messageOf(error));
  }

  #tell(record: (run: RunRecorder) => void): void {
    if (!this.#answered) this.#told.push(record);
    if (this.#run !== undefined) record(this.#run);
  }

  #credential(): "idevid" | "ldevid" | "password" | "psk" | "anonymous" {
    const { identity, credentials } = this.#settings;
    if (identity === undefined && this.#settings.server.trust.kind === "psk") return "psk";
    return identity?.credential ?? (credentials === undefined ? "anonymous" : "password");
  }
}
