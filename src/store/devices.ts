import type { Write } from "../core/write.ts";
import { withoutNulls } from "./columns.ts";
import type { Engine } from "./engine.ts";
import { type Cursor, cursor, type Page, type PageRequest } from "./paging.ts";
import type { Device, Identity, IdentityKind, Lifecycle } from "./records.ts";
import type { DeviceRow, IdentityRow } from "./schema.ts";
import { compiled, guarded, prepared, write } from "./statement.ts";

export interface Devices {
  /** Guard: the tenant has no device with this id. */
  insert(device: Device): Write;
  /**
   * Changes the name, the lifecycle or both. Guard: the device is still as it was `read`. Does not check that the
   * lifecycle may follow the one before.
   */
  update(read: Device, change: DeviceChange): Write;
  find(tenant: string, id: string): Promise<Device | undefined>;
  /** The device that has this identity, whatever proved it. */
  findByIdentity(tenant: string, kind: IdentityKind, value: string): Promise<Device | undefined>;
  /** The identity itself: which device has it, what proved it, and who vouched for it. */
  identity(tenant: string, kind: IdentityKind, value: string): Promise<Identity | undefined>;
  /** Which devices have these identities, all as they were at one moment, in the order asked; undefined for nobody's. */
  identified(tenant: string, asked: readonly IdentityAsked[]): Promise<readonly (Identified | undefined)[]>;
  /**
   * By name, then id; with `search`, those whose name begins with it in exactly that spelling, or any identity as identities are
   * found. A search looks at the first 1,000 names and the first 1,000 identities that begin so: a longer one finds the others.
   */
  list(tenant: string, page: PageRequest, search?: string): Promise<Page<Device>>;
  /**
   * Gives a device an identity, or, when the device has it already, the new `provenBy`. Guard: no other device of the
   * tenant has it, and the device exists.
   */
  addIdentity(identity: Identity): Write;
  /** By kind, then value. */
  identities(tenant: string, device: string, page: PageRequest): Promise<Page<Identity>>;
}

export type IdentityAsked = Pick<Identity, "kind" | "value">;

export interface Identified {
  readonly identity: Identity;
  readonly device: Device;
}

export interface DeviceChange {
  readonly name?: string;
  readonly lifecycle?: Lifecycle;
  readonly updated: number;
}

export function devicesIn(engine: Engine): Devices {
  const { queries } = engine;

  const insert = prepared((device: Device) =>
    queries.insertInto("devices").values({
      tenant: device.tenant,
      id: device.id,
      name: device.name,
      lifecycle: device.lifecycle,
      created: device.created,
      updated: device.updated,
    }),
  );

  const update = prepared((p: Device & { readonly before: number; readonly lifecycleBefore: Lifecycle }) =>
    queries
      .updateTable("devices")
      .set({ name: p.name, lifecycle: p.lifecycle, updated: p.updated })
      .where("tenant", "=", p.tenant)
      .where("id", "=", p.id)
      .where("updated", "=", p.before)
      .where("lifecycle", "=", p.lifecycleBefore),
  );

  const find = prepared((p: { tenant: string; id: string }) =>
    queries.selectFrom("devices").selectAll().where("tenant", "=", p.tenant).where("id", "=", p.id),
  );

  const findByIdentity = prepared((p: { tenant: string; kind: IdentityKind; value: string }) =>
    queries
      .selectFrom("identities")
      .innerJoin("devices", (join) =>
        join.onRef("devices.tenant", "=", "identities.tenant").onRef("devices.id", "=", "identities.device"),
      )
      .selectAll("devices")
      .where("identities.tenant", "=", p.tenant)
      .where("identities.kind", "=", p.kind)
      .where("identities.value", "=", p.value),
  );

  // A statement sees one moment on every engine; the values alone are what the primary key begins with.
  const findIdentified = (tenant: string, values: readonly string[]) =>
    queries
      .selectFrom("identities")
      .innerJoin("devices", (join) =>
        join.onRef("devices.tenant", "=", "identities.tenant").onRef("devices.id", "=", "identities.device"),
      )
      .selectAll("identities")
      .select(["devices.name", "devices.lifecycle", "devices.created", "devices.updated"])
      .where("identities.tenant", "=", tenant)
      .where("identities.value", "in", values);

  const findIdentity = prepared((p: { tenant: string; kind: IdentityKind; value: string }) =>
    queries
      .selectFrom("identities")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("kind", "=", p.kind)
      .where("value", "=", p.value),
  );

  const addIdentity = prepared((identity: Identity & { readonly shown: string | null }) =>
    queries
      .insertInto("identities")
      .values({
        tenant: identity.tenant,
        kind: identity.kind,
        value: identity.value,
        device: identity.device,
        proven_by: identity.provenBy,
        issuer: identity.issuer ?? null,
        shown: identity.shown,
      })
      .onConflict((conflict) =>
        conflict
          .columns(["tenant", "kind", "value"])
          .doUpdateSet((set) => ({ proven_by: set.ref("excluded.proven_by"), issuer: set.ref("excluded.issuer") }))
          .whereRef("identities.device", "=", "excluded.device"),
      ),
  );

  function all(tenant: string, page: DeviceCursor) {
    const query = queries
      .selectFrom("devices")
      .selectAll()
      .where("tenant", "=", tenant)
      .orderBy("name")
      .orderBy("id")
      .limit(page.rows);
    const { after } = page;
    if (!after) return query;
    return query.where(({ eb, refTuple, tuple }) => eb(refTuple("name", "id"), ">", tuple(...after)));
  }

  function matching(tenant: string, search: string, page: DeviceCursor) {
    const end = `${search}${highest}`;
    const byName = queries
      .selectFrom("devices")
      .select("id")
      .where("tenant", "=", tenant)
      .where("name", ">=", search)
      .where("name", "<", end)
      .orderBy("name")
      .orderBy("id")
      .limit(matchesAtMost);
    const byIdentity = (prefix: string) =>
      queries
        .selectFrom("identities")
        .select("device as id")
        .where("tenant", "=", tenant)
        .where("value", ">=", prefix)
        .where("value", "<", `${prefix}${highest}`)
        .orderBy("value")
        .orderBy("kind")
        .limit(matchesAtMost);
    const found = queries
      .selectFrom(byName.as("by_name"))
      .select("id")
      .union(queries.selectFrom(byIdentity(search).as("by_identity")).select("id"))
      .union(queries.selectFrom(byIdentity(folded({ kind: "serial", value: search })).as("by_folded")).select("id"));
    // SQLite never reorders a CROSS JOIN: it looks up what was found, and does not walk all devices in the order of names.
    const query = queries
      .selectFrom(found.as("found"))
      .crossJoin("devices")
      .selectAll("devices")
      .where("devices.tenant", "=", tenant)
      .whereRef("devices.id", "=", "found.id")
      .orderBy("devices.name")
      .orderBy("devices.id")
      .limit(page.rows);
    const { after } = page;
    if (!after) return query;
    return query.where(({ eb, refTuple, tuple }) => eb(refTuple("devices.name", "devices.id"), ">", tuple(...after)));
  }

  return {
    insert: (device) => write(guarded(insert(device), `A device with the id ${device.id} exists already.`)),

    update: (read, change) =>
      write(
        guarded(
          update({ ...read, ...change, before: read.updated, lifecycleBefore: read.lifecycle }),
          `The device ${read.id} was changed by somebody else first.`,
        ),
      ),

    async find(tenant, id) {
      const [row] = await engine.read(find({ tenant, id }));
      return row && { ...row };
    },

    async findByIdentity(tenant, kind, value) {
      const [row] = await engine.read(findByIdentity({ tenant, kind, value: folded({ kind, value }) }));
      return row && { ...row };
    },

    async identity(tenant, kind, value) {
      const [row] = await engine.read(findIdentity({ tenant, kind, value: folded({ kind, value }) }));
      return row && identityOf(row);
    },

    async identified(tenant, asked) {
      const wanted = asked.map((each) => ({ kind: each.kind, value: folded(each) }));
      const rows = await engine.read(compiled(findIdentified(tenant, [...new Set(wanted.map(({ value }) => value))])));
      return wanted.map(({ kind, value }) => {
        const row = rows.find((each) => each.kind === kind && each.value === value);
        if (row === undefined) return undefined;
        const { name, lifecycle, created, updated, ...identity } = row;
        return {
          identity: identityOf(identity),
          device: { tenant, id: row.device, name, lifecycle, created, updated },
        };
      });
    },

    async list(tenant, request, search = "") {
      const page = cursor<[string, string]>(request, ["text", "text"]);
      const query = search === "" ? all(tenant, page) : matching(tenant, search, page);
      const rows: readonly DeviceRow[] = await engine.read(compiled(query));
      return page.page(
        rows,
        (row) => [row.name, row.id],
        (row) => ({ ...row }),
      );
    },

    addIdentity: (identity) =>
      write(
        guarded(addIdentity(stored(identity)), `Another device has the ${identity.kind} ${identity.value} already.`),
      ),

    async identities(tenant, device, request) {
      const page = cursor<[IdentityKind, string]>(request, ["text", "text"]);
      let query = queries
        .selectFrom("identities")
        .selectAll()
        .where("tenant", "=", tenant)
        .where("device", "=", device)
        .orderBy("kind")
        .orderBy("value")
        .limit(page.rows);
      const { after } = page;
      if (after) query = query.where(({ eb, refTuple, tuple }) => eb(refTuple("kind", "value"), ">", tuple(...after)));
      const rows = await engine.read(compiled(query));
      return page.page(rows, (row) => [row.kind, row.value], identityOf);
    },
  };
}

type DeviceCursor = Cursor<[name: string, id: string]>;

function identityOf({ proven_by: provenBy, shown, ...row }: IdentityRow): Identity {
  return { ...withoutNulls(row), value: shown ?? row.value, provenBy };
}

function stored(identity: Identity): Identity & { readonly shown: string | null } {
  const value = folded(identity);
  return { ...identity, value, shown: value === identity.value ? null : identity.value };
}

/** RFC 5280 7.1 takes names that differ in case for the same, and so does a person. ASCII alone, as every engine does it. */
function folded({ kind, value }: IdentityAsked): string {
  return foldedKinds.includes(kind) ? value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : value;
}

const foldedKinds: readonly IdentityKind[] = ["serial", "name"];

/** Sorts after every character that a text may hold, so that a prefix is a range. */
const highest = "\u{10ffff}";

/** What the read of one page may hold up the thread for. */
const matchesAtMost = 1_000;
