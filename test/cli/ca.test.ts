import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Answers, type FakeService, fakeService, fileIn, hatchery, refusal } from "./fake-service.ts";

// The commands of the CA, each as a process of its own against canned answers.

const tenant = "/api/v1/tenants/default";
const moment = new Date(2026, 2, 1, 14, 5).getTime();
const day = 24 * 3600 * 1000;
const serial = "5d1c20ab77e0f4935d1c20ab77e0f493";
const pem = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
const certificate = {
  serial,
  authority: "issuing-1",
  subject: "CN=sensor-7",
  profile: "device",
  notBefore: moment,
  notAfter: moment,
  pem,
};
const revoked = { ...certificate, revocation: { at: moment, reason: "superseded" } };
const profile = {
  name: "gateways",
  protocol: "est",
  label: "gateways",
  settings: {
    lifetime: 90 * day,
    backdate: 300_000,
    keys: ["P-256", "RSA"],
    leastRsaBits: 3072,
    keyUsage: ["digitalSignature"],
    extKeyUsage: ["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.17"],
    subjectAltName: ["dNSName"],
    renewal: { after: 0.66, grace: 0, sameKey: false },
  },
};
const authority = {
  name: "root-2",
  role: "root",
  state: "next",
  origin: "own",
  subject: "CN=root",
  keyIdentifier: "a7f3902bc4d15e66",
  notAfter: moment,
  pem,
};
const upstream = {
  url: "https://est.example/.well-known/est",
  credential: { kind: "password", user: "hatchery" },
  anchors: [],
  authorities: [],
  crossCertified: true,
};
const allPurposes = "clientAuth,serverAuth,codeSigning,emailProtection,timeStamping,OCSPSigning";
const rollover = { phase: "begun", authorities: [authority], leaving: ["root-1"], current: 1, devices: 3 };

interface Expected {
  readonly answers: Answers;
  readonly output?: RegExp;
  readonly errors?: RegExp;
  readonly sent?: unknown;
  readonly code?: number;
}

async function withService(answers: Answers, use: (service: FakeService) => Promise<void>): Promise<void> {
  const service = await fakeService(answers);
  try {
    await use(service);
  } finally {
    await service.close();
  }
}

function command(name: string, argv: readonly string[], expected: Expected): void {
  const { answers, output = /^$/, errors = /^$/, sent, code = 0 } = expected;
  test(name, () =>
    withService(answers, async (service) => {
      const outcome = await service.run(["ca", ...argv]);
      assert.match(outcome.errors, errors);
      assert.match(outcome.output, output);
      assert.equal(outcome.code, code);
      if (sent !== undefined) assert.deepEqual(service.requests.at(-1)?.body, sent);
    }),
  );
}

describe("the commands of the CA", { concurrency: 4 }, () => {
  const exported = { root: "another", issuing: "another", authorities: [authority] };
  command("ok/export: by name", ["export", "--name", "root-2"], {
    answers: { [`GET ${tenant}/ca`]: exported },
    output: new RegExp(`^${pem}$`),
  });
  command("fail/export: by a name that is none", ["export", "--name", "root-3"], {
    answers: { [`GET ${tenant}/ca`]: exported },
    errors: /^error: the CA has no certificate root-3; it has: root-2\n$/,
    code: 1,
  });

  command("ok/certificates", ["certificates", "--device", "sensor-7", "--expiring", "30", "--revoked"], {
    answers: {
      [`GET ${tenant}/ca/certificates?device=sensor-7&expiring=30&revoked=true&limit=100`]: { items: [revoked] },
    },
    output:
      /^serial number .*\n5d1c20ab77e0f4935d1c20ab77e0f493 +CN=sensor-7 +device +issuing-1 .* superseded 2026-03-01 14:05\n$/,
  });
  command("ok/certificates: of one CA, those in use", ["certificates", "--by", "issuing-1", "--current"], {
    answers: {
      [`GET ${tenant}/ca/certificates?by=issuing-1&current=true&limit=100`]: {
        items: [
          { ...certificate, replaced: false, caEnded: true },
          { ...certificate, replaced: true, caEnded: false },
        ],
      },
    },
    output: / note\n.* issuing-1 +2026-03-01 14:05 +CA ended\n.* replaced\n$/,
  });
  command("ok/certificates: none", ["certificates"], {
    answers: { [`GET ${tenant}/ca/certificates?limit=100`]: { items: [] } },
    output: /^no certificate is so\n$/,
  });

  command("ok/revoke: by serial number", ["revoke", serial, "--reason", "superseded"], {
    answers: { [`POST ${tenant}/ca/revocations`]: { revoked: [revoked] } },
    output: /^revoked 5d1c20ab77e0f4935d1c20ab77e0f493 of CN=sensor-7 for superseded\n$/,
    sent: { which: { kind: "serial", serial }, reason: "superseded" },
  });
  command("ok/revoke: all of a device", ["revoke", "--device", "sensor-7", "--reason", "keyCompromise"], {
    answers: { [`POST ${tenant}/ca/revocations`]: { revoked: [revoked, revoked] } },
    output: /^(revoked .*\n){2}$/,
    sent: { which: { kind: "device", device: "sensor-7" }, reason: "keyCompromise" },
  });
  test("ok/revoke: by the certificate's file", () =>
    withService({ [`POST ${tenant}/ca/revocations`]: { revoked: [revoked] } }, async (service) => {
      const file = await fileIn(service, "cert.pem", pem);
      assert.equal((await service.run(["ca", "revoke", file, "--reason", "superseded"])).code, 0);
      assert.deepEqual(service.requests[0]?.body, { which: { kind: "pem", pem }, reason: "superseded" });
    }));
  command("fail/revoke: twice", ["revoke", serial, "--reason", "superseded"], {
    answers: { [`POST ${tenant}/ca/revocations`]: refusal(409, "conflict", "it is revoked already") },
    errors: /^error: it is revoked already\n$/,
    code: 1,
  });
  for (const [argv, errors] of [
    [["revoke", "--reason", "superseded"], /name a certificate, or a device/],
    [["revoke", serial, "--device", "x", "--reason", "superseded"], /name a certificate, or a device/],
    [["revoke", serial], /required option '--reason <reason>'/],
    [["revoke", serial, "--reason", "cACompromise"], /Allowed choices are unspecified/],
    [["certificates", "--current", "--revoked"], /cannot be used with/],
    [["certificates", "--expiring", "soon"], /give a number of days/],
    [["profile", "set", "lamps"], /say what to set/],
    [["profile", "set", "lamps", "--renew-after", "96"], /from 0 to 95/],
    [["profile", "set", "lamps", "--least-rsa-bits", "many"], /number of bits/],
    [["profile", "set", "lamps", "--least-rsa-bits", "1024"], /from 2048 to 8192/],
    [["profile", "set", "lamps", "--lifetime", "0"], /from 1 to 36525, or endless/],
    [["profile", "set", "lamps", "--keys", "P-256,P-192"], /"P-192" is none of P-256, P-384, P-521, Ed25519, RSA/],
    [["profile", "set", "lamps", "--keys", "none"], /"none" is none of P-256/],
    [["profile", "set", "lamps", "--key-usage", "keyCertSign"], /is none of digitalSignature, nonRepudiation, /],
    [["profile", "set", "lamps", "--ext-key-usage", "webAuth"], /neither an object identifier .* OCSPSigning/],
    [["profile", "set", "lamps", "--ext-key-usage", "toString"], /neither an object identifier/],
    [["profile", "set", "lamps", "--ext-key-usage", "3.1"], /neither an object identifier/],
    [["profile", "set", "lamps", "--alternative-names", "email"], /is none of dNSName, iPAddress/],
    [["revoke", "nosuch.pem", "--reason", "superseded"], /there is no file nosuch\.pem, nor is that a serial number/],
  ] as const)
    test(`fail/2 for: hatchery ca ${argv.join(" ")}`, async () => {
      const outcome = await hatchery(["ca", ...argv]);
      assert.match(outcome.errors, errors);
      assert.deepEqual([outcome.code, outcome.output], [2, ""]);
    });

  command("ok/unrevoke", ["unrevoke", serial], {
    answers: { [`DELETE ${tenant}/ca/revocations/${serial}`]: certificate },
    output: /^the certificate 5d1c20ab77e0f4935d1c20ab77e0f493 of CN=sensor-7 is good again\n$/,
  });

  command("ok/upstream test says that the login was not tested", ["upstream", "test"], {
    answers: { [`POST ${tenant}/ca/upstream/test`]: upstream },
    output: /^upstream https:\/\/est\.example\/\.well-known\/est\nas user hatchery\n/,
    errors: /^the login was not tested: it is used with the first device\n$/,
  });

  command("ok/profile list", ["profile", "list"], {
    answers: { [`GET ${tenant}/ca/profiles`]: { items: [profile] } },
    output: /\ngateways +est gateways +90 d +P-256, RSA\n$/,
  });
  command("ok/profile show", ["profile", "show", "gateways"], {
    answers: { [`GET ${tenant}/ca/profiles/gateways`]: profile },
    output:
      /keys +P-256, RSA\nleast-rsa-bits +3072\n[\s\S]*ext-key-usage +clientAuth, 1\.3\.6\.1\.5\.5\.7\.3\.17\n[\s\S]*renew-after +66 % of the lifetime\n/,
  });
  command(
    "ok/profile show: what it takes to be admitted to one with more rights than a device's",
    ["profile", "show", "gateways"],
    {
      answers: { [`GET ${tenant}/ca/profiles/gateways`]: { ...profile, privilege: "TLS servers" } },
      output:
        /its certificates are for TLS servers: [^\n]*such as\n {2}hatchery rule add allow --profile gateways --user NAME\n$/,
    },
  );
  const set = "--lifetime 90 --backdate 60 --keys P-256,RSA --least-rsa-bits 3072 --key-usage digitalSignature";
  const more =
    "--ext-key-usage clientAuth,1.2.3 --alternative-names none --renew-after 66 --grace 7 --same-key refused";
  command("ok/profile set", ["profile", "set", "gateways", ...`${set} ${more}`.split(" ")], {
    answers: { [`PUT ${tenant}/ca/profiles/gateways`]: profile },
    output: /^gateways/,
    sent: {
      lifetime: 90 * day,
      backdate: 60_000,
      keys: ["P-256", "RSA"],
      leastRsaBits: 3072,
      keyUsage: ["digitalSignature"],
      extKeyUsage: ["1.3.6.1.5.5.7.3.2", "1.2.3"],
      subjectAltName: [],
      renewal: { after: 0.66, grace: 7 * day, sameKey: false },
    },
  });
  command("ok/profile set: only what is said, without end", ["profile", "set", "device", "--lifetime", "endless"], {
    answers: { [`PUT ${tenant}/ca/profiles/device`]: profile },
    output: /./,
    sent: { lifetime: "endless" },
  });
  for (const [name, output] of [
    [
      "gateways",
      /^removed the profile gateways\nits certificates stay good until they end, and cannot be renewed: [^\n]*404\n$/,
    ],
    ["device", /^device is as it was built in\n$/],
  ] as const)
    command(`ok/profile remove ${name}`, ["profile", "remove", name], {
      answers: { [`DELETE ${tenant}/ca/profiles/${name}`]: { name } },
      output,
    });

  command("ok/profile set: purposes by their names", ["profile", "set", "device", "--ext-key-usage", allPurposes], {
    answers: { [`PUT ${tenant}/ca/profiles/device`]: profile },
    output: /./,
    sent: { extKeyUsage: [2, 1, 3, 4, 8, 9].map((purpose) => `1.3.6.1.5.5.7.3.${purpose}`) },
  });

  for (const [step, sent, answer, output] of [
    [
      "begin",
      { step: "begin" },
      rollover,
      /root-2 +root +next .* a7f3902b +CN=root\n[\s\S]*begun: [\s\S]*hatchery ca rollover switch\n$/,
    ],
    [
      "switch",
      { step: "switch" },
      {
        ...rollover,
        phase: "switched",
        authorities: [{ ...authority, name: "issuing-1", role: "issuing", state: "retired" }],
        leaving: ["root-1", "issuing-1"],
        current: 7,
        devices: 9,
      },
      /; 7 of 9 devices have not left the former one yet\nsee which with: hatchery ca certificates --by issuing-1 --current\nwhen they have renewed, end it with: hatchery ca rollover finish\n$/,
    ],
    ["finish", { step: "finish", force: false }, { ...rollover, phase: "none" }, /no roll-over is under way\n$/],
  ] as const)
    command(`ok/rollover ${step}`, ["rollover", step], {
      answers: { [`POST ${tenant}/ca/rollover`]: answer },
      output,
      sent,
    });
  command("ok/rollover finish --force says who is left behind", ["rollover", "finish", "--force"], {
    answers: { [`POST ${tenant}/ca/rollover`]: { ...rollover, phase: "none", left: 2 } },
    output: /2 devices are left behind with certificates of the former CA\n/,
    sent: { step: "finish", force: true },
  });
  command("ok/rollover status in JSON", ["rollover", "status", "--json"], {
    answers: { [`GET ${tenant}/ca/rollover`]: rollover },
    output: /"phase": "begun"/,
  });
  command("fail/rollover: the step before is missing", ["rollover", "switch"], {
    answers: { [`POST ${tenant}/ca/rollover`]: refusal(409, "conflict", "no roll-over is under way") },
    errors: /^error: no roll-over is under way\n$/,
    code: 1,
  });
});
