import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { makeAuthority, makeServer } from "../../bench/devices.ts";
import { privateKeyToPem } from "../../src/crypto/keys.ts";
import { openPostgresStore } from "../../src/store/postgres.ts";
import { parsePostgresUrl } from "../../src/store/postgres-url.ts";
import { type PostgresServer, startPostgres } from "./server.ts";

describe("PostgreSQL: TLS", { timeout: 100_000 }, () => {
  let server: PostgresServer;
  let directory: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "hatchery-postgres-tls-"));
    server = await startPostgres();
    await server.create("store");
  });
  after(async () => {
    await server.remove();
    rmSync(directory, { recursive: true });
  });

  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  /** Opens a store with `query` behind the URL; resolves with whether the server sees TLS on its sessions. */
  const encrypted = async (query: string, host = "127.0.0.1"): Promise<boolean> => {
    const url = server.url("store").replace("127.0.0.1", host);
    const store = await openPostgresStore(parsePostgresUrl(`${url}${query}`));
    try {
      const rows = await server.query<{ ssl: boolean }>("store", sessions);
      assert.ok(rows.length > 0);
      return rows.every(({ ssl }) => ssl);
    } finally {
      await store.close();
    }
  };
  const refused = (message: RegExp) => ({ code: "store-unreachable", message });

  test("fail/a server without TLS is given no password in the clear", async () => {
    await assert.rejects(
      encrypted("?sslmode=require"),
      refused(/does not offer TLS: turn it on there, or say sslmode=disable/),
    );
  });

  test("ok/every mode does what it means to libpq", async () => {
    const root = await makeAuthority("database root");
    const { certificate, key } = await makeServer(root);
    await server.useTls(certificate, privateKeyToPem(key));
    const rootFile = file("root.pem", root.certificate);
    assert.equal(await encrypted(""), false, "on this machine nothing is encrypted unless it is asked for");
    for (const query of ["require", `require&sslrootcert=${rootFile}`, `verify-ca&sslrootcert=${rootFile}`])
      assert.equal(await encrypted(`?sslmode=${query}`), true, query);
    assert.equal(await encrypted(`?sslmode=verify-full&sslrootcert=${rootFile}`), true);
    assert.equal(await encrypted(`?sslmode=verify-ca&sslrootcert=${rootFile}`, "localhost"), true);
  });

  test("fail/a root that did not sign, a name that is not in the certificate", async () => {
    const stranger = file("stranger.pem", (await makeAuthority("stranger")).certificate);
    for (const mode of ["require", "verify-ca", "verify-full"])
      await assert.rejects(encrypted(`?sslmode=${mode}&sslrootcert=${stranger}`), refused(/certificate/), mode);
    await assert.rejects(encrypted("?sslmode=verify-full"), refused(/certificate/));
    const root = join(directory, "root.pem");
    await assert.rejects(encrypted(`?sslmode=verify-full&sslrootcert=${root}`, "localhost"), refused(/altnames/));
  });
});

const sessions = `select ssl from pg_stat_ssl join pg_stat_activity using (pid)
  where application_name = 'hatchery' and datname = current_database()`;
