import assert from "node:assert/strict";
import { test } from "node:test";
import { violations } from "./layers.js";

/** The rules that the imports of `path` break, in a project that also holds `others`. */
function broken(path, imports, others = {}) {
  return violations(new Map(Object.entries({ ...others, [path]: imports })))
    .filter((violation) => violation.path === path)
    .map(({ rule }) => rule);
}

const allowed = [
  ["src/pki/path.ts", 'import { a } from "../core/bytes.ts";'],
  ["src/pki/path.ts", 'import { a } from "./name.ts";'],
  ["src/core/randomness.ts", 'import { a } from "node:crypto";'],
  ["src/core/bytes.ts", 'import { a } from "node:buffer";'],
  ["src/crypto/mac.ts", 'import { a } from "node:crypto";'],
  ["src/store/sqlite.ts", 'import { a } from "node:sqlite"; import { b } from "kysely";'],
  [
    "src/transport/http/listener.ts",
    'import a from "node:https"; import b from "fastify"; import c from "@fastify/swagger";',
  ],
  ["src/transport/http/unix.ts", 'import { a } from "node:fs/promises";'],
  [
    "src/service/api/devices.ts",
    'import { z } from "zod"; import { a } from "pino"; import { b } from "../../protocols/est/index.ts";',
  ],
  ["src/device/files.ts", 'import { a } from "node:fs"; import { b } from "../transport/http/client.ts";'],
  ["src/lab/fleet.ts", 'import { a } from "node:child_process"; import { b } from "../device/files.ts";'],
  ["src/cli/main.ts", 'import { a } from "commander"; await import("../service/ca.ts");'],
  ["src/protocols/ports.ts", 'import type { a } from "../crypto/signer.ts"; import { b } from "../knowledge/run.ts";'],
  ["src/protocols/est/constants.ts", 'import { a } from "../../core/bytes.ts";'],
  ["src/protocols/est/errors.ts", 'import { a } from "./constants.ts"; import { b } from "../../core/errors.ts";'],
  ["src/protocols/est/messages.ts", 'import { a } from "../../pki/csr.ts"; import { b } from "./errors.ts";'],
  ["src/protocols/fdo/messages/to1.ts", 'import { a } from "./to0.ts"; import { b } from "../../../cose/sign1.ts";'],
  ["src/protocols/est/keys.ts", 'import { a } from "../../crypto/kdf.ts"; import { b } from "./messages.ts";'],
  [
    "src/protocols/est/http.ts",
    'import type { A } from "../../transport/http/listener.ts"; import { b } from "./messages.ts";',
  ],
  ["src/protocols/est/http.ts", 'import { singleField } from "../../transport/http/message.ts";'],
  [
    "src/protocols/est/client.ts",
    'import { a } from "../ports.ts"; import { b } from "../../knowledge/run.ts"; import { c } from "./http.ts";',
  ],
  ["src/protocols/est/server.ts", 'import { a } from "./session.ts";'],
  ["src/protocols/est/survey.ts", 'import { a } from "../../knowledge/terms.ts";'],
  [
    "src/protocols/est/index.ts",
    'export * from "./survey.ts"; export * from "./client.ts"; export type { A } from "../ports.ts";',
  ],
  ["src/protocols/brski/pledge.ts", 'import { a } from "../est/index.ts";'],
  ["src/protocols/lwm2m/bootstrap-server.ts", 'import { a } from "../est/index.ts";'],
  ["src/protocols/thread/commissioner.ts", 'import { a } from "../brski/index.ts";'],
  [
    "src/pki/csr.test.ts",
    'import "node:test"; import "node:child_process"; import fc from "fast-check"; import { a } from "../../test/mutate.ts";',
  ],
  ["src/transport/http/fixtures.test-support.ts", 'import { execFileSync } from "node:child_process";'],
  ["src/store/sqlite.test.ts", 'import { a } from "./conformance.test-suite.ts";'],
  [
    "src/protocols/est/client.test.ts",
    'import { a } from "../../transport/http/client.ts"; import { b } from "../../store/store.ts"; import { c } from "./survey.ts";',
  ],
  ["test/onboarding.test.ts", 'import "../src/cli/main.ts"; import "node:net"; import "pkijs";'],
  ["bench/est.ts", 'import "../src/cli/main.ts";'],
  ["interop/est.interop.ts", 'import "../src/service/ca.ts";'],
];

for (const [path, imports] of allowed)
  test(`ok/${path}: ${imports}`, () => {
    assert.deepEqual(broken(path, imports), []);
  });

const planted = [
  // Rooms and layers.
  ["room", "src/stray.ts", ""],
  ["room", "src/util/strings.ts", ""],
  ["room", "src/constructor/a.ts", ""],
  ["layer", "src/core/bytes.ts", 'import { a } from "../encoding/der.ts";'],
  ["layer", "src/core/bytes.ts", 'import type { A } from "../encoding/der.ts";'],
  ["layer", "src/core/bytes.ts", 'export { a } from "../encoding/der.ts";'],
  ["layer", "src/core/bytes.ts", 'export type * from "../encoding/der.ts";'],
  ["layer", "src/core/bytes.ts", 'const a = await import("../encoding/der.ts");'],
  ["layer", "src/core/bytes.ts", 'type A = typeof import("../encoding/der.ts");'],
  ["layer", "src/pki/path.ts", 'import { a } from "../cose/sign1.ts";'],
  ["layer", "src/service/ca.ts", 'import { a } from "../device/files.ts";'],
  ["layer", "src/device/files.ts", 'import { a } from "../service/ca.ts";'],
  ["layer", "src/lab/fleet.ts", 'import { a } from "../cli/main.ts";'],
  ["layer", "src/pki/csr.test.ts", 'import { a } from "../store/store.ts";'],
  ["outside", "src/core/bytes.ts", 'import { a } from "../../test/mutate.ts";'],
  ["outside", "src/core/bytes.ts", 'import { a } from "../../scripts/layers.js";'],
  ["outside", "src/core/bytes.ts", 'import { a } from "../util/strings.ts";'],
  ["outside", "src/core/bytes.test.ts", 'import { a } from "../../bench/floors.ts";'],
  ["test-file", "src/core/bytes.ts", 'import { a } from "./bytes.test-support.ts";'],
  ["computed", "src/cli/main.ts", "await import(name);"],
  // Node.js modules.
  ["node", "src/core/bytes.ts", 'import { a } from "node:crypto";'],
  ["node", "src/pki/path.ts", 'import { a } from "node:fs";'],
  ["node", "src/pki/path.ts", 'import type { A } from "node:tls";'],
  ["node", "src/transport/http/client.ts", 'import { a } from "node:fs";'],
  ["node", "src/service/ca.ts", 'import { a } from "node:https";'],
  ["node", "src/service/ca.ts", 'import { a } from "node:net";'],
  ["node", "src/service/ca.ts", 'import { a } from "node:sqlite";'],
  ["node", "src/service/ca.ts", 'import { a } from "node:child_process";'],
  ["node", "src/device/files.ts", 'import { a } from "node:dgram";'],
  ["node", "src/lab/fleet.ts", 'import { a } from "node:http2";'],
  ["node", "src/protocols/est/client.ts", 'import { a } from "node:crypto";'],
  ["node", "src/protocols/est/client.ts", 'import { a } from "tls";'],
  ["node", "src/protocols/est/client.ts", 'const a = process.getBuiltinModule("net");'],
  // Packages.
  ["package", "src/service/ca.ts", 'import a from "commander";'],
  ["package", "src/cli/main.ts", 'import a from "fastify";'],
  ["package", "src/cli/main.ts", 'import a from "@fastify/swagger";'],
  ["package", "src/store/store.ts", 'import { z } from "zod";'],
  ["package", "src/transport/http/listener.ts", 'import a from "pino";'],
  ["package", "src/service/ca.ts", 'import { a } from "kysely";'],
  ["package", "src/core/bytes.ts", 'import fc from "fast-check";'],
  ["package", "src/service/ca.ts", 'import { a } from "hatchery/est";'],
  ["package", "src/service/ca.ts", 'import a from "not-in-the-table";'],
  // Protocol rooms.
  ["layer", "src/protocols/est/server.ts", 'import type { A } from "../../store/records.ts";'],
  ["layer", "src/protocols/est/server.ts", 'import type { A } from "../../service/ca.ts";'],
  ["layer", "src/protocols/ports.ts", 'import type { A } from "../store/records.ts";'],
  ["types-only", "src/protocols/est/client.ts", 'import { a } from "../../transport/http/client.ts";'],
  ["types-only", "src/protocols/est/client.ts", 'import { type A } from "../../transport/http/client.ts";'],
  ["types-only", "src/protocols/ports.ts", 'import { a } from "../transport/http/client.ts";'],
  ["sibling", "src/protocols/est/client.ts", 'import { a } from "../brski/index.ts";'],
  ["sibling", "src/protocols/thread/commissioner.ts", 'import { a } from "../est/index.ts";'],
  ["sibling", "src/protocols/brski/pledge.ts", 'import { a } from "../est/messages.ts";'],
  ["sibling", "src/protocols/brski/pledge.ts", 'import type { A } from "../est/client.ts";'],
  ["sibling", "src/protocols/ports.ts", 'import type { A } from "./est/index.ts";'],
  ["furniture", "src/protocols/brski/survey.ts", 'import { a } from "../est/index.ts";'],
  ["furniture", "src/protocols/est/constants.ts", 'import { a } from "../../encoding/der.ts";'],
  ["furniture", "src/protocols/est/constants.ts", 'import { a } from "./messages.ts";'],
  ["furniture", "src/protocols/est/errors.ts", 'import { a } from "../../pki/csr.ts";'],
  ["furniture", "src/protocols/est/errors.ts", 'import { a } from "./http.ts";'],
  ["furniture", "src/protocols/est/messages.ts", 'import { a } from "../../crypto/mac.ts";'],
  ["furniture", "src/protocols/est/messages.ts", 'import type { A } from "../../transport/http/message.ts";'],
  ["furniture", "src/protocols/est/messages.ts", 'import { a } from "./client.ts";'],
  ["furniture", "src/protocols/fdo/messages/to1.ts", 'import { a } from "../device.ts";'],
  ["furniture", "src/protocols/est/keys.ts", 'import { a } from "../../pki/csr.ts";'],
  ["furniture", "src/protocols/est/http.ts", 'import { a } from "../ports.ts";'],
  ["furniture", "src/protocols/est/http.ts", 'import { a } from "../../knowledge/run.ts";'],
  ["furniture", "src/protocols/est/http.ts", 'import { a } from "./server.ts";'],
  ["furniture", "src/protocols/est/server.ts", 'import { a } from "./survey.ts";'],
  ["furniture", "src/protocols/est/server.ts", 'import { a } from "./index.ts";'],
  ["furniture", "src/protocols/est/survey.ts", 'import { a } from "../../pki/csr.ts";'],
  ["furniture", "src/protocols/est/survey.ts", 'import { a } from "./server.ts";'],
];

for (const [rule, path, imports] of planted)
  test(`fail/${rule} in ${path}: ${imports}`, () => {
    assert.deepEqual(broken(path, imports), [rule]);
  });

test("fail/a cycle is found once, through type imports and longer paths too", () => {
  const found = violations(
    new Map([
      ["src/pki/a.ts", 'import type { B } from "./b.ts";'],
      ["src/pki/b.ts", '\nexport { c } from "./c.ts";'],
      ["src/pki/c.ts", 'const a = await import("./a.ts");'],
      ["src/pki/d.ts", 'import { a } from "./a.ts"; import { b } from "./b.ts";'],
    ]),
  );
  assert.deepEqual(found, [
    {
      rule: "cycle",
      path: "src/pki/a.ts",
      line: 1,
      message: "imports itself: src/pki/a.ts -> src/pki/b.ts -> src/pki/c.ts -> src/pki/a.ts",
    },
  ]);
});

test("fail/a file that imports itself is a cycle", () => {
  assert.deepEqual(broken("src/pki/a.ts", 'import { a } from "./a.ts";'), ["cycle"]);
});

test("fail/every violation of a file is reported with its line", () => {
  const found = violations(
    new Map([["src/core/a.ts", 'import "node:fs";\n// import "node:net";\nimport { z } from "zod";\n']]),
  );
  assert.deepEqual(
    found.map(({ rule, line }) => [rule, line]),
    [
      ["node", 1],
      ["package", 3],
    ],
  );
});
