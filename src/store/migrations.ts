import { type Compilable, sql } from "kysely";
import type { Engine } from "./engine.ts";
import type { Migration } from "./migrate.ts";
import { auditChain } from "./migrations/audit-chain.ts";
import { certificateAuthorities } from "./migrations/certificate-authorities.ts";
import { compromisedKeys } from "./migrations/compromised-keys.ts";
import { foldedIdentities } from "./migrations/folded-identities.ts";
import { revocationChanges } from "./migrations/revocation-changes.ts";
import { optional, table } from "./migrations/table.ts";
import { vaultKeys } from "./migrations/vault-keys.ts";

/** The history of the schema, oldest first. */
export const migrations: readonly Migration[] = [
  { number: 1, name: "initial", statements: initial },
  { number: 2, name: "audit chain", statements: auditChain },
  { number: 3, name: "certificate authorities", statements: certificateAuthorities },
  { number: 4, name: "revocation changes", statements: revocationChanges },
  { number: 5, name: "vault keys", statements: vaultKeys },
  { number: 6, name: "compromised keys", statements: compromisedKeys },
  { number: 7, name: "folded identities", statements: foldedIdentities },
];

function initial({ ddl }: Pick<Engine, "ddl">): readonly Compilable[] {
  const { schema, text, integer, bytes } = ddl;
  return [
    ddl
      .table("tenants")
      .addColumn("tenant", text, (column) => column.notNull().primaryKey())
      .addColumn("created", integer, (column) => column.notNull()),

    table(ddl, "devices", ["id"], { id: text, name: text, lifecycle: text, created: integer, updated: integer }),
    schema.createIndex("devices_by_name").on("devices").columns(["tenant", "name", "id"]),

    table(ddl, "identities", ["value", "kind"], {
      kind: text,
      value: text,
      device: text,
      proven_by: text,
      issuer: optional(text),
    })
      // A device that is gone must not be found by a name it had.
      .addForeignKeyConstraint("identities_device", ["tenant", "device"], "devices", ["tenant", "id"]),
    schema.createIndex("identities_by_device").on("identities").columns(["tenant", "device", "kind", "value"]),

    table(ddl, "anchors", ["id"], { id: text, name: text, purpose: text, certificate: bytes, added: integer })
      .addUniqueConstraint("anchors_name", ["tenant", "name"])
      .addCheckConstraint("anchors_named", sql`name <> ''`),

    table(ddl, "rules", ["id"], { id: text, position: integer, verdict: text, match: text, created: integer })
      .addUniqueConstraint("rules_position", ["tenant", "position"])
      .addCheckConstraint("rules_positive", sql`position > 0`),

    table(ddl, "approvals", ["id"], {
      id: text,
      protocol: text,
      subject: text,
      evidence: text,
      state: text,
      run: text,
      created: integer,
      decided: optional(integer),
      decided_by: optional(text),
    }),
    schema
      .createIndex("approvals_open")
      .on("approvals")
      .columns(["tenant", "protocol", "subject"])
      .unique()
      // A session asks once; after a denial it may ask again.
      .where(sql.ref("state"), "in", ["pending", "approved"]),
    schema
      .createIndex("approvals_by_subject")
      .on("approvals")
      .columns(["tenant", "protocol", "subject", "created", "id"]),
    schema.createIndex("approvals_by_run").on("approvals").columns(["tenant", "run"]),
    schema.createIndex("approvals_by_state").on("approvals").columns(["tenant", "state", "created", "id"]),

    table(ddl, "est_users", ["name"], { name: text, password_hash: text, devices: text, created: integer }),

    table(ddl, "sealed_keys", ["name"], { name: text, sealed: bytes }),

    table(ddl, "authorities", ["name"], { name: text, certificate: bytes, key: text, created: integer }),

    table(ddl, "certificates", ["authority", "serial"], {
      authority: text,
      serial: text,
      fingerprint: text,
      certificate: bytes,
      subject: text,
      profile: text,
      not_before: integer,
      not_after: integer,
      device: optional(text),
      run: optional(text),
    }).addUniqueConstraint("certificates_fingerprint", ["tenant", "fingerprint"]),
    schema
      .createIndex("certificates_by_device")
      .on("certificates")
      .columns(["tenant", "device", "not_before", "authority", "serial"]),

    table(ddl, "sessions", ["protocol", "key"], {
      protocol: text,
      key: text,
      version: integer,
      data: bytes,
      expires: integer,
    }),
    schema.createIndex("sessions_by_expiry").on("sessions").columns(["expires"]),

    table(ddl, "runs", ["id"], {
      id: text,
      protocol: text,
      variant: text,
      device: optional(text),
      label: text,
      started: integer,
      ended: optional(integer),
      outcome: text,
      reason: text,
      run: bytes,
    }),
    schema.createIndex("runs_by_start").on("runs").columns(["tenant", "started", "id"]),
    schema.createIndex("runs_by_device").on("runs").columns(["tenant", "device", "started", "id"]),
    schema.createIndex("runs_by_outcome").on("runs").columns(["tenant", "outcome", "started", "id"]),

    table(ddl, "device_ledgers", ["run"], { run: text, ledger: bytes })
      // It explains a run and goes with it.
      .addForeignKeyConstraint("device_ledgers_run", ["tenant", "run"], "runs", ["tenant", "id"], (constraint) =>
        constraint.onDelete("cascade"),
      ),

    table(ddl, "audit", ["sequence"], {
      sequence: integer,
      at: integer,
      actor: text,
      action: text,
      subject: text,
      detail: text,
    }),
  ];
}
