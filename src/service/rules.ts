import { matchesPattern } from "../core/pattern.ts";
import type { Evidence } from "../protocols/ports.ts";
import type { Rule, RuleMatch } from "../store/records.ts";

/** What was decided, by which rule, and why in words. */
export interface Ruling {
  readonly verdict: Rule["verdict"];
  readonly rule: string;
  readonly reason: string;
}

/**
 * The ruling of the first of the operator's `rules`, which are in their order, that matches; undefined when none does. `privileged`
 * when more than a device's certificate is asked for.
 */
export function byRules(rules: readonly Rule[], evidence: Evidence, privileged: boolean): Ruling | undefined {
  for (const rule of rules) {
    if (!matches(rule, evidence, privileged)) continue;
    const reason = `rule ${rule.id} says ${rule.verdict} to ${describeMatch(rule.match)}`;
    return { verdict: rule.verdict, rule: `rule ${rule.id}`, reason };
  }
  return undefined;
}

/**
 * Whether the evidence is what the rule speaks of. A serial number and an issuer count only when a credential proves them,
 * and a rule that allows means devices without any credential, or those of a registration authority, only when it names them, and
 * what is privileged only when it names the profile.
 */
export function matches(
  { verdict, match }: Pick<Rule, "verdict" | "match">,
  evidence: Evidence,
  privileged = false,
): boolean {
  if (match.protocol !== undefined && match.protocol !== evidence.protocol) return false;
  if (match.profile !== undefined && match.profile !== evidence.profile) return false;
  if (match.credential === undefined && verdict === "allow" && mustBeNamed.has(evidence.credential)) return false;
  if (match.profile === undefined && verdict === "allow" && privileged) return false;
  if (match.credential !== undefined && match.credential !== evidence.credential) return false;
  return (
    patternFits(match.issuer, evidence.issuer) &&
    patternFits(match.serial, evidence.serial) &&
    patternFits(match.user, evidence.user)
  );
}

/** A rule's condition in words. */
export function describeMatch(match: RuleMatch): string {
  const parts = [
    match.credential === undefined ? "any device" : `${match.credential} devices`,
    match.issuer === undefined ? "" : ` of ${match.issuer}`,
    match.serial === undefined ? "" : ` with serial ${match.serial}`,
    match.user === undefined ? "" : ` with the password of ${match.user}`,
    match.protocol === undefined ? "" : ` over ${match.protocol}`,
    match.profile === undefined ? "" : ` for the profile ${match.profile}`,
  ];
  return parts.join("");
}

function patternFits(pattern: string | undefined, proven: string | undefined): boolean {
  return pattern === undefined || (proven !== undefined && matchesPattern(pattern, proven));
}

/** What no rule admits by the way: nobody here has seen the device, or its credential. */
const mustBeNamed: ReadonlySet<Evidence["credential"]> = new Set(["anonymous", "ra"]);
