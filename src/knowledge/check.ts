import type { FactEvent, FrameEvent, Run } from "./run.ts";
import type { DeclaredFact, DeclaredProperty, DeclaredStep, Survey } from "./survey.ts";
import { channels, cryptoKinds, factKinds, phases, provenances, type Role, roles, secrecies } from "./vocabulary.ts";

/**
 * One checkable sentence of a survey. `check` looks at a run recorded at both ends; `inverses` are the sentences that
 * say something else instead, none of which may pass on a run that confirms this one.
 */
export interface Statement {
  readonly id: string;
  readonly text: string;
  readonly check: (run: Run) => Verdict;
  readonly inverses: readonly Statement[];
}

export type Verdict = { readonly kind: "confirmed" } | { readonly kind: "contradicted"; readonly found: string };

/** Every sentence that runs of `variant` must confirm. Statements with evidence D are left out: no run can show them. */
export function statements(survey: Survey, variant: string): readonly Statement[] {
  const measured = <T extends { readonly variants: readonly string[]; readonly evidence: string }>(
    list: readonly T[],
  ) => list.filter((item) => item.variants.includes(variant) && item.evidence !== "D");
  return [
    ...measured(survey.facts).flatMap(factStatements),
    ...measured(survey.steps).flatMap(stepStatements),
    ...measured(survey.properties).map((property) => propertyStatement(property.property, property.holds, true)),
    ...survey.players
      .filter((player) => player.variants.includes(variant))
      .flatMap((player) => [contactStatement(player.role, player.contacted, true)]),
  ];
}

/** The statements that `run` contradicts; a run that only one end recorded can be checked for that end alone. */
export function contradictions(
  survey: Survey,
  run: Run,
): readonly { readonly statement: Statement; readonly found: string }[] {
  return statements(survey, run.variant).flatMap((statement) => {
    const verdict = statement.check(run);
    return verdict.kind === "contradicted" ? [{ statement, found: verdict.found }] : [];
  });
}

/** Who holds which fact, before and after, as far as the run's recording ends observed it. */
export function holders(run: Run, fact: string, when: "before" | "after"): ReadonlySet<Role> {
  const result = new Set<Role>();
  for (const event of observed(run, fact)) {
    if (event.operation === "hold") result.add(event.holder);
    else if (when === "after" && event.operation === "erase") result.delete(event.holder);
    else if (when === "after" && event.operation !== "use") result.add(event.holder);
  }
  return result;
}

function factStatements(fact: DeclaredFact): readonly Statement[] {
  const attribute = <T extends string>(name: "factKind" | "crypto" | "provenance", values: readonly T[], value: T) =>
    choice(
      `${fact.id} ${name}`,
      values,
      value,
      (run) => new Set(observed(run, fact.id).map((event) => event[name] as string)),
    );
  const holding = (role: Role, when: "before" | "after") =>
    yesNo(
      `${fact.id} held by ${role} ${when}`,
      fact[when].includes(role),
      (run) => holders(run, fact.id, when).has(role),
      role,
    );
  return [
    attribute("factKind", factKinds, fact.kind),
    attribute("crypto", cryptoKinds, fact.crypto),
    attribute("provenance", provenances, fact.provenance),
    // A public fact that nobody tells anybody stands in no frame either: there is nothing to see.
    ...(fact.secrecy === "public" && fact.after.every((role) => fact.before.includes(role)) ? [] : [secrecy(fact)]),
    ...recordingRoles.flatMap((role) => [holding(role, "before"), holding(role, "after")]),
    ...(recordingRoles.every((role) => fact.after.includes(role)) ? [sameValue(fact.id, true, true)] : []),
  ];
}

function secrecy(fact: DeclaredFact): Statement {
  return choice(`${fact.id} secrecy`, secrecies, fact.secrecy, (run) => new Set([secrecyIn(run, fact.id)]));
}

function stepStatements(step: DeclaredStep): readonly Statement[] {
  const frames = (run: Run) => framesOf(run, step.frames);
  // The message floor: the shortest successful run has so many; fewer is a bug in the model or in the run.
  const floor: Statement = atLeast(step, true);
  const actor = choice(
    `${step.id} actor`,
    roles,
    step.actor,
    (run) =>
      new Set(
        frames(run)
          .slice(0, 1)
          .map((frame) => frame.from),
      ),
  );
  const channel = choice(
    `${step.id} channel`,
    channels,
    step.channel,
    (run) => new Set(frames(run).map((frame) => frame.channel)),
  );
  const phase = choice(
    `${step.id} phase`,
    phases,
    step.phase,
    (run) => new Set(frames(run).map((frame) => frame.phase)),
  );
  const framed = step.frames.length > 0 && !step.optional ? [floor, actor, channel, phase] : [];
  const automatic = yesNo(
    `${step.id} needs no user`,
    step.userActions.length === 0,
    (run) => userActionsIn(run, step).length === 0,
  );
  return [...framed, automatic];
}

function atLeast(step: DeclaredStep, declared: boolean): Statement {
  return {
    id: `${step.id} ${declared ? "at least" : "fewer than"} ${step.floor} messages`,
    text: `${step.action} takes ${declared ? "at least" : "fewer than"} ${step.floor} messages`,
    check: (run) => {
      const count = framesOf(run, step.frames).filter((frame) => !frame.repeated).length;
      return verdict(count >= step.floor === declared, `${count} messages`);
    },
    inverses: declared ? [atLeast(step, false)] : [],
  };
}

function propertyStatement(property: DeclaredProperty["property"], holds: boolean, invert: boolean): Statement {
  return {
    id: `${property} is ${holds}`,
    text: `${property}: ${holds ? "yes" : "no"}`,
    check: (run) => verdict(propertyOf(run, property) === holds, `${property} is ${!holds}`),
    inverses: invert ? [propertyStatement(property, !holds, false)] : [],
  };
}

function contactStatement(role: Role, contacted: boolean, invert: boolean): Statement {
  return {
    id: `${role} ${contacted ? "contacted" : "not contacted"}`,
    text: `the run ${contacted ? "contacts" : "does not contact"} the ${role}`,
    check: (run) => {
      const found = run.events.some((event) => event.kind === "contact" && event.binding.role === role);
      return verdict(found === contacted, found ? `${role} was contacted` : `${role} was not contacted`);
    },
    inverses: invert ? [contactStatement(role, !contacted, false)] : [],
  };
}

function sameValue(fact: string, same: boolean, invert: boolean): Statement {
  return {
    id: `${fact} ${same ? "is the same value" : "differs"} on its holders`,
    text: `all holders of ${fact} ${same ? "have the same value" : "have different values"}`,
    check: (run) => {
      const prints = new Map<Role, string>();
      for (const event of observed(run, fact))
        if (event.fingerprint !== undefined) prints.set(event.holder, event.fingerprint);
      const distinct = new Set(prints.values()).size;
      return verdict(prints.size > 1 && (distinct === 1) === same, `${distinct} values on ${prints.size} holders`);
    },
    inverses: invert ? [sameValue(fact, !same, false)] : [],
  };
}

function yesNo(id: string, declared: boolean, measure: (run: Run) => boolean, role?: Role, invert = true): Statement {
  const said = declared ? "yes" : "no";
  return {
    id: `${id}: ${said}`,
    text: `${id}: ${said}`,
    check: (run) => {
      // A role that recorded nothing cannot be confirmed to hold or to lack anything.
      if (role !== undefined && !run.recordedBy.includes(role))
        return { kind: "contradicted", found: `${role} recorded nothing` };
      return verdict(measure(run) === declared, declared ? "no" : "yes");
    },
    inverses: invert ? [yesNo(id, !declared, measure, role, false)] : [],
  };
}

function choice<T extends string>(
  id: string,
  values: readonly T[],
  value: T,
  measure: (run: Run) => ReadonlySet<string>,
  invert = true,
): Statement {
  return {
    id: `${id} is ${value}`,
    text: `${id} is ${value}`,
    check: (run) => {
      const found = measure(run);
      return verdict(
        found.size === 1 && found.has(value),
        found.size === 0 ? "nothing was recorded" : [...found].join(", "),
      );
    },
    inverses: invert
      ? values.filter((other) => other !== value).map((other) => choice(id, values, other, measure, false))
      : [],
  };
}

function propertyOf(run: Run, property: DeclaredProperty["property"]): boolean {
  const contacts = run.events.filter((event) => event.kind === "contact");
  switch (property) {
    case "manufacturer-contacted":
      return contacts.some((event) => event.binding.operatedBy === "manufacturer");
    case "internet-contacted":
      return contacts.some((event) => event.binding.locality === "internet");
    case "user-acts-at-device":
      return run.events.some((event) => event.kind === "user" && event.who === "installer");
    case "coordinator-knew-private-key":
      return run.events.some(
        (event) => event.kind === "fact" && event.factKind === "key.private" && event.holder === "coordinator",
      );
    case "coordinator-decides":
      return run.events.some((event) => event.kind === "decision");
  }
}

function secrecyIn(run: Run, fact: string): string {
  const carrying = run.events.filter(
    (event): event is FrameEvent => event.kind === "frame" && event.carries.includes(fact),
  );
  if (carrying.length === 0) return "secret";
  return isSecretKind(run, fact) && carrying.every((frame) => frame.protection === "encrypted")
    ? "confidential"
    : "public";
}

/** A public value inside an encrypted frame stays public knowledge: only secrets can be confidential. */
function isSecretKind(run: Run, fact: string): boolean {
  return observed(run, fact).some((event) => ["symmetric", "password", "asym-private"].includes(event.crypto));
}

function userActionsIn(run: Run, step: DeclaredStep): readonly string[] {
  return run.events.flatMap((event) => (event.kind === "user" && event.phase === step.phase ? [event.action] : []));
}

function framesOf(run: Run, names: readonly string[]): readonly FrameEvent[] {
  return run.events.filter((event): event is FrameEvent => event.kind === "frame" && names.includes(event.name));
}

function observed(run: Run, fact: string): readonly FactEvent[] {
  return run.events.filter(
    (event): event is FactEvent => event.kind === "fact" && event.fact === fact && event.evidence === "observed",
  );
}

function verdict(confirmed: boolean, found: string): Verdict {
  return confirmed ? { kind: "confirmed" } : { kind: "contradicted", found };
}

/** The ends that keep a ledger; what the others know is declared only. */
const recordingRoles: readonly Role[] = ["device", "coordinator"];
