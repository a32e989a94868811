import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Write } from "../core/write.ts";
import type { Admission, Decision, Evidence } from "../protocols/ports.ts";
import { each } from "../store/paging.ts";
import type { Device, Rule } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";
import { keptSetting } from "./kept-setting.ts";
import { admitted, findKnown, type Known } from "./known-device.ts";
import { privilegeOf } from "./privilege.ts";
import { keptProfiles, profileNamed } from "./profiles.ts";
import { byRules, type Ruling } from "./rules.ts";

interface Parts {
  readonly store: Store;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/**
 * Decides by what the inventory knows and by the operator's rules, the first that matches; then by the built-in rules,
 * which admit what the operator already said yes to and nothing else. The reason is always told.
 */
export function admissionOf(tenant: string, parts: Parts): Admission {
  const rules = keptSetting(parts, () => rulesOf(tenant, parts.store));
  const profiles = keptProfiles(tenant, parts);
  // RFC 7030 4.2.2: who shows a certificate of this authority renews it, and has what its profile gives already.
  const privilege = async ({ credential, profile }: Evidence) => {
    if (credential === "ldevid") return undefined;
    const asked = await profileNamed(profiles, tenant, profile);
    return asked === undefined ? "anything" : privilegeOf(asked);
  };
  return {
    async decide(evidence) {
      const known = await findKnown(parts.store, tenant, evidence);
      const { device, conflict } = known;
      if (conflict !== undefined) return decision({ verdict: "deny", ...conflict }, device);
      const more = await privilege(evidence);
      const ruling = byRules(await rules(), evidence, more !== undefined) ?? builtIn(evidence, device, more);
      switch (ruling.verdict) {
        case "deny":
          return decision(ruling, device);
        case "allow":
          return { ...decision(ruling, device), ...admitted(parts, tenant, known, evidence) };
        case "wait":
          return byPerson(tenant, parts, ruling, known, evidence);
      }
    },
  };
}

async function rulesOf(tenant: string, store: Store): Promise<readonly Rule[]> {
  const rules: Rule[] = [];
  for await (const rule of each((page) => store.policy.rules(tenant, page))) rules.push(rule);
  return rules;
}

/** What holds when no rule matches: what the operator registered is admitted to be a device, everything else is refused. */
function builtIn(
  { credential, profile, serial, issuer }: Evidence,
  device: Device | undefined,
  privilege: string | undefined,
): Ruling {
  const allow = (rule: string, reason: string): Ruling => ({ verdict: "allow", rule, reason });
  const deny = (reason: string): Ruling => ({ verdict: "deny", rule: "default", reason });
  // Whoever may enrol a name may not choose by a label what it is trusted for.
  if (privilege !== undefined)
    return deny(
      `certificates of the profile ${profile} are for ${privilege}, and no rule with --profile ${profile} admits the device`,
    );
  switch (credential) {
    case "ldevid":
      return allow("own certificate", "the device shows a certificate of this authority");
    case "password":
    case "psk":
      return allow("user", "the user may enrol this name");
    case "idevid":
      if (device !== undefined) return allow("claimed", `the serial number ${serial} is claimed`);
      return deny(`the serial number ${serial} of ${issuer} is not claimed; claim it or add a rule`);
    case "ra":
      return deny("a registration authority asks for the device, and no rule with --credential ra admits such devices");
    case "anonymous":
      return deny("the device shows no credential and no rule admits such devices");
  }
}

/** Does what a person decided on this very request; asks one when nobody was asked yet. */
async function byPerson(
  tenant: string,
  parts: Parts,
  ruling: Ruling,
  known: Known,
  evidence: Evidence,
): Promise<Decision> {
  const { store } = parts;
  const { device } = known;
  const found = await store.approvals.findBySubject(tenant, evidence.protocol, evidence.subject);
  // What was said about an earlier request, whose session has ended, says nothing about this one.
  const approval = found?.run === evidence.run ? found : undefined;
  const decidedBy = approval?.decidedBy === undefined ? {} : { decidedBy: approval.decidedBy };
  if (approval?.state === "approved") {
    const allowed: Ruling = { ...ruling, verdict: "allow", reason: `approved by ${approval.decidedBy}` };
    const change = admitted(parts, tenant, known, evidence);
    // An approval is for one certificate: it is used up in the commit that issues it.
    const writes = [...change.writes, store.approvals.use(tenant, approval.id)];
    return { ...decision(allowed, device), ...decidedBy, device: change.device, writes };
  }
  if (approval?.state === "denied") {
    return {
      ...decision({ ...ruling, verdict: "deny", reason: `denied by ${approval.decidedBy}` }, device),
      ...decidedBy,
    };
  }
  const pending = await store.approvals.countPending(tenant);
  const open = found?.state === "pending" || found?.state === "approved";
  const writes = [
    ...(open && approval === undefined ? [store.approvals.withdraw(tenant, found.id)] : []),
    ...(approval?.state === "pending" ? [] : [ask(tenant, parts, device, evidence, pending)]),
  ];
  // All devices that wait shall not ask more often than this together.
  const retryAfter = Math.max(leastSeconds, Math.ceil(pending / mostPollsPerSecond));
  return { ...decision(ruling, device), writes, retryAfter };
}

function ask(
  tenant: string,
  { store, clock, randomness }: Parts,
  device: Device | undefined,
  evidence: Evidence,
  pending: number,
): Write {
  const most = evidence.credential === "anonymous" ? mostPendingForStrangers : mostPending;
  if (pending >= most)
    throw new ServiceError("overloaded", `${most} requests wait for a decision already; approve or deny some`);
  const { protocol, subject, run, ...shown } = evidence;
  // Who approves has to see that the name is a device's that is here already.
  const existing = device === undefined ? {} : { existing: `${device.name}, ${device.lifecycle}` };
  return store.approvals.insert({
    tenant,
    id: hex(randomness.bytes(6)),
    protocol,
    subject,
    run,
    evidence: { ...shown, ...existing },
    state: "pending",
    created: clock.now(),
  });
}

function decision({ verdict, rule, reason }: Ruling, device: Device | undefined): Decision {
  return { verdict, rule, reason, writes: [], retryAfter: 0, ...(device === undefined ? {} : { device: device.id }) };
}

const leastSeconds = 5;
const mostPollsPerSecond = 100;
/** This many are kept for a person to look at. */
const mostPending = 10_000;
/** Requests without any credential can be made by anybody: they are taken no longer when so many wait, and leave room for others. */
const mostPendingForStrangers = 1_000;
