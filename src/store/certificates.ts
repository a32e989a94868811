import { hash } from "node:crypto";
import { sql } from "kysely";
import type { Write } from "../core/write.ts";
import type { RevocationReason } from "../pki/crl-reasons.ts";
import { withoutNulls } from "./columns.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import type { IssuedCertificate } from "./records.ts";
import { isReplaced, type ReplacedCertificates, replacedCertificatesIn } from "./replaced-certificates.ts";
import type { CertificateRow } from "./schema.ts";
import { compiled, guarded, prepared, write } from "./statement.ts";

/** Which of the issued certificates to list; what is absent matches all. */
export interface CertificateFilter {
  readonly device?: string;
  readonly authority?: string;
  readonly revoked?: boolean;
  /** Only those whose validity ends at this time or later. */
  readonly endsFrom?: number;
  /** Only those whose validity ends before this time. */
  readonly endsBefore?: number;
  /** Only those that are not replaced at this time. */
  readonly latestAt?: number;
}

/** An entry of a CRL. */
export interface RevokedCertificate {
  readonly tenant: string;
  readonly serial: string;
  readonly at: number;
  readonly reason: RevocationReason;
  readonly notAfter: number;
}

export interface Certificates extends ReplacedCertificates {
  /** Guard: the authority has issued no certificate with this serial number, and the tenant has not this very one. */
  insertCertificate(certificate: IssuedCertificate): Write;
  certificate(tenant: string, authority: string, serial: string): Promise<IssuedCertificate | undefined>;
  /** `fingerprint`: SHA-256 of the certificate in DER, lower-case hex. */
  certificateByFingerprint(tenant: string, fingerprint: string): Promise<IssuedCertificate | undefined>;
  /** Those with this serial number, which is unique for each authority only. */
  certificatesBySerial(tenant: string, serial: string): Promise<readonly IssuedCertificate[]>;
  /** The latest first, by the start of their validity. */
  certificatesOf(tenant: string, device: string, page: PageRequest): Promise<Page<IssuedCertificate>>;
  /** Those that end first come first. */
  certificates(tenant: string, filter: CertificateFilter, page: PageRequest): Promise<Page<IssuedCertificate>>;

  /**
   * Guard: the authority has issued the certificate, and it is not revoked. `compromisedKey`: SHA-256 of its
   * SubjectPublicKeyInfo, lower-case hex, when its key is not to be trusted in any certificate.
   */
  revoke(
    tenant: string,
    authority: string,
    serial: string,
    at: number,
    reason: RevocationReason,
    compromisedKey?: string,
  ): Write;
  /** A certificate with which the key was revoked as compromised; `key` as in `revoke`. */
  compromised(tenant: string, key: string): Promise<IssuedCertificate | undefined>;
  /** Changes nothing. Guard: the authority has issued the certificate, and it is not revoked. */
  requireGood(tenant: string, authority: string, serial: string): Write;
  /** Guard: the certificate is revoked for certificateHold, the one reason that can be lifted (RFC 5280 5.3.1). */
  unrevoke(tenant: string, authority: string, serial: string): Write;
  /** The authority's revoked certificates by serial number, expired ones among them. */
  revokedOf(tenant: string, authority: string, page: PageRequest): Promise<Page<RevokedCertificate>>;
  /** How often certificates of the authority were revoked or taken back; it only grows. */
  revocationChanges(tenant: string, authority: string): Promise<number>;
}

export function certificatesIn(engine: Engine): Certificates {
  const { queries } = engine;

  const insertCertificate = prepared((certificate: IssuedCertificate & { readonly fingerprint: string }) =>
    queries.insertInto("certificates").values({
      tenant: certificate.tenant,
      authority: certificate.authority,
      serial: certificate.serial,
      fingerprint: certificate.fingerprint,
      certificate: certificate.certificate,
      subject: certificate.subject,
      profile: certificate.profile,
      not_before: certificate.notBefore,
      not_after: certificate.notAfter,
      device: certificate.device ?? null,
      run: certificate.run ?? null,
      revoked_at: null,
      revocation_reason: null,
      compromised_key: null,
    }),
  );

  const findCertificate = prepared((p: { tenant: string; authority: string; serial: string }) =>
    queries
      .selectFrom("certificates")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("authority", "=", p.authority)
      .where("serial", "=", p.serial),
  );

  const findByFingerprint = prepared((p: { tenant: string; fingerprint: string }) =>
    queries
      .selectFrom("certificates")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("fingerprint", "=", p.fingerprint),
  );

  const findBySerial = prepared((p: { tenant: string; serial: string }) =>
    queries
      .selectFrom("certificates")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("serial", "=", p.serial)
      .orderBy("authority"),
  );

  const findCompromised = prepared((p: { tenant: string; key: string }) =>
    queries
      .selectFrom("certificates")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("compromised_key", "=", p.key)
      // Written out: SQLite makes a new plan for each value that is bound to a LIMIT, which costs more than the search.
      .limit(sql.lit(1)),
  );

  const revoke = prepared(
    (p: {
      tenant: string;
      authority: string;
      serial: string;
      at: number;
      reason: RevocationReason;
      compromisedKey: string | null;
    }) =>
      queries
        .updateTable("certificates")
        .set({ revoked_at: p.at, revocation_reason: p.reason, compromised_key: p.compromisedKey })
        .where("tenant", "=", p.tenant)
        .where("authority", "=", p.authority)
        .where("serial", "=", p.serial)
        .where("revoked_at", "is", null),
  );

  const requireGood = prepared((p: { tenant: string; authority: string; serial: string }) =>
    queries
      .updateTable("certificates")
      .set({ serial: p.serial })
      .where("tenant", "=", p.tenant)
      .where("authority", "=", p.authority)
      .where("serial", "=", p.serial)
      .where("revoked_at", "is", null),
  );

  const unrevoke = prepared((p: { tenant: string; authority: string; serial: string }) =>
    queries
      .updateTable("certificates")
      .set({ revoked_at: null, revocation_reason: null })
      .where("tenant", "=", p.tenant)
      .where("authority", "=", p.authority)
      .where("serial", "=", p.serial)
      .where("revocation_reason", "=", "certificateHold"),
  );

  const countChange = prepared((p: { tenant: string; authority: string }) =>
    queries
      .insertInto("revocation_changes")
      .values({ tenant: p.tenant, authority: p.authority, changes: 1 })
      .onConflict((conflict) =>
        conflict
          .columns(["tenant", "authority"])
          .doUpdateSet(({ eb }) => ({ changes: eb("revocation_changes.changes", "+", 1) })),
      ),
  );

  const findChanges = prepared((p: { tenant: string; authority: string }) =>
    queries
      .selectFrom("revocation_changes")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("authority", "=", p.authority),
  );

  return {
    ...replacedCertificatesIn(engine),

    insertCertificate: (certificate) =>
      write(
        guarded(
          insertCertificate({ ...certificate, fingerprint: hash("sha256", certificate.certificate, "hex") }),
          `The authority ${certificate.authority} has issued the serial number ${certificate.serial} already.`,
        ),
      ),

    async certificate(tenant, authority, serial) {
      const [row] = await engine.read(findCertificate({ tenant, authority, serial }));
      return row && certificateOf(row);
    },

    async certificateByFingerprint(tenant, fingerprint) {
      const [row] = await engine.read(findByFingerprint({ tenant, fingerprint }));
      return row && certificateOf(row);
    },

    async certificatesBySerial(tenant, serial) {
      const rows = await engine.read(findBySerial({ tenant, serial }));
      return rows.map(certificateOf);
    },

    async compromised(tenant, key) {
      const [row] = await engine.read(findCompromised({ tenant, key }));
      return row && certificateOf(row);
    },

    async certificatesOf(tenant, device, request) {
      const page = cursor<[number, string, string]>(request, ["integer", "text", "text"]);
      let query = queries
        .selectFrom("certificates")
        .selectAll()
        .where("tenant", "=", tenant)
        .where("device", "=", device)
        .orderBy("not_before", "desc")
        .orderBy("authority", "desc")
        .orderBy("serial", "desc")
        .limit(page.rows);
      const { after } = page;
      if (after)
        query = query.where(({ eb, refTuple, tuple }) =>
          eb(refTuple("not_before", "authority", "serial"), "<", tuple(...after)),
        );
      const rows = await engine.read(compiled(query));
      return page.page(rows, (row) => [row.not_before, row.authority, row.serial], certificateOf);
    },

    async certificates(tenant, { device, authority, revoked, endsFrom, endsBefore, latestAt }, request) {
      const page = cursor<[number, string, string]>(request, ["integer", "text", "text"]);
      let query = queries
        .selectFrom("certificates")
        .selectAll()
        .where("tenant", "=", tenant)
        .orderBy("not_after")
        .orderBy("authority")
        .orderBy("serial")
        .limit(page.rows);
      if (device !== undefined) query = query.where("device", "=", device);
      if (authority !== undefined) query = query.where("authority", "=", authority);
      if (revoked !== undefined) query = query.where("revoked_at", revoked ? "is not" : "is", null);
      if (endsFrom !== undefined) query = query.where("not_after", ">=", endsFrom);
      if (endsBefore !== undefined) query = query.where("not_after", "<", endsBefore);
      if (latestAt !== undefined) query = query.where((eb) => eb.not(isReplaced(eb, latestAt)));
      const { after } = page;
      if (after)
        query = query.where(({ eb, refTuple, tuple }) =>
          eb(refTuple("not_after", "authority", "serial"), ">", tuple(...after)),
        );
      const rows = await engine.read(compiled(query));
      return page.page(rows, (row) => [row.not_after, row.authority, row.serial], certificateOf);
    },

    revoke: (tenant, authority, serial, at, reason, compromisedKey) =>
      write(
        guarded(
          revoke({ tenant, authority, serial, at, reason, compromisedKey: compromisedKey ?? null }),
          `The certificate ${serial} of ${authority} is revoked already, or was never issued.`,
        ),
        countChange({ tenant, authority }),
      ),

    requireGood: (tenant, authority, serial) =>
      write(
        guarded(
          requireGood({ tenant, authority, serial }),
          `The certificate ${serial} of ${authority} was revoked meanwhile, or was never issued.`,
        ),
      ),

    unrevoke: (tenant, authority, serial) =>
      write(
        guarded(unrevoke({ tenant, authority, serial }), `The certificate ${serial} of ${authority} is not on hold.`),
        countChange({ tenant, authority }),
      ),

    async revokedOf(tenant, authority, request) {
      const page = cursor<[string]>(request, ["text"]);
      let query = queries
        .selectFrom("certificates")
        .select(["tenant", "serial", "revoked_at", "revocation_reason", "not_after"])
        .where("tenant", "=", tenant)
        .where("authority", "=", authority)
        .where("revoked_at", "is not", null)
        .orderBy("serial")
        .limit(page.rows);
      if (page.after) query = query.where("serial", ">", page.after[0]);
      const rows = await engine.read(compiled(query));
      return page.page(rows, (row) => [row.serial], revokedOf);
    },

    async revocationChanges(tenant, authority) {
      const [row] = await engine.read(findChanges({ tenant, authority }));
      return row?.changes ?? 0;
    },
  };
}

function certificateOf(row: CertificateRow): IssuedCertificate {
  const {
    fingerprint: _,
    compromised_key: __,
    not_before: notBefore,
    not_after: notAfter,
    revoked_at: at,
    ...rest
  } = row;
  const { revocation_reason: reason, ...present } = withoutNulls(rest);
  const revocation = at === null || reason === undefined ? {} : { revocation: { at, reason } };
  return { ...present, ...revocation, notBefore, notAfter };
}

function revokedOf(
  row: Pick<CertificateRow, "tenant" | "serial" | "revoked_at" | "revocation_reason" | "not_after">,
): RevokedCertificate {
  const { tenant, serial, revoked_at, revocation_reason, not_after: notAfter } = row;
  return { tenant, serial, at: revoked_at ?? 0, reason: revocation_reason ?? "unspecified", notAfter };
}
