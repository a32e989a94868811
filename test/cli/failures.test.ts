import assert from "node:assert/strict";
import { chmod, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { estStorage, newDeviceKey } from "../../src/device/index.ts";
import { fakeService, fileIn, hatchery, type RunOptions } from "./fake-service.ts";

// How the command line ends when it is used wrongly, when no service runs, and when the service is a strange one.

describe("exit codes", { concurrency: 4 }, () => {
  for (const argv of [
    ["--help"],
    ["devices", "--help"],
    ["device", "est", "--help"],
    ["rule", "add", "--help"],
    ["up", "--help"],
    ["ca", "--help"],
    ["vault", "--help"],
    ["trust", "--help"],
    ["audit", "--help"],
    ["rule", "--help"],
    ["est", "--help"],
  ])
    test(`ok/${argv.join(" ")} shows an example`, async () => {
      const { code, output, errors } = await hatchery(argv);
      assert.deepEqual([code, errors], [0, ""]);
      assert.match(
        output,
        argv.length === 1 ? /^Usage: hatchery \[options\] \[command\]/ : /\nExamples?:\n {2}\$ hatchery /,
      );
    });

  const wrong: readonly (readonly [argv: readonly string[], errors: RegExp, options?: RunOptions])[] = [
    [[], /^Usage: hatchery/],
    [["rule"], /^Usage: hatchery rule/],
    [["vault"], /^Usage: hatchery vault/],
    [["device"], /^Usage: hatchery device/],
    [["statsu"], /unknown command 'statsu'\n\(Did you mean status\?\)/],
    [["devices", "--serch", "x"], /unknown option '--serch'/],
    [["devices", "a", "b"], /too many arguments/],
    [["devices", "--limit", "0"], /give a whole number from 1 to 1000000/],
    [["devices", ".."], /"\.\." names nothing here/],
    [["claim"], /missing required argument 'label'/],
    [["up", "--port", "65536"], /a port is a number from 0 to 65535/],
    [["up", "--log-level", "loud"], /Allowed choices are fatal/],
    [["device", "est", "--ca", "x", "--out", "y"], /required option '--url <url>' not specified/],
    [est(["--name", "x"], "http://h"), /EST runs over https only/],
    [est(["--name", "x"], "https://h/a/b"), /is not a label/],
    [["device", "est", "--url", "http://h", "--out", "y", "--name", "x"], /EST runs over https only/],
    [est([]), /--name/],
    [est(["--name", "x", "--cert", "c"]), /--cert and --key belong together/],
    [est(["--name", "x", "--cert", "c", "--key", "k", "--user", "u"]), /either --cert and --key or --user/],
    [est(["--name", "x", "--password-file", "p"]), /--password-file needs --user/],
    [est(["--renew", "--name", "x"]), /--renew uses the certificate and the name in --out/],
    [est(["--name", "x", "--key-kind", "P-192"]), /Allowed choices are P-256/],
    [est(["--name", "x", "--patience", "long"]), /give a number of seconds/],
  ];
  for (const [argv, errors, options] of wrong)
    test(`fail/2 for: hatchery ${argv.join(" ")}`, async () => {
      const outcome = await hatchery(argv, options);
      assert.match(outcome.errors, errors);
      assert.deepEqual([outcome.code, outcome.output], [2, ""]);
    });

  test("fail/2 for wrong usage, with the error in JSON too", async () => {
    const { code, output } = await hatchery(["devices", "--json", "--limit", "many"]);
    assert.equal(code, 2);
    assert.equal(JSON.parse(output).error.code, "usage");
  });

  test("fail/2 when no service runs", async () => {
    const { code, output, errors } = await hatchery(["devices", "--json"], {
      environment: { HATCHERY_DATA: "/nonexistent" },
    });
    assert.equal(code, 2);
    assert.equal(
      errors,
      "error: no service is running on the data directory /nonexistent; start it with: hatchery up --data /nonexistent\n",
    );
    assert.equal(JSON.parse(output).error.code, "service-not-running");
  });

  test("fail/1 for a trust anchor that is not there", async () => {
    const { code, errors } = await hatchery(est(["--name", "x"]));
    assert.deepEqual([code, errors], [1, "error: there is no file /nonexistent/ca.pem\n"]);
  });

  test("fail/1 for a renewal of nothing", async () => {
    const { code, errors } = await hatchery(est(["--renew"]));
    assert.deepEqual(
      [code, errors],
      [1, "error: /nonexistent/out holds no certificate to renew; get one first, without --renew\n"],
    );
  });

  test("fail/2 for another kind of key than the one that is kept", async () => {
    const service = await fakeService();
    try {
      const ca = await fileIn(service, "ca.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
      const out = join(service.data, "out");
      await estStorage(out).savePendingKey(newDeviceKey("P-256"));
      const argv = ["device", "est", "--url", "https://127.0.0.1:1", "--ca", ca, "--out", out, "--name", "x"];
      const { code, errors } = await hatchery([...argv, "--key-kind", "P-384"]);
      assert.equal(code, 2);
      assert.match(errors, /^error: .*pending-key\.pem is the P-256 key of an enrolment .* leave --key-kind out/);
      // The kind of the kept key, and none: both go on, and find nobody at the server's port.
      for (const more of [["--key-kind", "P-256"], []]) {
        const outcome = await hatchery([...argv, ...more]);
        assert.equal(outcome.code, 1);
        assert.doesNotMatch(outcome.errors, /pending-key/);
      }
    } finally {
      await service.close();
    }
  });

  test("fail/1 for a directory that other users may write", async () => {
    const service = await fakeService();
    try {
      const out = join(service.data, "out");
      await mkdir(out);
      await chmod(out, 0o777);
      const { code, output } = await hatchery([...est(["--renew", "--json"]), "--out", out]);
      assert.deepEqual([code, JSON.parse(output).error.code], [1, "storage-open-to-others"]);
    } finally {
      await service.close();
    }
  });

  test("fail/2 for a user without a password, and its name is no password", async () => {
    const service = await fakeService();
    try {
      const ca = await fileIn(service, "ca.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n");
      const { code, errors } = await hatchery([
        "device",
        "est",
        "--url",
        "https://h",
        "--ca",
        ca,
        "--out",
        "o",
        "--name",
        "x",
        "--user",
        "u",
      ]);
      assert.deepEqual(
        [code, errors],
        [2, "error: --user needs a password: give --password-file or set HATCHERY_PASSWORD\n"],
      );
    } finally {
      await service.close();
    }
  });

  test("fail/1 when the service answers what nobody knows", async () => {
    for (const body of [
      { status: 500, refused: {} },
      { status: 200, refused: "null" },
    ]) {
      const service = await fakeService({ "GET /api/v1/status": body });
      try {
        const { code, output } = await service.run(["status", "--json"]);
        assert.deepEqual([code, JSON.parse(output).error.code], [1, "answer-unexpected"]);
      } finally {
        await service.close();
      }
    }
  });

  test("ok/the socket is where api.json says", async () => {
    const service = await fakeService({ "DELETE /api/v1/demo": { removed: "demo" } });
    try {
      await mkdir(join(service.data, "elsewhere"));
      await rename(join(service.data, "api.sock"), join(service.data, "elsewhere", "s"));
      await fileIn(service, "api.json", JSON.stringify({ socket: join(service.data, "elsewhere", "s") }));
      assert.deepEqual(await service.run(["demo", "remove"]), {
        code: 0,
        output: "the demo is forgotten\n",
        errors: "",
      });
    } finally {
      await service.close();
    }
  });

  test("fail/1 when api.json is broken", async () => {
    const service = await fakeService();
    try {
      for (const text of ["{", "{}", '{"socket":7}']) {
        await fileIn(service, "api.json", text);
        const { code, output } = await service.run(["status", "--json"]);
        assert.deepEqual([code, JSON.parse(output).error.code], [1, "file-unreadable"]);
      }
    } finally {
      await service.close();
    }
  });
});

function est(options: readonly string[], url = "https://est.example"): readonly string[] {
  return ["device", "est", "--url", url, "--ca", "/nonexistent/ca.pem", "--out", "/nonexistent/out", ...options];
}
