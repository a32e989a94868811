import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { passwordIn } from "./postgres-passfile.ts";
import { parsePostgresUrl } from "./postgres-url.ts";

const directory = mkdtempSync(join(tmpdir(), "hatchery-url-"));
after(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const nothing = { PGPASSFILE: join(directory, "none") };

test("ok/url: every part", () => {
  assert.deepEqual(parsePostgresUrl("postgresql://ada:s%3Acret@db.example:6432/hat%20chery?sslmode=disable", nothing), {
    host: "db.example",
    port: 6432,
    user: "ada",
    database: "hat chery",
    password: "s:cret",
    ssl: false,
    shown: "postgres://ada@db.example:6432/hat%20chery",
  });
});

test("ok/url: what is not said is as libpq takes it", () => {
  const { username } = userInfo();
  const settings = parsePostgresUrl("postgres://", nothing);
  assert.deepEqual([settings.host, settings.port, settings.user], ["localhost", 5432, username]);
  assert.equal(settings.database, username);
  assert.equal(settings.password, undefined);
  assert.equal(parsePostgresUrl("postgres:///x", { ...nothing, PGUSER: "ada" }).user, "ada");
});

test("ok/url: a Unix socket, an IPv6 address", () => {
  const socket = parsePostgresUrl("postgres:///hatchery?host=/run/postgresql&user=ada&port=5433", nothing);
  assert.deepEqual([socket.host, socket.port, socket.user, socket.ssl], ["/run/postgresql", 5433, "ada", false]);
  assert.equal(socket.shown, "postgres://ada@/hatchery?host=/run/postgresql&port=5433");
  const encoded = parsePostgresUrl("postgres://ada@%2Frun%2Fpostgresql/hatchery", nothing);
  assert.equal(encoded.host, "/run/postgresql");
  const address = parsePostgresUrl("postgres://ada@[2001:db8::1]/hatchery", nothing);
  assert.deepEqual([address.host, address.shown], ["2001:db8::1", "postgres://ada@[2001:db8::1]:5432/hatchery"]);
});

test("ok/url: the password comes from the URL, then the environment, then the passfile", () => {
  const passfile = file("passfile", "db.example:5432:hatchery:ada:from the file\n");
  const environment = { PGPASSFILE: passfile, PGPASSWORD: "from the environment" };
  const password = (url: string, given: Readonly<Record<string, string>>) => parsePostgresUrl(url, given).password;
  assert.equal(password("postgres://ada:own@db.example/hatchery", environment), "own");
  assert.equal(password("postgres://ada@db.example/hatchery", environment), "from the environment");
  assert.equal(password("postgres://ada@db.example/hatchery", { PGPASSFILE: passfile }), "from the file");
  assert.equal(password(`postgres://ada@db.example/hatchery?passfile=${passfile}`, nothing), "from the file");
  assert.equal(password("postgres://eve@db.example/hatchery", { PGPASSFILE: passfile }), undefined);
});

test("ok/tls: a server elsewhere proves its name, unless the URL says otherwise", () => {
  const ca = file("ca.pem", "a certificate");
  const tls = (query: string, host = "db.example") => parsePostgresUrl(`postgres://ada@${host}/x${query}`, nothing).ssl;
  assert.deepEqual(tls(""), { rejectUnauthorized: true });
  for (const local of ["localhost", "127.0.0.1", "[::1]"]) assert.equal(tls("", local), false);
  assert.deepEqual(tls("?sslmode=verify-full", "127.0.0.1"), { rejectUnauthorized: true });
  assert.deepEqual(tls("?sslmode=require"), { rejectUnauthorized: false });
  assert.deepEqual(tls(`?sslrootcert=${ca}`), { ca: "a certificate", rejectUnauthorized: true });
  for (const mode of ["require", "verify-ca"]) {
    const { checkServerIdentity, ...rest } = tls(`?sslmode=${mode}&sslrootcert=${ca}`) as Record<string, unknown>;
    assert.deepEqual(rest, { ca: "a certificate", rejectUnauthorized: true });
    assert.equal(typeof checkServerIdentity, "function");
  }
  const own = tls(`?sslcert=${ca}&sslkey=${ca}`);
  assert.deepEqual(own, { cert: "a certificate", key: "a certificate", rejectUnauthorized: true });
});

const wrong: readonly (readonly [what: string, url: string])[] = [
  ["no URL", "hatchery"],
  ["another scheme", "mysql://ada:s3cret@db/x"],
  ["a port that is none", "postgres://ada:s3cret@db/x?port=99999"],
  ["a parameter that is not known", "postgres://ada:s3cret@db/x?options=-c"],
  ["a mode that may fall back", "postgres://ada:s3cret@db/x?sslmode=prefer"],
  ["a file that is not there", `postgres://ada:s3cret@db/x?sslrootcert=${join(directory, "none")}`],
  ["a bad escape", "postgres://ada:s3cret%zz@db/x"],
  ["no authority", "postgres:s3cret"],
  ["a ? in the password", "postgres://ada:12?s3cret@db/x"],
  ["a ? and a = in the password", "postgres://ada:12?s3cret=x@db/x"],
  ["a ? in the password, in the value of a parameter", "postgres://ada:12?sslkey=s3cret@db/x"],
  ["a / in the password", "postgres://ada:12/s3cret@db/x"],
  ["a # in the password", "postgres://ada:12#s3cret@db/x"],
  ["a fragment", "postgres://ada@db/x#s3cret"],
  ["a parameter of no plain name", "postgres://ada@db/x?s3cret%40db"],
  ["a parameter that comes twice", "postgres://ada:s3cret@db/x?sslmode=disable&sslmode=verify-full"],
  ["a parameter without a value", "postgres://ada:s3cret@db/x?host="],
];
for (const [what, url] of wrong)
  test(`fail/url: ${what}`, () => {
    assert.throws(
      () => parsePostgresUrl(url, nothing),
      (error: Error & { code?: string }) => error.code === "store-unsuitable" && !error.message.includes("s3cret"),
    );
  });

const key = { host: "db.example", port: 5432, database: "hatchery", user: "ada" };

test("ok/passfile: the first line that fits, wildcards, escapes, comments", () => {
  const path = file(
    "lines",
    [
      "# db.example:5432:hatchery:ada:comment",
      "too:short",
      "other.example:*:*:*:other",
      "db.example:5432:hatchery:ada:co\\:lon\\\\slash:more",
      "*:*:*:*:late",
    ].join("\n"),
  );
  assert.equal(passwordIn(path, key), "co:lon\\slash:more");
  assert.equal(passwordIn(path, { ...key, user: "eve" }), "late");
});

test("ok/passfile: a socket's directory is called localhost", () => {
  const path = file("socket", "localhost:5432:hatchery:ada:s3cret");
  assert.equal(passwordIn(path, { ...key, host: "/run/postgresql" }), "s3cret");
  assert.equal(passwordIn(path, key), undefined);
});

test("fail/passfile: one that others may read", () => {
  const path = file("open", "*:*:*:*:s3cret", 0o644);
  assert.throws(() => passwordIn(path, key), { code: "store-unsuitable", message: /chmod 600/ });
});
