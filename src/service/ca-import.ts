import { equal } from "../core/bytes.ts";
import type { Write } from "../core/write.ts";
import { signerOf } from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import type { Certificate } from "../pki/certificate.ts";
import { formatName } from "../pki/name.ts";
import type { Authority as AuthorityRecord } from "../store/records.ts";
import type { Authority } from "./authority.ts";
import type { AuthorityParts } from "./authority-create.ts";
import type { Hierarchy } from "./authority-hierarchy.ts";
import { type CaChain, type CaFiles, caChainIn } from "./ca-import-chain.ts";
import { crossCertify } from "./ca-import-cross.ts";
import { complaintAboutTrials, trialCertificates } from "./ca-import-trial.ts";
import { phaseOf, rolloverSentences } from "./ca-rollover.ts";
import { ServiceError } from "./errors.ts";
import type { KeptKey } from "./key-keeper.ts";
import { privateKeyIn } from "./pem-files.ts";
import { requireNoManufacturer } from "./trust.ts";

/** An issuing CA that was made elsewhere, as an operator brings it. */
export interface CaImport extends CaFiles {
  /** The private key in PEM, not encrypted, or the reference of a key that is in keeping already. */
  readonly key: { readonly pem: string } | { readonly reference: string };
}

/** What an import changes, or would change. */
export interface CaImportReport {
  readonly issuing: ShownCa;
  /** From the issuer of `issuing` up to the root. */
  readonly issuers: readonly ShownCa[];
  /** The CA that issues no more; what it issued stays good. */
  readonly retires: ShownCa;
  /** Whether devices that trust the former root alone still reach the listener, and are led to the new root there. */
  readonly followed: boolean;
}

export interface ShownCa {
  readonly subject: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly notAfter: number;
}

interface Acting extends AuthorityParts {
  readonly tenant: string;
  readonly authority: Authority;
  /** Names and addresses by which devices reach the listener, whose certificate the imported CA is to issue. */
  readonly names: readonly string[];
  readonly actor: string;
}

/**
 * Makes an issuing CA that was made elsewhere the tenant's, in one commit; with `dryRun` it only tells what would happen. The
 * former CA issues no more, and its root certifies the new one, so that devices can follow. Throws `invalid` and `conflict`
 * with what to do, and what the keeper of keys throws. Certificates of the listener are the caller's to renew.
 */
export async function importCa(files: CaImport, dryRun: boolean, acting: Acting): Promise<CaImportReport> {
  const { tenant, authority, store, clock } = acting;
  const now = clock.now();
  const chain = caChainIn(files, now);
  const cas = [chain.issuing, ...chain.intermediates];
  const hierarchy = await authority.hierarchy();
  const number = nextNumber(hierarchy);
  const key = await keyOf(files, chain, `issuing-${number}`, acting);

  const trials = await trialCertificates(chain.issuing, key.signer, acting.names, now);
  const complaint = complaintAboutTrials(trials, cas, chain.root, now);
  if (complaint !== undefined)
    throw new ServiceError("invalid", `${nameOf(chain.issuing)} cannot issue certificates here: ${complaint}`);
  requireUnused(chain, hierarchy);
  await requireNoManufacturer(store, tenant, [...cas, chain.root]);

  const sameRoot = equal(hierarchy.root.certificate.raw, chain.root.raw);
  const cross = sameRoot ? [] : await crossCertify(authority, [chain.root], acting);
  const followed = complaintAboutTrials(trials, [...cas, ...cross], hierarchy.root.certificate, now) === undefined;
  const report: CaImportReport = {
    issuing: shown(chain.issuing),
    issuers: [...chain.intermediates, chain.root].map(shown),
    retires: shown(hierarchy.issuing.certificate),
    followed,
  };
  if (dryRun) return report;
  const kept = await key.keep();
  await store.commit([
    ...kept.writes,
    ...replacement(chain, cross, kept.key, number, hierarchy, acting),
    store.audit.append({
      tenant,
      at: now,
      actor: acting.actor,
      action: "ca-import",
      subject: report.issuing.subject,
      detail: { root: nameOf(chain.root), retired: report.retires.subject },
    }),
  ]);
  authority.refresh();
  return report;
}

/** The key of the imported CA. Nothing of it is kept before `keep` is called and its writes are committed. */
interface OfferedKey {
  readonly signer: Signer;
  keep(): Promise<Pick<KeptKey, "key" | "writes">>;
}

async function keyOf({ key }: CaImport, { issuing }: CaChain, name: string, acting: Acting): Promise<OfferedKey> {
  const { tenant, keys } = acting;
  if ("pem" in key) {
    const privateKey = privateKeyIn(key.pem, issuing, "the CA's key");
    return { signer: signerOf(privateKey), keep: () => keys.keep(tenant, name, privateKey) };
  }
  const signer = await keys.signer(tenant, key.reference);
  if (!equal(signer.publicKey, issuing.subjectPublicKeyInfo))
    throw new ServiceError("invalid", "the CA's key is not the private key of its certificate; name the one that is");
  return { signer, keep: async () => ({ key: key.reference, writes: [] }) };
}

/** The CA is new here, and nothing else is changing. */
function requireUnused({ issuing }: CaChain, hierarchy: Hierarchy): void {
  // Devices of the former root come by a cross certificate that leads to the root of now, and to no other.
  const phase = phaseOf(hierarchy);
  if (phase !== "none")
    throw new ServiceError(
      "conflict",
      `a CA can be imported once nobody is on the way from one to the next: ${rolloverSentences[phase]}`,
    );
  const known = hierarchy.all.find(({ certificate }) =>
    equal(certificate.subjectPublicKeyInfo, issuing.subjectPublicKeyInfo),
  );
  if (known !== undefined)
    throw new ServiceError(
      "conflict",
      `${nameOf(issuing)} has the key of ${known.record.name}, a CA of this tenant already (${known.record.state})`,
    );
}

/** Retires what is active, and makes the imported CAs active; those that are here already take their places again. */
function replacement(
  { issuing, intermediates, root }: CaChain,
  cross: readonly Certificate[],
  key: string,
  number: number,
  { all, root: formerRoot, issuing: formerIssuing }: Hierarchy,
  { tenant, store, clock }: Acting,
): readonly Write[] {
  const { insert, setState } = store.authorities;
  const place = (
    certificate: Certificate,
    name: string,
    role: AuthorityRecord["role"],
    reference?: string,
  ): Write[] => {
    const here = all.find((each) => each.record.role === role && equal(each.certificate.raw, certificate.raw));
    if (here?.record.state === "active") return [];
    if (here !== undefined) return [setState(tenant, here.record.name, here.record.state, "active")];
    const origin = role === "cross" ? "own" : "imported";
    const record = { tenant, name, role, state: "active", origin, certificate: certificate.raw } as const;
    return [insert({ ...record, created: clock.now(), ...(reference === undefined ? {} : { key: reference }) })];
  };
  // They lead to the root that retires, or say what devices know of it.
  const formerCrosses = all.filter(({ record }) => record.role === "cross" && record.state === "active");
  const staysRoot = equal(formerRoot.certificate.raw, root.raw);
  return [
    setState(tenant, formerIssuing.record.name, "active", "retired"),
    ...(staysRoot
      ? []
      : [formerRoot, ...formerCrosses].map(({ record }) =>
          setState(tenant, record.name, "active", record.role === "cross" ? "ended" : "retired"),
        )),
    ...place(root, `root-${number}`, "root"),
    ...intermediates.flatMap((each, index) => place(each, `intermediate-${number}.${index + 1}`, "intermediate")),
    ...place(issuing, `issuing-${number}`, "issuing", key),
    ...cross.flatMap((each) => place(each, `new-with-old-${number}`, "cross")),
  ];
}

/** One more than any name of the tenant's CAs ends in, such as 2 of `root-2`. */
function nextNumber({ all }: Hierarchy): number {
  return 1 + Math.max(...all.map(({ record }) => Number(/-(\d{1,9})(?:\.\d+)?$/.exec(record.name)?.[1] ?? 0)));
}

function shown(certificate: Certificate): ShownCa {
  return { subject: nameOf(certificate), notAfter: certificate.notAfter };
}

function nameOf({ subject }: Certificate): string {
  return formatName(subject);
}
