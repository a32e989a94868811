import type { Write } from "../core/write.ts";
import { decodeJson, encodeJson } from "./columns.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import type { Anchor, Rule } from "./records.ts";
import type { RuleRow } from "./schema.ts";
import { guarded, prepared, settingWrite } from "./statement.ts";

export interface Policy {
  /** Guard: the tenant has no anchor with this id or name. Does not look into the certificate. */
  addAnchor(anchor: Anchor): Write;
  anchor(tenant: string, id: string): Promise<Anchor | undefined>;
  /** By name. */
  anchors(tenant: string, page: PageRequest): Promise<Page<Anchor>>;
  /** Guard: the anchor exists. Rules that name it stay, and match nothing any more. */
  removeAnchor(tenant: string, id: string): Write;

  /** Puts the rule behind all others; the store gives its position. Guard: the tenant has no rule with this id. */
  appendRule(rule: Omit<Rule, "position">): Write;
  /** By position. */
  rules(tenant: string, page: PageRequest): Promise<Page<Rule>>;
  /** Guard: the rule exists. */
  removeRule(tenant: string, id: string): Write;
}

export function policyIn(engine: Engine): Policy {
  const { queries } = engine;

  const insertAnchor = prepared((anchor: Anchor) =>
    queries.insertInto("anchors").values({
      tenant: anchor.tenant,
      id: anchor.id,
      name: anchor.name,
      purpose: anchor.purpose,
      certificate: anchor.certificate,
      added: anchor.added,
    }),
  );

  const findAnchor = prepared((p: Named) =>
    queries.selectFrom("anchors").selectAll().where("tenant", "=", p.tenant).where("id", "=", p.id),
  );

  const listAnchors = prepared((p: { tenant: string; after: string; rows: number }) =>
    queries
      .selectFrom("anchors")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("name", ">", p.after)
      .orderBy("name")
      .limit(p.rows),
  );

  const removeAnchor = prepared((p: Named) =>
    queries.deleteFrom("anchors").where("tenant", "=", p.tenant).where("id", "=", p.id),
  );

  const appendRule = prepared((rule: Omit<RuleRow, "position">) =>
    queries.insertInto("rules").values((eb) => ({
      tenant: rule.tenant,
      id: rule.id,
      position: eb
        .selectFrom("rules as other")
        .select(({ fn, val }) => eb(fn.coalesce(fn.max("other.position"), val(0)), "+", 1).as("position"))
        .where("other.tenant", "=", rule.tenant),
      verdict: rule.verdict,
      match: rule.match,
      created: rule.created,
    })),
  );

  const listRules = prepared((p: { tenant: string; after: number; rows: number }) =>
    queries
      .selectFrom("rules")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("position", ">", p.after)
      .orderBy("position")
      .limit(p.rows),
  );

  const removeRule = prepared((p: Named) =>
    queries.deleteFrom("rules").where("tenant", "=", p.tenant).where("id", "=", p.id),
  );

  return {
    addAnchor: (anchor) =>
      settingWrite(
        guarded(
          insertAnchor(anchor),
          `A trust anchor named ${anchor.name}, or with its id, exists already: choose another name, or remove that one first.`,
        ),
      ),

    async anchor(tenant, id) {
      const [row] = await engine.read(findAnchor({ tenant, id }));
      return row && { ...row };
    },

    async anchors(tenant, request) {
      const page = cursor<[string]>(request, ["text"]);
      // Anchors are never nameless, so the empty text is before the first.
      const rows = await engine.read(listAnchors({ tenant, after: page.after?.[0] ?? "", rows: page.rows }));
      return page.page(
        rows,
        (row) => [row.name],
        (row) => ({ ...row }),
      );
    },

    removeAnchor: (tenant, id) =>
      settingWrite(guarded(removeAnchor({ tenant, id }), `There is no trust anchor ${id}.`)),

    appendRule: (rule) =>
      settingWrite(
        guarded(
          appendRule({ ...rule, match: encodeJson(rule.match) }),
          `A rule with the id ${rule.id} exists already.`,
        ),
      ),

    async rules(tenant, request) {
      const page = cursor<[number]>(request, ["integer"]);
      const rows = await engine.read(listRules({ tenant, after: page.after?.[0] ?? 0, rows: page.rows }));
      return page.page(rows, (row) => [row.position], ruleOf);
    },

    removeRule: (tenant, id) => settingWrite(guarded(removeRule({ tenant, id }), `There is no rule ${id}.`)),
  };
}

interface Named {
  readonly tenant: string;
  readonly id: string;
}

function ruleOf(row: RuleRow): Rule {
  return { ...row, match: decodeJson(row.match) };
}
