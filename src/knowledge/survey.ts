import type {
  Channel,
  Concept,
  CryptoKind,
  Evidence,
  FactKind,
  Phase,
  Provenance,
  Role,
  RoleBinding,
  Secrecy,
  UserAction,
} from "./vocabulary.ts";

/** A protocol's row of the survey as typed data. The comparison is rendered from it; real runs are checked against it. */
export interface Survey {
  readonly protocol: string;
  readonly title: string;
  readonly specification: string;
  readonly variants: readonly Variant[];
  /** The specification's own words. */
  readonly terms: readonly Term[];
  readonly players: readonly (RoleBinding & { readonly variants: readonly string[]; readonly contacted: boolean })[];
  readonly facts: readonly DeclaredFact[];
  readonly steps: readonly DeclaredStep[];
  readonly properties: readonly DeclaredProperty[];
}

export interface Variant {
  readonly id: string;
  readonly title: string;
  /** `declared-only` variants are in the comparison, marked; nothing here runs them. */
  readonly status: "runs" | "declared-only";
  /** 0 nothing per device, 1 an identifier, 2 a secret or key with a label, 3 a factory PKI, 4 an online service besides. */
  readonly manufacturerBurden: 0 | 1 | 2 | 3 | 4;
}

export interface Term {
  readonly word: string;
  readonly concept: Concept;
  readonly source: string;
}

/** A belief or a piece of knowledge, and who has it before and after a complete run. */
export interface DeclaredFact {
  readonly id: string;
  readonly kind: FactKind;
  readonly about: string;
  readonly crypto: CryptoKind;
  readonly secrecy: Secrecy;
  readonly provenance: Provenance;
  /** Roles that hold it before the run. Only roles that record can be confirmed. */
  readonly before: readonly Role[];
  readonly after: readonly Role[];
  /** Declared only: one run cannot show them. */
  readonly uniqueness: "per-device" | "per-batch" | "per-model" | "per-owner" | "per-network" | "global" | "per-run";
  readonly mutability: "immutable" | "replaced-at-onboarding" | "rotating" | "erased-by-reset";
  readonly variants: readonly string[];
  readonly source: string;
  readonly evidence: Evidence;
}

export interface DeclaredStep {
  readonly id: string;
  readonly phase: Phase;
  readonly actor: Role;
  readonly counterpart?: Role;
  readonly action: string;
  readonly channel: Channel;
  readonly userActions: readonly UserAction[];
  /** Names of the frames of this step, and how many there are in the shortest successful run. */
  readonly frames: readonly string[];
  readonly floor: number;
  readonly optional: boolean;
  readonly variants: readonly string[];
  readonly source: string;
  readonly evidence: Evidence;
}

/** A yes-or-no statement about whole runs of some variants. */
export interface DeclaredProperty {
  readonly property:
    | "manufacturer-contacted"
    | "internet-contacted"
    | "user-acts-at-device"
    | "coordinator-knew-private-key"
    | "coordinator-decides";
  readonly holds: boolean;
  readonly variants: readonly string[];
  readonly source: string;
  readonly evidence: Evidence;
}

export type InitialCategory = "blank-slate" | "static-symmetric" | "raw-asymmetric" | "certificate-and-infrastructure";
export type OutcomeCategory = "network" | "infrastructure" | "service";

/** Category of what the device holds before: the first rule that fits. */
export function initialCategory(survey: Survey, variant: string): InitialCategory {
  const held = survey.facts.filter((fact) => fact.variants.includes(variant) && fact.before.includes("device"));
  const has = (test: (fact: DeclaredFact) => boolean) => held.some(test);
  if (has((fact) => fact.kind.startsWith("cert.")) && has((fact) => fact.kind.startsWith("ta.")))
    return "certificate-and-infrastructure";
  if (has((fact) => fact.kind === "key.private")) return "raw-asymmetric";
  if (has((fact) => staticSecrets.has(fact.kind))) return "static-symmetric";
  return "blank-slate";
}

/** Categories of what the device gained: every rule that fits, the primary one first. */
export function outcomeCategories(survey: Survey, variant: string): readonly OutcomeCategory[] {
  const gained = survey.facts.filter(
    (fact) => fact.variants.includes(variant) && fact.after.includes("device") && !fact.before.includes("device"),
  );
  const kinds = new Set(gained.map((fact) => fact.kind));
  const categories: OutcomeCategory[] = [];
  if ([...kinds].some((kind) => kind.startsWith("net.") || networkSecrets.has(kind))) categories.push("network");
  if (kinds.has("ta.domain") || kinds.has("ta.server") || kinds.has("cert.ldevid")) categories.push("infrastructure");
  if ([...kinds].some((kind) => kind.startsWith("loc.") || kind === "st.owned" || kind === "sec.owner-psk"))
    categories.push("service");
  return categories;
}

const staticSecrets: ReadonlySet<FactKind> = new Set(["sec.psk", "sec.pin.static", "sec.password", "sec.app-key"]);
const networkSecrets: ReadonlySet<FactKind> = new Set(["sec.network-key", "sec.session-key", "doc.connector"]);
