import assert from "node:assert/strict";
import { readFile, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { mergedRun } from "../../src/cli/run.test-support.ts";
import { chart } from "../../src/cli/run-chart.ts";
import {
  type Answers,
  type FakeService,
  fakeService,
  fileIn,
  type Outcome,
  type RunOptions,
  refusal,
} from "./fake-service.ts";

// Each command as a process of its own against canned answers: what it asks for, what it prints, and how it ends.

const tenant = "/api/v1/tenants/default";
const moment = new Date(2026, 2, 1, 14, 5).getTime();
const device = { id: "d1", name: "sensor-7", lifecycle: "operational", created: moment, updated: moment };
const summary = {
  id: "5d1c20ab77e0f493",
  protocol: "est",
  variant: "est/idevid",
  label: "SN-2031-0007",
  started: moment,
  ended: moment + 34,
  outcome: "granted",
  reason: "claimed",
};
const approval = {
  id: "9f0c42d1a7b3",
  protocol: "est",
  run: "77e0f4935d1c20ab",
  state: "pending",
  evidence: {
    name: "sensor-9",
    profile: "device",
    credential: "anonymous",
    address: "192.0.2.7:41234",
    key: "ab".repeat(32),
  },
  created: moment,
};
const anchor = { id: "a1", name: "acme", subject: "CN=Acme Root", notAfter: moment, added: moment };
const certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

describe("the command line", { concurrency: 4 }, () => {
  command("ok/status", ["status"], {
    answers: {
      "GET /api/v1/status": {
        version: "1.2.3",
        started: Date.now() - 125_000,
        data: "/srv/hatchery",
        database: "postgres://hatchery@db/hatchery",
        listeners: [{ tenant: "default", protocol: "est", url: "https://127.0.0.1:8443" }],
        publication: "http://127.0.0.1:8480",
      },
    },
    output:
      /^hatchery 1\.2\.3, running for 2 min \d s \(since .*\) on \/srv\/hatchery\ndatabase postgres:\/\/hatchery@db\/hatchery\nCRLs and OCSP at http:\/\/127\.0\.0\.1:8480\n\ntenant +protocol +url\ndefault +est +https:\/\/127\.0\.0\.1:8443\n$/,
  });

  command("ok/status of a service whose database is away", ["status"], {
    answers: {
      "GET /api/v1/status": {
        version: "1.2.3",
        started: Date.now(),
        data: "/srv/hatchery",
        database: "postgres://hatchery@db/hatchery",
        databaseProblem: "the sentence",
        listeners: [],
        publication: "http://127.0.0.1:8480",
      },
    },
    output: /\ndatabase postgres:\/\/hatchery@db\/hatchery\n {2}cannot be used now: the sentence\n/,
  });

  command("ok/devices", ["devices", "--search", "sensor-"], {
    answers: { [`GET ${tenant}/devices?search=sensor-&limit=100`]: { items: [device] } },
    output: "device    state        changed           id\nsensor-7  operational  2026-03-01 14:05  d1\n",
  });

  command("ok/devices of an empty inventory", ["devices"], {
    answers: { [`GET ${tenant}/devices?limit=100`]: { items: [] } },
    output: "there are no devices yet; claim one with: hatchery claim SERIAL\n",
  });

  command(
    "ok/devices over two pages of another tenant, in JSON",
    ["--tenant", "demo", "devices", "--limit", "501", "--json"],
    {
      answers: {
        "GET /api/v1/tenants/demo/devices?limit=500": { items: Array(500).fill(device), next: "x y" },
        "GET /api/v1/tenants/demo/devices?limit=1&after=x+y": { items: [device], next: "z" },
      },
      check({ output }) {
        const listing = JSON.parse(output);
        assert.equal(listing.items.length, 501);
        assert.equal(listing.more, true);
      },
    },
  );

  command("ok/devices shows one, whatever is in its name", ["devices", "sensor/7 ?"], {
    answers: {
      [`GET ${tenant}/devices/sensor%2F7%20%3F`]: {
        ...device,
        name: "evil\u001b[2J",
        identities: [
          { kind: "serial", value: "SN-7", provenBy: "idevid", issuer: "acme" },
          { kind: "key", value: "ab".repeat(32), provenBy: "idevid" },
        ],
        certificates: [],
        runs: [summary],
      },
    },
    check({ output }) {
      assert.ok(!output.includes("\u001b"));
      assert.match(
        output,
        /^evil\ufffd\[2J +operational\nid +d1\nknown since +2026-03-01 14:05\n\nidentity +value +proven by +issuer\nserial +SN-7 +idevid +acme\nkey +(ab){32} +idevid +-\n\nrun/,
      );
    },
  });

  command("fail/devices of which there is none", ["devices", "x"], {
    answers: {
      [`GET ${tenant}/devices/x`]: refusal(404, "not-found", "there is no device x; list them with: hatchery devices"),
    },
    code: 1,
    errors: "error: there is no device x; list them with: hatchery devices\n",
  });

  command("ok/claim", ["claim", "SN-7"], {
    answers: { [`POST ${tenant}/claims`]: { ...device, name: "SN-7", lifecycle: "claimed" } },
    sent: { label: "SN-7" },
    output: "claimed SN-7 (device d1, claimed)\n",
  });

  command("ok/claim of a device that its manufacturer has to vouch for", ["claim", "SN-7", "--issuer", "acme"], {
    answers: { [`POST ${tenant}/claims`]: { ...device, name: "SN-7", lifecycle: "claimed" } },
    sent: { label: "SN-7", issuer: "acme" },
    output: "claimed SN-7 (device d1, claimed)\n",
  });

  command("fail/claim, with the error in JSON too", ["claim", "a b", "--json"], {
    answers: { [`POST ${tenant}/claims`]: refusal(400, "invalid", "that is no serial number") },
    code: 1,
    errors: "error: that is no serial number\n",
    check: ({ output }) =>
      assert.deepEqual(JSON.parse(output), { error: { code: "invalid", message: "that is no serial number" } }),
  });

  command("ok/approve lists what waits", ["approve"], {
    answers: { [`GET ${tenant}/approvals?limit=100`]: { items: [approval] } },
    output:
      "run               since             device    profile  credential  address          key\n" +
      "77e0f4935d1c20ab  2026-03-01 14:05  sensor-9  device   anonymous   192.0.2.7:41234  abababababababab\n",
  });

  command("ok/approve", ["approve", "9f0c42d1a7b3"], {
    answers: { [`POST ${tenant}/approvals/9f0c42d1a7b3`]: { ...approval, state: "approved" } },
    sent: { state: "approved" },
    output: "approved sensor-9 (request 9f0c42d1a7b3, run 77e0f4935d1c20ab); the device goes on when it asks again\n",
  });

  command("ok/deny", ["deny", "9f0c42d1a7b3"], {
    answers: { [`POST ${tenant}/approvals/9f0c42d1a7b3`]: { ...approval, state: "denied" } },
    sent: { state: "denied" },
    output: "denied sensor-9 (request 9f0c42d1a7b3, run 77e0f4935d1c20ab)\n",
  });

  command("ok/deny all", ["deny", "--all"], {
    answers: { [`POST ${tenant}/approvals`]: { denied: 10_000 } },
    sent: { state: "denied", all: true },
    output: "denied 10000 requests\n",
  });

  for (const argv of [["deny"], ["deny", "9f0c42d1a7b3", "--all"]])
    command(`fail/${argv.join(" ")}`, argv, {
      code: 2,
      output: "",
      errors: "error: give either the id of one request or --all\n",
    });

  command("ok/approve shows no more of a name than fits into a line", ["approve"], {
    answers: {
      [`GET ${tenant}/approvals?limit=100`]: {
        items: [{ ...approval, evidence: { ...approval.evidence, name: "x".repeat(90_000) } }],
      },
    },
    output: /^[^\n]{1,240}\n[^\n]{1,240}\n$/,
  });

  command("fail/approve what was decided already", ["approve", "9f0c42d1a7b3"], {
    answers: { [`POST ${tenant}/approvals/9f0c42d1a7b3`]: refusal(409, "conflict", "9f0c42d1a7b3 is denied already") },
    code: 1,
    errors: "error: 9f0c42d1a7b3 is denied already\n",
  });

  command("ok/rule add", ["rule", "add", "wait", "--credential", "anonymous", "--serial", "SN-*"], {
    answers: { [`POST ${tenant}/rules`]: { id: "1f0a93c2" } },
    sent: { verdict: "wait", match: { credential: "anonymous", serial: "SN-*" } },
    output: "added rule 1f0a93c2; see their order with: hatchery rule list\n",
  });

  test("ok/rule add without a condition says that it fits every device", async () => {
    const service = await fakeService({ [`POST ${tenant}/rules`]: { id: "1f0a93c2" } });
    try {
      const { code, output, errors } = await service.run(["rule", "add", "wait", "--json"]);
      assert.deepEqual([code, JSON.parse(output)], [0, { id: "1f0a93c2" }]);
      assert.equal(errors, "this rule has no condition, so it fits every device\n");
    } finally {
      await service.close();
    }
  });

  command("ok/rule add for a profile", ["rule", "add", "deny", "--credential", "password", "--profile", "gateways"], {
    answers: { [`POST ${tenant}/rules`]: { id: "1f0a93c2" } },
    sent: { verdict: "deny", match: { credential: "password", profile: "gateways" } },
    output: "added rule 1f0a93c2; see their order with: hatchery rule list\n",
  });

  command("ok/rule list", ["rule", "list"], {
    answers: {
      [`GET ${tenant}/rules?limit=100`]: {
        items: [{ id: "1f0a93c2", position: 1, verdict: "wait", match: {}, text: "wait any device", created: 0 }],
      },
    },
    output: /^rule +says\n1f0a93c2 +wait any device\nwhen no rule fits: .*\n$/,
  });

  command("ok/rule remove", ["rule", "remove", "1f0a93c2"], {
    answers: { [`DELETE ${tenant}/rules/1f0a93c2`]: { id: "1f0a93c2" } },
    output: "removed rule 1f0a93c2\n",
  });

  command("fail/rule with a verdict that is none", ["rule", "add", "maybe"], {
    code: 2,
    errors: /'maybe' is invalid.*allow, deny, wait/,
  });

  command("ok/trust list", ["trust", "list"], {
    answers: { [`GET ${tenant}/anchors?limit=100`]: { items: [anchor] } },
    output: "name  subject       until             id\nacme  CN=Acme Root  2026-03-01 14:05  a1\n",
  });

  command("ok/trust remove", ["trust", "remove", "acme"], {
    answers: { [`DELETE ${tenant}/anchors/acme`]: { id: "a1" } },
    output: "acme is trusted no more\n",
  });

  for (const [form, content] of [
    ["PEM", certificate],
    ["DER", Uint8Array.of(0x30, 0x00)],
  ] as const)
    test(`ok/trust add in ${form}, named after the file`, async () => {
      await withService({ [`POST ${tenant}/anchors`]: anchor }, async (service) => {
        const file = await fileIn(service, "acme-root.crt", content);
        const { code, output } = await service.run(["trust", "add", file]);
        assert.deepEqual([code, output], [0, "acme is trusted until 2026-03-01 14:05: CN=Acme Root\n"]);
        assert.deepEqual(service.requests[0]?.body, { name: "acme-root", pem: certificate });
      });
    });

  command("fail/trust add without the file", ["trust", "add", "/nonexistent/acme.pem"], {
    code: 1,
    errors: /^error: there is no file \/nonexistent\/acme\.pem\n$/,
  });

  command("ok/ca export prints the root", ["ca", "export"], {
    answers: { [`GET ${tenant}/ca`]: { root: certificate, issuing: "another" } },
    output: certificate,
  });

  command("ok/ca export prints the issuing CA in JSON", ["ca", "export", "--issuing", "--json"], {
    answers: { [`GET ${tenant}/ca`]: { root: "another", issuing: certificate } },
    check: ({ output }) => assert.deepEqual(JSON.parse(output), { name: "issuing", pem: certificate }),
  });

  test("ok/ca export writes a file", async () => {
    await withService({ [`GET ${tenant}/ca`]: { root: certificate, issuing: "another" } }, async (service) => {
      const file = join(service.data, "anchor.pem");
      const { code, output } = await service.run(["ca", "export", "--out", file]);
      assert.deepEqual([code, output], [0, `the root CA's certificate is in ${file}\n`]);
      assert.equal(await readFile(file, "utf8"), certificate);
    });
  });

  test("ok/ca export replaces a file, and all may read it", async () => {
    await withService({ [`GET ${tenant}/ca`]: { root: certificate, issuing: "another" } }, async (service) => {
      const file = await fileIn(service, "anchor.pem", "an older and longer certificate ".repeat(100));
      assert.equal((await service.run(["ca", "export", "--out", file])).code, 0);
      assert.equal(await readFile(file, "utf8"), certificate);
      assert.equal((await stat(file)).mode & 0o777, 0o644);
    });
  });

  test("fail/ca export through a link: its target stays", async () => {
    await withService({ [`GET ${tenant}/ca`]: { root: certificate, issuing: "another" } }, async (service) => {
      const target = await fileIn(service, "precious", "precious");
      const file = join(service.data, "anchor.pem");
      await symlink(target, file);
      const { code, errors } = await service.run(["ca", "export", "--out", file]);
      const sentence = `error: ${file} is not a regular file; choose another name, or remove it first\n`;
      assert.deepEqual([code, errors], [1, sentence]);
      assert.equal(await readFile(target, "utf8"), "precious");
    });
  });

  command("fail/ca export to where nothing can be written", ["ca", "export", "--out", "/nonexistent/anchor.pem"], {
    answers: { [`GET ${tenant}/ca`]: { root: certificate, issuing: "another" } },
    code: 1,
    errors: /^error: \/nonexistent\/anchor\.pem cannot be written: there is no directory \/nonexistent\n$/,
  });

  test("ok/audit export to a file says in JSON how far it goes", async () => {
    const hash = "ab".repeat(32);
    const line = {
      tenant: "default",
      sequence: 1,
      at: moment,
      actor: "a",
      action: "b",
      subject: "c",
      detail: {},
      hash,
    };
    const service = await fakeService({ [`GET ${tenant}/audit?order=oldest-first&limit=500`]: { items: [line] } });
    try {
      const out = join(service.data, "audit.jsonl");
      const { code, output, errors } = await service.run(["audit", "export", "--json", "--out", out]);
      assert.deepEqual([code, errors], [0, ""]);
      assert.deepEqual(JSON.parse(output), { lines: 1, head: { sequence: 1, hash } });
      assert.equal(await readFile(out, "utf8"), `${JSON.stringify(line)}\n`);
    } finally {
      await service.close();
    }
  });

  test("ok/est user add makes a password and prints it once", async () => {
    await withService({ [`PUT ${tenant}/est-users/line-3`]: { name: "line-3" } }, async (service) => {
      const { code, output } = await service.run(["est", "user", "add", "line-3", "--devices", "sensor-*"]);
      assert.equal(code, 0);
      const [, password] = /^password: ([a-z2-9]{26})$/m.exec(output) ?? [];
      assert.deepEqual(service.requests[0]?.body, { password, devices: "sensor-*" });
      assert.match(output, /^the EST user line-3 may enrol devices named sensor-\*\n/);
    });
  });

  test("ok/est user add takes the first line of a file, and prints no password", async () => {
    await withService({ [`PUT ${tenant}/est-users/line-3`]: { name: "line-3" } }, async (service) => {
      const file = await fileIn(service, "password", "correct horse\r\nsecond line\n");
      const { code, output } = await service.run(["est", "user", "add", "line-3", "--password-file", file, "--json"]);
      assert.equal(code, 0);
      assert.deepEqual(JSON.parse(output), { name: "line-3", devices: "line-3" });
      assert.deepEqual(service.requests[0]?.body, { password: "correct horse", devices: "line-3" });
    });
  });

  command(
    "ok/est user add takes the first line of standard input",
    ["est", "user", "add", "line-3", "--password-stdin"],
    {
      answers: { [`PUT ${tenant}/est-users/line-3`]: { name: "line-3" } },
      options: { input: "battery staple" },
      sent: { password: "battery staple", devices: "line-3" },
      output: "the EST user line-3 may enrol devices named line-3\n",
    },
  );

  command("ok/est user add for any device", ["est", "user", "add", "line-3", "--devices", "*", "--password-stdin"], {
    answers: { [`PUT ${tenant}/est-users/line-3`]: { name: "line-3" } },
    options: { input: "battery staple" },
    sent: { password: "battery staple", devices: "*" },
    output: "the EST user line-3 may enrol any device\n",
  });

  command("fail/est user add with an empty password", ["est", "user", "add", "line-3", "--password-stdin"], {
    code: 1,
    errors: "error: the first line of standard input is empty; write the password there\n",
  });

  command(
    "fail/est user add with two passwords",
    ["est", "user", "add", "x", "--password-stdin", "--password-file", "y"],
    {
      code: 2,
      errors: /either --password-file or --password-stdin/,
    },
  );

  command("ok/est user list", ["est", "user", "list"], {
    answers: {
      [`GET ${tenant}/est-users?limit=100`]: {
        items: [
          { name: "line-3", devices: "sensor-*", created: moment },
          { name: "line-4", devices: "line-4", digest: "sha-256", created: moment },
          { name: "line-5", devices: "line-5", digest: "md5", created: moment },
        ],
      },
    },
    output: `\
user    devices   digest        since
line-3  sensor-*  -             2026-03-01 14:05
line-4  line-4    SHA-256       2026-03-01 14:05
line-5  line-5    SHA-256, MD5  2026-03-01 14:05
`,
  });

  command("ok/est user remove", ["est", "user", "remove", "line-3"], {
    answers: { [`DELETE ${tenant}/est-users/line-3`]: { name: "line-3" } },
    output: "removed the EST user line-3\n",
  });

  command("ok/runs", ["runs", "--outcome", "granted", "--limit", "1"], {
    answers: { [`GET ${tenant}/runs?outcome=granted&limit=1`]: { items: [summary], next: "more" } },
    output:
      "run               began             variant     outcome  device        reason\n" +
      "5d1c20ab77e0f493  2026-03-01 14:05  est/idevid  granted  SN-2031-0007  claimed\n" +
      "only the newest 1 are shown; see more with --limit\n",
  });

  command("ok/run show draws the newest run", ["run", "show"], {
    answers: {
      [`GET ${tenant}/runs?limit=1`]: { items: [summary] },
      [`GET ${tenant}/runs/${summary.id}`]: { summary, run: mergedRun(), contradictions: [] },
    },
    output: chart(mergedRun(), [], { columns: 100, label: "SN-2031-0007" }),
  });

  command("ok/run show gives all of a run to programs", ["run", "show", summary.id, "--json"], {
    answers: { [`GET ${tenant}/runs/${summary.id}`]: { summary, run: mergedRun(), contradictions: [] } },
    check: ({ output }) => assert.equal(JSON.parse(output).run.events.length, mergedRun().events.length),
  });

  command("fail/run show before there is one", ["run", "show"], {
    answers: { [`GET ${tenant}/runs?limit=1`]: { items: [] } },
    code: 1,
    errors: "error: there are no such runs in the tenant default; look into another one with --tenant\n",
  });

  command("ok/compare", ["compare", "--format", "csv"], {
    answers: { [`GET ${tenant}/comparison`]: { rows: [] } },
    output: "variant,device starts with,gains,factory,person,messages,bytes,pk ops,ms,runs,disagreements,sentences\r\n",
  });

  command("fail/compare in a format that is none", ["compare", "--format", "pdf"], {
    code: 2,
    errors: /table, json, csv, md, html/,
  });

  command("ok/demo remove", ["demo", "remove"], {
    answers: { "DELETE /api/v1/demo": { removed: "demo" } },
    output: "the demo is forgotten\n",
  });
});

interface Expected {
  readonly answers?: Answers;
  readonly options?: RunOptions;
  /** Body of the one request that was made. */
  readonly sent?: unknown;
  readonly code?: number;
  readonly output?: string | RegExp;
  readonly errors?: string | RegExp;
  readonly check?: (outcome: Outcome) => void;
}

function command(name: string, argv: readonly string[], expected: Expected): void {
  test(name, async () => {
    await withService(expected.answers ?? {}, async (service) => {
      const outcome = await service.run(argv, expected.options);
      same(outcome.errors, expected.errors ?? "");
      assert.equal(outcome.code, expected.code ?? 0);
      if (expected.output !== undefined) same(outcome.output, expected.output);
      if (expected.sent !== undefined)
        assert.deepEqual(
          service.requests.map(({ body }) => body),
          [expected.sent],
        );
      expected.check?.(outcome);
    });
  });
}

function same(text: string, expected: string | RegExp): void {
  if (typeof expected === "string") assert.equal(text, expected);
  else assert.match(text, expected);
}

async function withService(answers: Answers, use: (service: FakeService) => Promise<void>): Promise<void> {
  const service = await fakeService(answers);
  try {
    await use(service);
  } finally {
    await service.close();
  }
}
