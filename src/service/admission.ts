import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { matchesPattern } from "../core/pattern.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Write } from "../core/write.ts";
import type { Admission, Decision, Evidence } from "../protocols/ports.ts";
import { each } from "../store/paging.ts";
import type { Approval, Device, Identity, IdentityKind, Rule, RuleMatch } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";

/**
 * Decides by what the inventory knows and by the operator's rules, the first that matches; then by the built-in rules,
 * which admit what the operator already said yes to and nothing else. The reason is always told.
 */
export function admissionOf(tenant: string, store: Store, clock: Clock, randomness: Randomness): Admission {
  return {
    async decide(evidence) {
      const device = await deviceOf(store, tenant, evidence);
      const known = device === undefined ? {} : { device: device.id };
      const decided = (
        verdict: Decision["verdict"],
        rule: string,
        reason: string,
        writes: readonly Write[] = [],
      ): Decision => ({
        verdict,
        rule,
        reason,
        writes,
        retryAfter: 0,
        ...known,
      });

      if (device !== undefined && barred.has(device.lifecycle)) {
        return decided("deny", "lifecycle", `the device ${device.name} is ${device.lifecycle}`);
      }
      const keyOwner = await store.devices.findByIdentity(tenant, "key", evidence.key);
      if (keyOwner !== undefined && keyOwner.id !== device?.id) {
        return decided("deny", "one key, one device", `the public key belongs to the device ${keyOwner.name} already`);
      }
      const { verdict, rule, reason } = (await byRules(store, tenant, evidence)) ?? builtIn(evidence, device);
      switch (verdict) {
        case "deny":
          return decided("deny", rule, reason);
        case "allow":
          return { ...decided("allow", rule, reason), ...admitted(store, tenant, device, evidence, clock, randomness) };
        case "wait":
          return byPerson(
            await store.approvals.findBySubject(tenant, evidence.protocol, evidence.subject),
            rule,
            reason,
          );
      }

      async function byPerson(approval: Approval | undefined, rule: string, reason: string): Promise<Decision> {
        const decidedBy = approval?.decidedBy === undefined ? {} : { decidedBy: approval.decidedBy };
        if (approval?.state === "approved") {
          const change = admitted(store, tenant, device, evidence, clock, randomness);
          // An approval is for one certificate: it is used up in the commit that issues it.
          const writes = [...change.writes, store.approvals.use(tenant, approval.id)];
          return { ...decided("allow", rule, `approved by ${approval.decidedBy}`), ...decidedBy, ...change, writes };
        }
        // A refusal holds for the run that asked; the device may ask anew in another one.
        if (approval?.state === "denied" && approval.run === evidence.run) {
          return { ...decided("deny", rule, `denied by ${approval.decidedBy}`), ...decidedBy };
        }
        const pending = await store.approvals.countPending(tenant);
        const writes = approval?.state === "pending" ? [] : [ask(store, tenant, evidence, pending, clock, randomness)];
        // All devices that wait shall not ask more often than this together.
        return {
          ...decided("wait", rule, reason, writes),
          retryAfter: Math.max(leastSeconds, Math.ceil(pending / mostPollsPerSecond)),
        };
      }
    },
  };
}

interface Ruling {
  readonly verdict: Rule["verdict"];
  readonly rule: string;
  readonly reason: string;
}

async function byRules(store: Store, tenant: string, evidence: Evidence): Promise<Ruling | undefined> {
  for await (const rule of each((page) => store.policy.rules(tenant, page))) {
    if (!matches(rule.match, evidence)) continue;
    return {
      verdict: rule.verdict,
      rule: `rule ${rule.id}`,
      reason: `rule ${rule.id} says ${rule.verdict} to ${describeMatch(rule.match)}`,
    };
  }
  return undefined;
}

/** What holds when no rule matches: what the operator registered is admitted, everything else is refused. */
function builtIn(evidence: Evidence, device: Device | undefined): Ruling {
  const allow = (rule: string, reason: string): Ruling => ({ verdict: "allow", rule, reason });
  switch (evidence.credential) {
    case "ldevid":
      return allow("own certificate", "the device shows a certificate of this authority");
    case "password":
      return allow("user", "the user may enrol this name");
    case "idevid":
      if (device !== undefined) return allow("claimed", `the serial number ${evidence.serial} is claimed`);
      return deny(`the serial number ${evidence.serial} of ${evidence.issuer} is not claimed; claim it or add a rule`);
    case "anonymous":
      return deny("the device shows no credential and no rule admits such devices");
  }
}

function deny(reason: string): Ruling {
  return { verdict: "deny", rule: "default", reason };
}

/** Whether the evidence is what the rule speaks of. A serial number counts only when a credential proves it. */
export function matches(match: RuleMatch, evidence: Evidence): boolean {
  if (match.protocol !== undefined && match.protocol !== evidence.protocol) return false;
  if (match.credential !== undefined && match.credential !== evidence.credential) return false;
  if (match.issuer !== undefined && (evidence.issuer === undefined || !matchesPattern(match.issuer, evidence.issuer)))
    return false;
  if (match.serial !== undefined && (evidence.serial === undefined || !matchesPattern(match.serial, evidence.serial)))
    return false;
  return true;
}

/** A rule's condition in words. */
export function describeMatch(match: RuleMatch): string {
  const parts = [
    match.credential === undefined ? "any device" : `${match.credential} devices`,
    match.issuer === undefined ? "" : ` of ${match.issuer}`,
    match.serial === undefined ? "" : ` with serial ${match.serial}`,
    match.protocol === undefined ? "" : ` over ${match.protocol}`,
  ];
  return parts.join("");
}

/** The device that the evidence proves, or, for what a person or a user's pattern vouches for, the one of that name. */
async function deviceOf(store: Store, tenant: string, evidence: Evidence): Promise<Device | undefined> {
  const find = (kind: IdentityKind, value: string) => store.devices.findByIdentity(tenant, kind, value);
  switch (evidence.credential) {
    case "idevid":
      return evidence.serial === undefined ? undefined : find("serial", evidence.serial);
    case "ldevid": {
      if (evidence.certificate === undefined) return undefined;
      const issued = await store.authorities.certificateByFingerprint(tenant, evidence.certificate);
      return issued?.device === undefined ? undefined : store.devices.find(tenant, issued.device);
    }
    case "password":
    case "anonymous":
      return (await find("name", evidence.name)) ?? (await find("serial", evidence.name));
  }
}

/** The device in the inventory, with the identities that this run proved. */
function admitted(
  store: Store,
  tenant: string,
  found: Device | undefined,
  evidence: Evidence,
  clock: Clock,
  randomness: Randomness,
) {
  const now = clock.now();
  const device: Device = found ?? {
    tenant,
    id: hex(randomness.bytes(8)),
    name: evidence.name,
    lifecycle: "operational",
    created: now,
    updated: now,
  };
  const provenBy = evidence.credential === "anonymous" ? "approval" : evidence.credential;
  const identity = (kind: IdentityKind, value: string): Identity => ({
    tenant,
    kind,
    value,
    device: device.id,
    provenBy,
  });
  const identities = [
    identity("key", evidence.key),
    ...(evidence.serial === undefined ? [] : [identity("serial", evidence.serial)]),
    ...(evidence.credential === "idevid" && evidence.certificate !== undefined
      ? [identity("certificate", evidence.certificate)]
      : []),
    ...(evidence.credential === "password" || evidence.credential === "anonymous"
      ? [identity("name", evidence.name)]
      : []),
  ];
  const writes: readonly Write[] = [
    found === undefined
      ? store.devices.insert(device)
      : store.devices.update(found, { lifecycle: "operational", updated: Math.max(now, found.updated + 1) }),
    ...identities.map((each) => store.devices.addIdentity(each)),
  ];
  return { device: device.id, writes };
}

function ask(
  store: Store,
  tenant: string,
  evidence: Evidence,
  pending: number,
  clock: Clock,
  randomness: Randomness,
): Write {
  if (pending >= mostPending) {
    throw new ServiceError("overloaded", `${mostPending} requests wait for a decision already; approve or deny some`);
  }
  const { protocol, subject, run, ...shown } = evidence;
  return store.approvals.insert({
    tenant,
    id: hex(randomness.bytes(6)),
    protocol,
    subject,
    run,
    evidence: { ...shown },
    state: "pending",
    created: clock.now(),
  });
}

const barred: ReadonlySet<Device["lifecycle"]> = new Set(["suspended", "retired", "transferred"]);
const leastSeconds = 5;
const mostPollsPerSecond = 100;
/** Requests without any credential can be made by anybody; this many are kept for a person to look at. */
const mostPending = 10_000;
