import type { Compilable } from "kysely";
import type { Engine } from "../engine.ts";

/**
 * The keys of certificates that were revoked as compromised. SQL cannot read them out of the certificates: revocations from
 * before condemn the certificate alone.
 */
export function compromisedKeys({ ddl }: Pick<Engine, "ddl">): readonly Compilable[] {
  return [
    ddl.schema.alterTable("certificates").addColumn("compromised_key", ddl.text),
    ddl.schema
      .createIndex("certificates_by_compromised_key")
      .on("certificates")
      .columns(["tenant", "compromised_key"])
      .where("compromised_key", "is not", null),
  ];
}
