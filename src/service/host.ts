import { hex, textOf, utf8 } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import type { Peer } from "../core/link.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Write } from "../core/write.ts";
import { fingerprinting, saltLabel, saltLength } from "../knowledge/fingerprint.ts";
import { type Run, RunRecorder } from "../knowledge/run.ts";
import type { Output, Ports, Responder, RunState, Step } from "../protocols/ports.ts";
import type { StoredSession } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";
import { sessionPurpose, type Vault } from "./vault.ts";

/** The rest of the house as one tenant's protocols see it, the ledger apart. */
export type TenantPorts = Omit<Ports, "run">;

export interface HostOptions<Message, Session, Reply> extends Surroundings {
  readonly responder: Responder<Message, Session, Reply>;
  readonly ports: TenantPorts;
}

interface Surroundings {
  readonly tenant: string;
  readonly protocol: string;
  readonly store: Store;
  readonly vault: Vault;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/** Memory of one association: anonymous reads on it belong to the run that begins on it. */
export interface AssociationMemory {
  prelude?: Run;
}

export interface Answer<Reply> {
  readonly reply: Reply;
  /** The run that this answer belongs to; undefined for anonymous reads. */
  readonly run: string | undefined;
}

/** Answers one message of a peer; resolves when everything that the answer promises is in the store. */
export type Host<Message, Reply> = (
  message: Message,
  peer: Peer,
  association: AssociationMemory,
) => Promise<Answer<Reply>>;

/**
 * Runs a responder against the store: loads the session, steps, commits session, writes, run and audit together, and
 * only then lets the reply go. A lost guard means that somebody else was first: the step runs again on what is there now.
 * Throws `contended` when that happens three times.
 */
export function host<Message, Session, Reply>(options: HostOptions<Message, Session, Reply>): Host<Message, Reply> {
  const { tenant, protocol, responder, store, clock } = options;
  return async (message, peer, association) => {
    const key = responder.session(message, peer);
    for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
      const stored = key === undefined ? undefined : await store.sessions.load(tenant, protocol, key, clock.now());
      const envelope = stored === undefined ? undefined : await openEnvelope<Session>(options, stored);
      const ledger = ledgerFor(options, peer, envelope, association);
      const step = await responder.step(
        envelope?.session,
        { kind: "message", message, peer },
        { ...options.ports, run: ledger.recorder },
      );
      if (step.run === undefined && key === undefined) remember(association, ledger.recorder);
      try {
        await store.commit([
          ...sessionWrites(options, key, stored, step, ledger),
          ...step.writes,
          ...runWrites(options, step.run, ledger, step.next === "keep" && envelope?.ledger !== undefined),
        ]);
      } catch (error) {
        if (codeOf(error) !== "guard-lost") throw error;
        // It may have been the guard of the session's data key.
        await options.vault.refresh();
        continue;
      }
      if (step.run !== undefined) delete association.prelude;
      return { reply: replyOf(step.outputs), run: step.run === undefined ? undefined : ledger.recorder.header.id };
    }
    throw new ServiceError("contended", "the same request was changed by others three times in a row");
  };
}

/** The first anonymous reads of an association; a peer that reads on and on adds nothing to what a run can tell. */
function remember(association: AssociationMemory, recorder: RunRecorder): void {
  const read = recorder.finish("granted", "read");
  if (read.events.length <= mostPreludeEvents) association.prelude = read;
}

interface Envelope<Session> {
  readonly session: Session;
  /** The run so far and its salt, while the session waits. */
  readonly ledger?: { readonly run: Run; readonly salt: string };
}

interface Ledger {
  readonly recorder: RunRecorder;
  readonly salt: Uint8Array;
}

function ledgerFor<Session>(
  { protocol, clock, randomness }: Surroundings,
  peer: Peer,
  envelope: Envelope<Session> | undefined,
  association: AssociationMemory,
): Ledger {
  const earlier = envelope?.ledger;
  // Both ends can derive the salt from the association, so their fingerprints can be compared; nobody else can.
  const salt = earlier === undefined ? saltOf(peer, randomness) : Buffer.from(earlier.salt, "base64");
  const begun = earlier?.run ?? association.prelude;
  const header = {
    id: earlier?.run.id ?? hex(randomness.bytes(8)),
    protocol,
    variant: `${protocol}/unknown`,
    link: begun?.link ?? linkOf(peer),
    by: "coordinator",
    fingerprint: fingerprinting(salt),
    clock,
  } as const;
  return { recorder: new RunRecorder(header, begun), salt };
}

function linkOf({ security, terminator }: Peer): string {
  if (security !== undefined) return `${security.version} ${security.cipherSuite}`;
  return terminator === undefined ? "none" : `TLS that ended at the proxy ${terminator}`;
}

function saltOf(peer: Peer, randomness: Randomness): Uint8Array {
  return peer.security === undefined ? randomness.bytes(saltLength) : peer.exporter(saltLabel, saltLength);
}

async function openEnvelope<Session>(
  { vault, tenant, protocol }: Surroundings,
  { key, data }: StoredSession,
): Promise<Envelope<Session>> {
  return JSON.parse(textOf(await vault.open(sessionPurpose(tenant, protocol, key), data))) as Envelope<Session>;
}

function sessionWrites<Session>(
  { store, vault, tenant, protocol, clock }: Surroundings,
  key: string | undefined,
  stored: StoredSession | undefined,
  step: Step<Session, unknown>,
  ledger: Ledger,
): readonly Write[] {
  if (key === undefined || step.next === "keep") return [];
  if (step.next === undefined) return stored === undefined ? [] : [store.sessions.remove(stored)];
  const envelope: Envelope<Session> = {
    session: step.next.session,
    ...(step.run?.outcome === "waiting"
      ? {
          ledger: {
            run: ledger.recorder.finish("waiting", step.run.reason),
            salt: Buffer.from(ledger.salt).toString("base64"),
          },
        }
      : {}),
  };
  const data = vault.seal(sessionPurpose(tenant, protocol, key), utf8(JSON.stringify(envelope)));
  const next = { data, expires: step.next.expires };
  return [
    stored === undefined
      ? store.sessions.create({ tenant, protocol, key, ...next }, clock.now())
      : store.sessions.save(stored, next),
    store.vaultKeys.requireKeyOf(data),
  ];
}

function runWrites(
  { store, tenant, protocol, clock }: Surroundings,
  state: RunState | undefined,
  { recorder }: Ledger,
  goesOn: boolean,
): readonly Write[] {
  if (state === undefined) return [];
  const run = recorder.finish(state.outcome, state.reason);
  const device = state.device === undefined ? {} : { device: state.device };
  const { id, variant, started, ended, outcome, reason } = run;
  const stored = {
    tenant,
    id,
    protocol,
    variant,
    label: state.label,
    started,
    outcome,
    reason,
    ...device,
    ...(ended === undefined ? {} : { ended }),
  };
  return [
    // A bad repetition of a request that waits is refused by itself: the run is still the one that waits.
    ...(goesOn ? [] : [store.runs.save({ ...stored, run: utf8(JSON.stringify(run)) })]),
    // Anybody can be refused as often as they like: the audit holds what was decided about somebody.
    ...(state.byStranger === true
      ? []
      : [
          store.audit.append({
            tenant,
            at: clock.now(),
            actor: protocol,
            action: outcome,
            subject: state.label,
            detail: { run: id, reason, variant, ...device },
          }),
        ]),
  ];
}

function replyOf<Reply>(outputs: readonly Output<Reply>[]): Reply {
  for (const output of outputs) if (output.kind === "send") return output.reply;
  throw new ServiceError("invalid", "a request-response protocol has to answer each message");
}

const mostAttempts = 3;
const mostPreludeEvents = 40;
