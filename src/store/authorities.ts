import { hash } from "node:crypto";
import type { Write } from "../core/write.ts";
import { withoutNulls } from "./columns.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import type { Authority, IssuedCertificate, SealedKey } from "./records.ts";
import type { CertificateRow } from "./schema.ts";
import { compiled, guarded, prepared, write } from "./statement.ts";

export interface Authorities {
  /** Guard: the tenant has no key of this name; a key is never overwritten by accident. Does not check that it is sealed. */
  addKey(key: SealedKey): Write;
  /** Seals the same key anew. Guard: the stored key is still the one that was `read`. */
  resealKey(read: SealedKey, sealed: Uint8Array): Write;
  key(tenant: string, name: string): Promise<SealedKey | undefined>;

  /** Guard: the tenant has no authority of this name. Does not check that its key is stored. */
  insert(authority: Authority): Write;
  /** By name. */
  list(tenant: string, page: PageRequest): Promise<Page<Authority>>;

  /** Guard: the authority has issued no certificate with this serial number, and the tenant has not this very one. */
  insertCertificate(certificate: IssuedCertificate): Write;
  certificate(tenant: string, authority: string, serial: string): Promise<IssuedCertificate | undefined>;
  /** `fingerprint`: SHA-256 of the certificate in DER, lower-case hex. */
  certificateByFingerprint(tenant: string, fingerprint: string): Promise<IssuedCertificate | undefined>;
  /** The latest first, by the start of their validity. */
  certificatesOf(tenant: string, device: string, page: PageRequest): Promise<Page<IssuedCertificate>>;
}

export function authoritiesIn(engine: Engine): Authorities {
  const { queries } = engine;

  const addKey = prepared((key: SealedKey) =>
    queries.insertInto("sealed_keys").values({ tenant: key.tenant, name: key.name, sealed: key.sealed }),
  );

  const resealKey = prepared((p: SealedKey & { readonly before: Uint8Array }) =>
    queries
      .updateTable("sealed_keys")
      .set({ sealed: p.sealed })
      .where("tenant", "=", p.tenant)
      .where("name", "=", p.name)
      .where("sealed", "=", p.before),
  );

  const findKey = prepared((p: { tenant: string; name: string }) =>
    queries.selectFrom("sealed_keys").selectAll().where("tenant", "=", p.tenant).where("name", "=", p.name),
  );

  const insert = prepared((authority: Authority) =>
    queries.insertInto("authorities").values({
      tenant: authority.tenant,
      name: authority.name,
      certificate: authority.certificate,
      key: authority.key,
      created: authority.created,
    }),
  );

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

  return {
    addKey: (key) => write(guarded(addKey(key), `A key named ${key.name} exists already.`)),

    resealKey: (read, sealed) =>
      write(
        guarded(
          resealKey({ ...read, sealed, before: read.sealed }),
          `The key ${read.name} was sealed by somebody else first.`,
        ),
      ),

    async key(tenant, name) {
      const [row] = await engine.read(findKey({ tenant, name }));
      return row && { ...row };
    },

    insert: (authority) =>
      write(guarded(insert(authority), `The tenant has a certificate authority named ${authority.name} already.`)),

    async list(tenant, request) {
      const page = cursor<[Authority["name"]]>(request, ["text"]);
      let query = queries
        .selectFrom("authorities")
        .selectAll()
        .where("tenant", "=", tenant)
        .orderBy("name")
        .limit(page.rows);
      if (page.after) query = query.where("name", ">", page.after[0]);
      const rows = await engine.read(compiled(query));
      return page.page(
        rows,
        (row) => [row.name],
        (row) => ({ ...row }),
      );
    },

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
  };
}

function certificateOf(row: CertificateRow): IssuedCertificate {
  const { fingerprint: _, not_before: notBefore, not_after: notAfter, ...rest } = row;
  return { ...withoutNulls(rest), notBefore, notAfter };
}
