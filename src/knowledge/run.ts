import type { Clock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import type { Channel, CryptoKind, FactKind, Phase, Provenance, Role, RoleBinding, UserAction } from "./vocabulary.ts";

/** What is shown of a frame: field names as in the specification, no secret. */
export type Decoded = { readonly [field: string]: string | number | boolean | readonly string[] };

interface EventBase {
  /** Milliseconds since the run began. */
  readonly at: number;
  readonly phase: Phase;
  /** The end that recorded it. */
  readonly by: Role;
}

export interface FrameEvent extends EventBase {
  readonly kind: "frame";
  readonly from: Role;
  readonly to: Role;
  /** Message name of the specification. */
  readonly name: string;
  /** Payload bytes of the protocol's own message layer; undefined when this end does not see them. */
  readonly bytes?: number;
  readonly channel: Channel;
  readonly protection: "none" | "integrity" | "encrypted";
  readonly repeated: boolean;
  /** Facts whose value stood in the frame. */
  readonly carries: readonly string[];
  readonly decoded: Decoded;
}

export interface FactEvent extends EventBase {
  readonly kind: "fact";
  /** `hold`: had it before the run; the others change who has it during the run. */
  readonly operation: "hold" | "learn" | "derive" | "use" | "replace" | "erase";
  readonly fact: string;
  readonly factKind: FactKind;
  readonly crypto: CryptoKind;
  readonly provenance: Provenance;
  readonly holder: Role;
  /** Keyed fingerprint: equal on two holders when they know the same value. Undefined when this end cannot see the value. */
  readonly fingerprint?: string;
  /** `observed`: this end is the holder or verified it; `inferred`: declared of the other end. */
  readonly evidence: "observed" | "inferred";
}

export interface OperationEvent extends EventBase {
  readonly kind: "operation";
  readonly operation: "keygen" | "agree" | "sign" | "verify" | "password-hash";
  readonly algorithm: string;
  readonly role: Role;
  readonly purpose: string;
  /** `counted`: our own call; `declared`: inside TLS, from version and suite. */
  readonly evidence: "counted" | "declared";
}

export interface UserEvent extends EventBase {
  readonly kind: "user";
  readonly action: UserAction;
  readonly who: Role;
  readonly channel: Channel;
  readonly characters: number;
}

export interface ContactEvent extends EventBase {
  readonly kind: "contact";
  readonly binding: RoleBinding;
}

export interface DecisionEvent extends EventBase {
  readonly kind: "decision";
  readonly verdict: "allow" | "deny" | "wait";
  readonly rule: string;
  readonly reason: string;
  readonly evidence: Decoded;
}

export interface ErrorEvent extends EventBase {
  readonly kind: "error";
  readonly code: string;
  readonly message: string;
  readonly direction: "sent" | "received" | "local";
}

export type RunEvent = FrameEvent | FactEvent | OperationEvent | UserEvent | ContactEvent | DecisionEvent | ErrorEvent;

export type RunOutcome = "granted" | "refused" | "waiting" | "failed";

/** The ledger of one onboarding: what each end saw, in order. */
export interface Run {
  readonly id: string;
  readonly protocol: string;
  readonly variant: string;
  readonly started: number;
  readonly ended?: number;
  readonly outcome: RunOutcome;
  /** Rule of a grant, or coded reason of anything else. */
  readonly reason: string;
  /** Version and cipher suite of the association that the run began on. */
  readonly link: string;
  /** The ends that recorded: one, or two when both ledgers were merged. */
  readonly recordedBy: readonly Role[];
  readonly events: readonly RunEvent[];
  /** Events that were left out because a bound was reached. */
  readonly omitted: number;
}

export interface RunHeader {
  readonly id: string;
  readonly protocol: string;
  readonly variant: string;
  readonly link: string;
  readonly by: Role;
  /** Keyed fingerprint of a value; see `fingerprint.ts`. */
  readonly fingerprint: (value: Uint8Array) => string;
  readonly clock: Clock;
}

type Bare<E> = E extends RunEvent ? Omit<E, "at" | "phase" | "by" | "fingerprint"> : never;
type Value = { readonly value?: Uint8Array };

/** Records one end of a run. Never keeps a value, only its fingerprint. */
export class RunRecorder {
  readonly header: RunHeader;
  readonly #started: number;
  readonly #monotonicStart: number;
  readonly #events: RunEvent[];
  #variant: string;
  #phase: Phase = "trust";
  #omitted: number;

  /** Begins a run, or goes on with `earlier`, one that waited. */
  constructor(header: RunHeader, earlier?: Run) {
    this.header = header;
    this.#started = earlier?.started ?? header.clock.now();
    this.#monotonicStart =
      header.clock.monotonic() - (earlier === undefined ? 0 : header.clock.now() - earlier.started);
    this.#events = earlier === undefined ? [] : [...earlier.events];
    this.#variant = earlier?.variant ?? header.variant;
    this.#omitted = earlier?.omitted ?? 0;
  }

  /** The variant is known only after the peer's credential was seen. */
  variant(variant: string): void {
    this.#variant = variant;
  }

  /** Whether anything was recorded yet. */
  get begun(): boolean {
    return this.#events.length > 0;
  }

  phase(phase: Phase): void {
    this.#phase = phase;
  }

  frame(
    frame: Omit<Bare<FrameEvent>, "kind" | "repeated" | "carries"> & {
      readonly repeated?: boolean;
      readonly carries?: readonly string[];
    },
  ): void {
    this.#add({ ...this.#base(), kind: "frame", repeated: false, carries: [], ...frame });
  }

  /** `value` is fingerprinted at once and not kept. */
  fact(fact: Omit<Bare<FactEvent>, "kind"> & Value): void {
    const { value, ...rest } = fact;
    const fingerprint = value === undefined ? {} : { fingerprint: this.header.fingerprint(value) };
    this.#add({ ...this.#base(), kind: "fact", ...rest, ...fingerprint });
  }

  operation(operation: Omit<Bare<OperationEvent>, "kind">): void {
    this.#add({ ...this.#base(), kind: "operation", ...operation });
  }

  user(user: Omit<Bare<UserEvent>, "kind">): void {
    this.#add({ ...this.#base(), kind: "user", ...user });
  }

  contact(binding: RoleBinding): void {
    this.#add({ ...this.#base(), kind: "contact", binding });
  }

  decision(decision: Omit<Bare<DecisionEvent>, "kind">): void {
    this.#add({ ...this.#base(), kind: "decision", ...decision });
  }

  error(error: unknown, direction: ErrorEvent["direction"], message: string): void {
    this.#add({
      ...this.#base(),
      kind: "error",
      code: codeOf(error),
      message: message.slice(0, longestText),
      direction,
    });
  }

  /** The run as it stands; a `waiting` run has not ended. */
  finish(outcome: RunOutcome, reason: string): Run {
    const { id, protocol, link, by, clock } = this.header;
    return {
      id,
      protocol,
      variant: this.#variant,
      started: this.#started,
      ...(outcome === "waiting" ? {} : { ended: clock.now() }),
      outcome,
      reason,
      link,
      recordedBy: [by],
      events: this.#events,
      omitted: this.#omitted,
    };
  }

  #base(): EventBase {
    const { by, clock } = this.header;
    return { at: Math.round((clock.monotonic() - this.#monotonicStart) * 1000) / 1000, phase: this.#phase, by };
  }

  #add(event: RunEvent): void {
    // A peer that repeats itself for days must not grow the ledger without end.
    if (this.#events.length >= mostEvents) this.#omitted += 1;
    else this.#events.push(event);
  }
}

const mostEvents = 500;
const longestText = 500;
