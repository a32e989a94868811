import { contradictions } from "./check.ts";
import type { Run } from "./run.ts";
import { initialCategory, outcomeCategories, type Survey, type Variant } from "./survey.ts";

/** One variant's line of the comparison: what is declared, what runs measured, and where the two disagree. */
export interface ComparisonRow {
  readonly protocol: string;
  readonly variant: string;
  readonly title: string;
  /** `not-declared`: runs name the variant, and no survey does, as after an update that has dropped or renamed it. */
  readonly status: Variant["status"] | "not-declared";
  readonly initial: string;
  readonly outcome: readonly string[];
  /** Undefined like all that is declared for a variant that is not. */
  readonly manufacturerBurden: number | undefined;
  readonly userActions: readonly string[];
  readonly manufacturerContacted: boolean | undefined;
  readonly declaredMessages: number | undefined;
  readonly measured: Measured | undefined;
  /** Sentences of the survey that a run contradicts, each once. */
  readonly disagreements: readonly string[];
}

/** Medians over the granted runs of the variant. */
export interface Measured {
  readonly runs: number;
  /** Runs of which both ends' ledgers are there; only these are checked against the survey. */
  readonly checked: number;
  readonly messages: number;
  readonly bytes: number;
  readonly devicePublicKeyOperations: number;
  readonly coordinatorPublicKeyOperations: number;
  readonly milliseconds: number;
}

/**
 * The comparison of all variants, in the order of the surveys, and then of those that only runs name. Counts granted runs, which are
 * to be merged where both ends are known.
 */
export function compareVariants(surveys: readonly Survey[], runs: readonly Run[]): readonly ComparisonRow[] {
  const granted = Map.groupBy(
    runs.filter(({ outcome }) => outcome === "granted"),
    ({ variant }) => variant,
  );
  const declared = surveys.flatMap((survey) =>
    survey.variants.map((variant) => row(survey, variant, granted.get(variant.id) ?? [])),
  );
  for (const { variant } of declared) granted.delete(variant);
  return [...declared, ...[...granted].map(([variant, those]) => undeclared(variant, those))];
}

function undeclared(variant: string, runs: readonly Run[]): ComparisonRow {
  return {
    protocol: runs[0]?.protocol ?? "",
    variant,
    title: variant,
    status: "not-declared",
    initial: "not declared",
    outcome: [],
    manufacturerBurden: undefined,
    userActions: [],
    manufacturerContacted: undefined,
    declaredMessages: undefined,
    measured: measure(runs),
    disagreements: [],
  };
}

function row(survey: Survey, variant: Variant, runs: readonly Run[]): ComparisonRow {
  const steps = survey.steps.filter((step) => step.variants.includes(variant.id));
  const manufacturer = survey.properties.find(
    (property) => property.property === "manufacturer-contacted" && property.variants.includes(variant.id),
  );
  const declared = steps.length > 0;
  return {
    protocol: survey.protocol,
    variant: variant.id,
    title: variant.title,
    status: variant.status,
    initial: declared ? initialCategory(survey, variant.id) : "not declared yet",
    outcome: outcomeCategories(survey, variant.id),
    manufacturerBurden: variant.manufacturerBurden,
    userActions: steps.flatMap((step) => step.userActions),
    manufacturerContacted: manufacturer?.holds,
    declaredMessages: steps.reduce((sum, step) => sum + (step.optional ? 0 : step.floor), 0),
    measured: runs.length === 0 ? undefined : measure(runs),
    disagreements: [
      ...new Set(
        runs
          .filter(recordedAtBothEnds)
          .flatMap((run) =>
            contradictions(survey, run).map(({ statement, found }) => `${statement.text}; found: ${found}`),
          ),
      ),
    ],
  };
}

function measure(runs: readonly Run[]): Measured {
  const operations = (run: Run, role: string) =>
    run.events.filter(
      (event) => event.kind === "operation" && event.role === role && event.operation !== "password-hash",
    ).length;
  return {
    runs: runs.length,
    checked: runs.filter(recordedAtBothEnds).length,
    messages: median(runs.map((run) => run.events.filter((event) => event.kind === "frame" && !event.repeated).length)),
    bytes: median(
      runs.map((run) => run.events.reduce((sum, event) => sum + (event.kind === "frame" ? (event.bytes ?? 0) : 0), 0)),
    ),
    devicePublicKeyOperations: median(runs.map((run) => operations(run, "device"))),
    coordinatorPublicKeyOperations: median(runs.map((run) => operations(run, "coordinator"))),
    milliseconds: median(runs.map((run) => (run.ended ?? run.started) - run.started)),
  };
}

function recordedAtBothEnds(run: Run): boolean {
  return run.recordedBy.length > 1;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
