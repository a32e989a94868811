import type { ExpressionBuilder, ExpressionWrapper, SqlBool } from "kysely";
import type { Engine } from "./engine.ts";
import type { IssuedCertificate } from "./records.ts";
import type { Schema } from "./schema.ts";
import { compiled } from "./statement.ts";

/** How many devices depend on certain authorities. */
export interface Holders {
  /** Those with a certificate of these authorities that is good and not replaced. */
  readonly held: number;
  /** Those with any good certificate. */
  readonly all: number;
}

/**
 * A certificate is replaced when its device has a newer one that is good, by the same profile: a renewal stays within that. One
 * without a device is never replaced. Good is what is neither revoked nor expired.
 */
export interface ReplacedCertificates {
  /** A certificate without a device counts as a device of its own. */
  countHolders(tenant: string, authorities: readonly string[], at: number): Promise<Holders>;
  /** Those of `certificates`, all the tenant's, that are replaced at `at`. */
  replacedAmong(
    tenant: string,
    certificates: readonly IssuedCertificate[],
    at: number,
  ): Promise<readonly IssuedCertificate[]>;
}

export function replacedCertificatesIn({ queries, read }: Engine): ReplacedCertificates {
  return {
    async countHolders(tenant, authorities, at) {
      const query = queries
        .selectFrom("certificates")
        .select(({ fn, or, eb }) => {
          const holder = fn.coalesce("device", "fingerprint");
          const isHeld = or(authorities.map((authority) => eb("authority", "=", authority)));
          const held = eb.case().when(isHeld).then(holder).end();
          return [fn.count<number>(held).distinct().as("held"), fn.count<number>(holder).distinct().as("all")];
        })
        .where("tenant", "=", tenant)
        .where("not_after", ">=", at)
        .where("revoked_at", "is", null)
        .where((eb) => eb.not(isReplaced(eb, at)));
      const [row] = await read(compiled(query));
      return { held: row?.held ?? 0, all: row?.all ?? 0 };
    },

    async replacedAmong(tenant, certificates, at) {
      const devices = [...new Set(certificates.flatMap(({ device }) => device ?? []))];
      if (devices.length === 0) return [];
      const query = queries
        .selectFrom("certificates")
        .select(["authority", "serial"])
        .where("tenant", "=", tenant)
        .where("device", "in", devices)
        .where((eb) => isReplaced(eb, at));
      const rows = await read(compiled(query));
      const replaced = new Set(rows.map(keyOf));
      return certificates.filter((each) => replaced.has(keyOf(each)));
    },
  };
}

/** Whether the row of `certificates` at hand is replaced; it reads the device's certificates from the newest down to this one. */
export function isReplaced(
  eb: ExpressionBuilder<Schema, "certificates">,
  at: number,
): ExpressionWrapper<Schema, "certificates", SqlBool> {
  const newer = eb
    .selectFrom("certificates as newer")
    .select("newer.serial")
    .whereRef("newer.tenant", "=", "certificates.tenant")
    .whereRef("newer.device", "=", "certificates.device")
    .whereRef("newer.profile", "=", "certificates.profile")
    .where("newer.revoked_at", "is", null)
    .where("newer.not_after", ">=", at)
    .where(({ eb, refTuple }) =>
      eb(
        refTuple("newer.not_before", "newer.authority", "newer.serial"),
        ">",
        refTuple("certificates.not_before", "certificates.authority", "certificates.serial"),
      ),
    );
  return eb.exists(newer);
}

function keyOf({ authority, serial }: Pick<IssuedCertificate, "authority" | "serial">): string {
  return `${serial} ${authority}`;
}
