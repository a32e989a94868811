import { equal } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import type { Write } from "../core/write.ts";
import type { Certificate } from "../pki/certificate.ts";
import { formatName } from "../pki/name.ts";
import { basicConstraintsOf } from "../pki/standard-extensions.ts";
import type { Authority as AuthorityRecord } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import type { Authority } from "./authority.ts";
import { type AuthorityParts, certifyCa, newGeneration } from "./authority-create.ts";
import { type CaCertificate, type Hierarchy, isIssuer } from "./authority-hierarchy.ts";
import { ServiceError } from "./errors.ts";

/**
 * How far a tenant's roll-over is (RFC 7030 4.1.3, RFC 4210 4.4). `begun`: devices are given the next root, and the former one
 * issues. `switched`: the next one issues, and the former one is still accepted.
 */
export type RolloverPhase = "none" | "begun" | "switched";

export interface RolloverStatus {
  readonly phase: RolloverPhase;
  /** The generation that goes, while one does: its root, and what else ends with it. */
  readonly leaving: readonly CaCertificate[];
  /** How many devices it would leave behind: those with a good certificate of it that they have not replaced. */
  readonly current: number;
  /** How many have any good certificate. */
  readonly devices: number;
}

interface Acting {
  readonly tenant: string;
  readonly authority: Authority;
  readonly actor: string;
  readonly store: Store;
  readonly clock: Clock;
}

export async function rolloverStatus({
  tenant,
  authority,
  store,
  clock,
}: Omit<Acting, "actor">): Promise<RolloverStatus> {
  const hierarchy = await authority.hierarchy();
  const phase = phaseOf(hierarchy);
  const leaving = leavingOf(hierarchy, phase);
  const names = leaving.map(({ record }) => record.name);
  const { held, all } = await store.authorities.countHolders(tenant, names, clock.now());
  return { phase, leaving, current: held, devices: all };
}

/**
 * Makes the next root and issuing CA, and the cross certificates OldWithNew and NewWithOld, in one commit: from now on devices
 * are given both roots. Throws `conflict` when a roll-over is under way, and `not-found` when the root's key is not here.
 */
export async function beginRollover(acting: Acting & AuthorityParts): Promise<void> {
  const { tenant, authority, store, clock, randomness } = acting;
  const hierarchy = await authority.hierarchy();
  requirePhase("none", phaseOf(hierarchy));
  const former = hierarchy.root;
  if (former.certificate.notAfter <= clock.now())
    throw new ServiceError(
      "conflict",
      `${former.record.name} has ended, so that no device follows it any more; begin anew with another CA, and give devices its root`,
    );
  const formerSigner = await authority.signer(former);
  const number = 1 + Math.max(...hierarchy.all.map(({ record }) => numberOf(record)));
  const name = former.certificate.subject.raw;
  const next = await newGeneration(tenant, number, "next", acting, name);
  const { notBefore, notAfter } = former.certificate;
  const now = clock.now();
  // RFC 4210 4.4.1: OldWithNew is good as long as the former root, NewWithOld from the beginning of the next one.
  const oldWithNew = await certifyCa(
    { subject: name, publicKey: former.certificate.subjectPublicKeyInfo, ...lengthOf(former), notBefore, notAfter },
    { name, signer: next.rootSigner },
    randomness,
  );
  const newWithOld = await certifyCa(
    { subject: name, publicKey: next.rootSigner.publicKey, ...lengthOf(former), notBefore: next.notBefore, notAfter },
    { name, signer: formerSigner },
    randomness,
  );
  const cross = (what: string, certificate: Uint8Array): Write =>
    store.authorities.insert({
      tenant,
      name: `${what}-${number}`,
      role: "cross",
      state: "active",
      origin: "own",
      certificate,
      created: now,
    });
  await change(acting, "ca-rollover-begin", [
    ...next.writes,
    cross("old-with-new", oldWithNew),
    cross("new-with-old", newWithOld),
  ]);
}

/** From now on the next generation issues; the former one is accepted as before. Throws `conflict` unless one is begun. */
export async function switchRollover(acting: Acting): Promise<void> {
  const { tenant, authority, store } = acting;
  const hierarchy = await authority.hierarchy();
  requirePhase("begun", phaseOf(hierarchy));
  const { setState } = store.authorities;
  const next = hierarchy.all.filter(({ record }) => record.state === "next");
  await change(acting, "ca-rollover-switch", [
    ...[hierarchy.root, hierarchy.issuing].map(({ record }) => setState(tenant, record.name, "active", "retired")),
    ...next.map(({ record }) => setState(tenant, record.name, "next", "active")),
  ]);
}

/**
 * Ends the former generation: it is neither given to devices nor accepted any more. Throws `conflict` unless a roll-over is
 * switched, and while devices hold certificates of it, except with `force`. Answers how many devices those were.
 */
export async function finishRollover(acting: Acting & { readonly force: boolean }): Promise<number> {
  const { tenant, authority, store, force } = acting;
  const hierarchy = await authority.hierarchy();
  requirePhase("switched", phaseOf(hierarchy));
  const { leaving, current, devices } = await rolloverStatus(acting);
  if (current > 0 && !force) {
    const issuing = leaving.flatMap(({ record: { role, name } }) => (role === "issuing" ? name : []));
    throw new ServiceError(
      "conflict",
      `${current} of ${devices} devices still have a good certificate of the former CA and no newer one; wait until they have renewed, and see which they are with: hatchery ca certificates --by ${issuing.join()} --current; or leave them behind with: hatchery ca rollover finish --force`,
    );
  }
  const crosses = hierarchy.all.filter(({ record }) => record.role === "cross" && record.state === "active");
  const end = ({ record: { name, state } }: CaCertificate) => store.authorities.setState(tenant, name, state, "ended");
  await change(acting, "ca-rollover-finish", [...leaving, ...crosses].map(end), { left: current });
  return current;
}

async function change(
  { tenant, authority, actor, store, clock }: Acting,
  action: string,
  writes: readonly Write[],
  detail: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const { root } = await authority.hierarchy();
  const subject = formatName(root.certificate.subject);
  const line = { tenant, at: clock.now(), actor, action, subject, detail: { root: root.record.name, ...detail } };
  try {
    await store.commit([...writes, store.audit.append(line)]);
  } catch (cause) {
    if (codeOf(cause) !== "guard-lost") throw cause;
    const sentence =
      "the CA was changed by somebody else at the same time; look at it with: hatchery ca rollover status";
    throw new ServiceError("conflict", sentence, { cause });
  } finally {
    authority.refresh();
  }
}

/** How far the roll-over is; the import of a CA is one that begins as `switched`. */
export function phaseOf({ all }: Hierarchy): RolloverPhase {
  if (all.some(({ record }) => record.state === "next")) return "begun";
  return all.some(({ record }) => record.role === "cross" && record.state === "active") ? "switched" : "none";
}

function requirePhase(wanted: RolloverPhase, phase: RolloverPhase): void {
  if (phase !== wanted) throw new ServiceError("conflict", rolloverSentences[phase]);
}

/** What an operator does in each phase. */
export const rolloverSentences: { readonly [phase in RolloverPhase]: string } = {
  none: "no roll-over is under way; begin one with: hatchery ca rollover begin",
  begun: "a roll-over is begun; when devices have had the time to renew, go on with: hatchery ca rollover switch",
  switched:
    "a roll-over is switched to the next CA; when devices have renewed, end it with: hatchery ca rollover finish",
};

/** The former root, which a cross certificate ties to the leading one, one way or the other, and what is below it alone. */
function leavingOf({ all, root, issuing }: Hierarchy, phase: RolloverPhase): readonly CaCertificate[] {
  if (phase === "none") return [];
  if (phase === "begun") return [root, issuing];
  const crosses = all.filter(({ record }) => record.role === "cross" && record.state === "active");
  const retired = all.filter(({ record }) => record.state === "retired");
  const leaving = retired.filter(
    ({ record, certificate }) =>
      record.role === "root" &&
      crosses.some((cross) => sameKey(cross.certificate, certificate) || isIssuer(certificate, cross.certificate)),
  );
  for (let added = true; added; ) {
    const more = retired.filter(
      (each) => !leaving.includes(each) && leaving.some((issuer) => isIssuer(issuer.certificate, each.certificate)),
    );
    leaving.push(...more);
    added = more.length > 0;
  }
  return leaving;
}

function sameKey(a: Certificate, b: Certificate): boolean {
  return equal(a.subjectPublicKeyInfo, b.subjectPublicKeyInfo);
}

/** Cross certificates allow what the roots do. */
function lengthOf({ certificate }: CaCertificate): { readonly pathLenConstraint?: number } {
  const length = basicConstraintsOf(certificate.extensions)?.pathLenConstraint;
  return length === undefined ? {} : { pathLenConstraint: length };
}

/** The number behind the name, such as 2 of `root-2`. */
function numberOf({ name }: AuthorityRecord): number {
  return Number(/-(\d{1,9})$/.exec(name)?.[1] ?? 0);
}
