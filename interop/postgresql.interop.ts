import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type InteropPeer, type InteropVariant, installDebianPackages, succeed } from "./peer.ts";
import { programDirectory } from "./postgresql/server.ts";

/** The database behind the store; each variant starts a server of its own and leaves the system's alone. */
const peer: InteropPeer = {
  protocol: "store",
  peer: "postgresql",
  install: (log) => installDebianPackages(["postgresql"], log),
  version: () => succeed(join(programDirectory(), "postgres"), ["--version"]),
  variants: [
    variant("conformance", "the suite that every engine passes, and the history of the schema"),
    variant("engine", "values, prepared statements, durability settings of the sessions"),
    variant("faults", "connections cut around COMMIT, ended and crashed: every change once"),
    variant("tls", "every sslmode, a wrong root, a wrong name, a server without TLS"),
    variant("balanced", "two services behind one load balancer: 202, repeats, Digest, pre-shared keys"),
    variant("system", "onboarding, kill -9, two services on one database, refusals"),
  ],
};
export default peer;

function variant(name: string, shown: string): InteropVariant {
  return {
    name,
    role: "store",
    async run({ signal }) {
      const file = fileURLToPath(new URL(`postgresql/${name}.test.ts`, import.meta.url));
      const args = ["--test", "--conditions=hatchery:source", "--test-reporter=tap", file];
      const said = await succeed(process.execPath, args, { signal });
      assert.match(said, /^# pass [1-9]\d*$/m, "tests that passed");
      return shown;
    },
  };
}
