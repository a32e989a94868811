import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hex, utf8 } from "../../src/core/bytes.ts";
import { codeOf } from "../../src/core/errors.ts";
import { signatureAlgorithms } from "../../src/crypto/algorithms.ts";
import { currentIdentity, deviceName, nodeEstEnv } from "../../src/device/index.ts";
import { decodeWireBase64, encodeWireBase64 } from "../../src/encoding/base64.ts";
import * as der from "../../src/encoding/der-writer.ts";
import type { Run } from "../../src/knowledge/run.ts";
import { verifyProofOfPossession } from "../../src/pki/csr.ts";
import { type AttrOrOid, encodeCsrAttrs, parseCsrAttrs } from "../../src/pki/csr-attributes.ts";
import {
  attributesFor,
  type RequestRequirements,
  requirementsOf,
  templateFor,
} from "../../src/pki/csr-attributes-requirements.ts";
import { encodeExtensions, extensionOf } from "../../src/pki/extensions.ts";
import { encodeName, formatName, parseName } from "../../src/pki/name.ts";
import {
  attributeTypes,
  curves,
  extensionTypes,
  keyTypes,
  requestAttributes,
  templateAttributes,
} from "../../src/pki/oids.ts";
import { encodeKeyUsage, encodeSubjectAltName, subjectAltNameOf } from "../../src/pki/standard-extensions.ts";
import { type EnrolledCredential, type EstDeviceSettings, EstFailed, enroll } from "../../src/protocols/est/index.ts";
import type { HttpResponse } from "../../src/transport/http/message.ts";
import { type ScriptedUpstream, scriptedUpstream } from "../system/scripted-upstream.ts";
import { ask, message } from "./raw-client.ts";
import { manufactured, startService, type TestService } from "./service.ts";

let service: TestService;
let scripted: ScriptedUpstream;

before(async () => {
  service = await startService();
  await service.call("POST", "/rules", { verdict: "allow", match: { credential: "password" } });
  await service.call("PUT", "/est-users/installer", { password: "correct horse", devices: "*" });
  scripted = await scriptedUpstream();
});

after(async () => {
  await service.close();
  await scripted.close();
});

/** What the service answers to csrattrs under a label. */
async function told(
  label: string,
): Promise<{ readonly elements: readonly AttrOrOid[]; readonly asked: RequestRequirements }> {
  const answer = await ask(service, message(`GET /.well-known/est/${label}/csrattrs`));
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.field("content-type"), "application/csrattrs");
  const elements = parseCsrAttrs(decodeWireBase64(utf8(answer.text)));
  return { elements, asked: requirementsOf(elements) };
}

const setProfile = (name: string, settings: object) => service.call("PUT", `/ca/profiles/${name}`, settings);
const types = (elements: readonly AttrOrOid[]) => elements.map(({ type }) => type);

type Chosen = Partial<EstDeviceSettings>;
let devices = 0;

/** Enrols a new device with a password, the kind of its key left to the CA unless `chosen`. */
async function enrolled(
  label: string | undefined,
  name: string,
  chosen: Chosen = {},
  directory?: string,
): Promise<EnrolledCredential & { readonly ledger: Run }> {
  devices += 1;
  let ledger: Run | undefined;
  const server = { host: "127.0.0.1", port: service.port, ...(label === undefined ? {} : { label }) };
  const credential = await enroll(
    chosen.identity?.credential === "ldevid" ? "simplereenroll" : "simpleenroll",
    {
      server: { ...server, trust: { kind: "explicit", anchors: [service.root] } },
      subject: deviceName(name),
      binding: "auto",
      patience: 10_000,
      ...(chosen.identity === undefined ? { credentials: { user: "installer", password: "correct horse" } } : {}),
      ...chosen,
    },
    nodeEstEnv({
      directory: directory ?? join(service.data, `csrattrs-${devices}`),
      ledger: (run) => {
        ledger = run;
      },
    }),
  );
  return { ...credential, ledger: ledger as Run };
}

test("ok/E22: 204 without a body when the profile asks for nothing, for anybody, without and with a label", async () => {
  await setProfile("anything", {});
  for (const path of ["/.well-known/est/csrattrs", "/.well-known/est/anything/csrattrs"]) {
    const before = service.contents();
    const answer = await ask(service, message(`GET ${path}`));
    assert.deepEqual([answer.status, answer.text, answer.field("content-length")], [204, "", undefined]);
    assert.deepEqual(service.contents(), before);
  }
});

test("fail/a label that is none: 404, and the device hears so when it enrols", async () => {
  const before = service.contents();
  const answer = await ask(service, message("GET /.well-known/est/nowhere/csrattrs"));
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [404, "label-unknown"]);
  const after = service.contents();
  assert.deepEqual([after["certificates"], after["devices"]], [before["certificates"], before["devices"]]);
});

test("ok/HEAD is answered as GET is, without the body (RFC 9110 9.1)", async () => {
  for (const operation of ["cacerts", "nowhere/cacerts", "csrattrs", "nowhere/csrattrs"]) {
    const path = `/.well-known/est/${operation}`;
    const [read, head] = [await ask(service, message(`GET ${path}`)), await ask(service, message(`HEAD ${path}`))];
    assert.equal(head.status, read.status);
    assert.equal(head.text, "");
    assert.equal(head.field("content-type"), read.field("content-type"));
    assert.equal(head.field("content-length"), read.field("content-length"));
  }
});

test("fail/csrattrs by POST: 405", async () => {
  const answer = await ask(service, message("POST /.well-known/est/csrattrs", ["Content-Length: 0"]));
  assert.deepEqual([answer.status, answer.field("allow")], [405, "GET, HEAD"]);
});

const keys: Readonly<Record<string, readonly [settings: object, key: object, kind: string]>> = {
  "P-256": [{ keys: ["P-256"] }, { algorithm: keyTypes.ecPublicKey, curve: curves["P-256"] }, "P-256"],
  "P-384": [{ keys: ["P-384"] }, { algorithm: keyTypes.ecPublicKey, curve: curves["P-384"] }, "P-384"],
  Ed25519: [{ keys: ["Ed25519"] }, { algorithm: keyTypes.ed25519 }, "Ed25519"],
  RSA: [{ keys: ["RSA"] }, { algorithm: keyTypes.rsaEncryption }, "RSA-2048"],
  "RSA-3072": [{ keys: ["RSA"], leastRsaBits: 3072 }, { algorithm: keyTypes.rsaEncryption, bits: 3072 }, "RSA-3072"],
};
for (const [name, [settings, key, kind]] of Object.entries(keys))
  for (const form of ["attributes", "template", "both"] as const)
    test(`ok/E22: a required key, ${name} as ${form}, and a device that makes it`, async () => {
      const label = `key-${name}-${form}`;
      await setProfile(label, { ...settings, csrattrs: form });
      const { elements, asked } = await told(label);
      assert.deepEqual(asked.keys, [key]);
      const isTemplate = (element: AttrOrOid) => element.type === templateAttributes.requestInfoTemplate;
      assert.equal(elements.some(isTemplate), form !== "attributes");
      assert.equal(
        elements.some((element) => !isTemplate(element)),
        form !== "template",
      );
      // RSA keys take their time, and the device reads the same from each form.
      if (form === "both" || !kind.startsWith("RSA"))
        assert.equal((await enrolled(label, `${label}-device`)).key.kind, kind);
    });

test("ok/E22: RSA of 4096 bits, which the device chooses for nobody else", async () => {
  await setProfile("large", { keys: ["RSA"], leastRsaBits: 4096 });
  const { key, certificate } = await enrolled("large", "large-1");
  assert.deepEqual([key.kind, certificate.publicKey.bits], ["RSA-4096", 4096]);
});

test("ok/several kinds of key cannot be stated: nothing is, and the device keeps its own", async () => {
  await setProfile("several", { keys: ["P-384", "P-256"] });
  assert.equal((await ask(service, message("GET /.well-known/est/several/csrattrs"))).status, 204);
  assert.equal((await enrolled("several", "several-1")).key.kind, "P-256");
  assert.equal((await enrolled("several", "several-2", { keyKind: "P-384" })).key.kind, "P-384");
});

for (const form of ["attributes", "template", "both"] as const)
  test(`ok/E22: challengePassword is listed when linking is required, as ${form}`, async () => {
    await setProfile(`linked-${form}`, { binding: "required", csrattrs: form });
    const { elements, asked } = await told(`linked-${form}`);
    assert.equal(asked.challengePassword, true);
    // Who knows no templates has to find it as well.
    assert.ok(types(elements).includes(requestAttributes.challengePassword));
    await enrolled(`linked-${form}`, `linked-${form}-1`);
    await assert.rejects(enrolled(`linked-${form}`, `linked-${form}-2`, { binding: "never" }), {
      name: "EstFailed",
      code: "binding-wanted",
    });
  });

test("ok/E25: extensions stand in one extensionRequest of one value, each once", async () => {
  await setProfile("extensions", { requestExtensions: ["keyUsage", "extKeyUsage"], csrattrs: "attributes" });
  const { elements, asked } = await told("extensions");
  const [attribute, ...more] = elements;
  assert.ok(attribute?.kind === "attribute" && more.length === 0);
  assert.equal(attribute.type, requestAttributes.extensionRequest);
  assert.equal(attribute.values.length, 1);
  assert.deepEqual(
    asked.extensions.map(({ type }) => type),
    [extensionTypes.keyUsage, extensionTypes.extKeyUsage],
  );
  await enrolled("extensions", "extensions-1");
});

test("ok/E26: a template with subject, key and extensions, and a device that fills it in", async () => {
  await setProfile("gateways", {
    keys: ["P-384"],
    subject: [
      { type: "countryName", value: "CH" },
      { type: "organizationName", value: "Acme, Inc." },
      { type: "serialNumber" },
      { type: "commonName" },
    ],
    subjectAltName: ["dNSName"],
    requestExtensions: ["subjectAltName", "keyUsage", "extKeyUsage"],
    csrattrs: "template",
  });
  const { elements, asked } = await told("gateways");
  assert.deepEqual(types(elements), [templateAttributes.requestInfoTemplate]);
  assert.deepEqual(
    asked.subject.map(([each]) => [each?.type, each?.value === undefined ? "" : hex(each.value)]),
    [
      [attributeTypes.countryName, hex(der.printableString("CH"))],
      [attributeTypes.organizationName, hex(der.utf8String("Acme, Inc."))],
      [attributeTypes.serialNumber, ""],
      [attributeTypes.commonName, ""],
    ],
  );
  const [subjectAltName] = asked.extensions;
  assert.deepEqual(subjectAltName, { type: extensionTypes.subjectAltName, critical: false });

  await service.call("POST", "/claims", { label: "gate-7.example" });
  const identity = await manufactured(service, "gate-7.example");
  const { certificate, ledger } = await enrolled("gateways", "gate-7.example", { identity });
  assert.equal(formatName(certificate.subject), "CN=gate-7.example,serialNumber=gate-7.example,O=Acme\\, Inc.,C=CH");
  assert.deepEqual(subjectAltNameOf(certificate.extensions), [{ kind: "dNSName", text: "gate-7.example" }]);
  assert.equal(certificate.publicKey.kind, "P-384");

  // Both ends know what the CA wants, and know the same.
  const { run } = await service.call<{ readonly run: Run }>("GET", `/runs/${ledger.id}`);
  const print = ({ events }: Run, holder: string, operation: string) =>
    events.flatMap((event) =>
      event.kind === "fact" && event.fact === "est.ca.csrattrs" && event.holder === holder
        ? [[event.factKind, event.operation === operation, event.fingerprint]]
        : [],
    );
  const [[kind, learns, fingerprint] = []] = print(ledger, "device", "learn");
  assert.deepEqual([kind, learns], ["doc.csrattrs", true]);
  assert.deepEqual(print(run, "coordinator", "hold"), [["doc.csrattrs", true, fingerprint]]);
  for (const one of [ledger, run])
    assert.deepEqual(
      one.events.flatMap((event) => (event.kind === "frame" && /^csrattrs/.test(event.name) ? [event.name] : [])),
      ["csrattrs request", "csrattrs response"],
    );
});

test("fail/E26: a device that cannot fill in what the template leaves to it names the attribute, and makes no key", async () => {
  await setProfile("addresses", {
    subjectAltName: ["iPAddress"],
    requestExtensions: ["subjectAltName"],
    subject: [{ type: "serialNumber" }],
    csrattrs: "template",
  });
  const directory = join(service.data, "nothing-made");
  const before = service.contents();
  await assert.rejects(enrolled("addresses", "no-serial", {}, directory), {
    code: "request-not-fillable",
    message: /serialNumber in the subject/,
  });
  await service.call("POST", "/claims", { label: "SN-77" });
  const identity = await manufactured(service, "SN-77");
  await assert.rejects(enrolled("addresses", "SN-77", { identity }, directory), {
    code: "request-not-fillable",
    message: /iPAddress in subjectAltName/,
  });
  await assert.rejects(readdir(directory), { code: "ENOENT" });
  assert.deepEqual(service.contents()["certificates"], before["certificates"]);

  const address = Uint8Array.of(192, 0, 2, 7);
  const { certificate } = await enrolled("addresses", "SN-77", { identity, addresses: [address] }, directory);
  const [name, ...more] = subjectAltNameOf(certificate.extensions) ?? [];
  assert.ok(name?.kind === "iPAddress" && more.length === 0);
  assert.equal(hex(name.address), hex(address));
});

test("ok/a renewal keeps its names whatever the CA wants by now, and makes the key that it wants by now", async () => {
  await setProfile("moving", {});
  const directory = join(service.data, "moving");
  const first = await enrolled("moving", "moving-1", {}, directory);
  await setProfile("moving", {
    keys: ["P-384"],
    subject: [{ type: "organizationName", value: "Acme" }, { type: "serialNumber" }],
    requestExtensions: ["subjectAltName", "extKeyUsage"],
  });
  const current = await currentIdentity(directory);
  assert.ok(current !== undefined);
  const identity = { ...current, credential: "ldevid" as const };
  const renewed = await enrolled("moving", "ignored", { identity }, directory);
  assert.equal(hex(renewed.certificate.subject.raw), hex(first.certificate.subject.raw));
  assert.equal(extensionOf(renewed.certificate.extensions, extensionTypes.subjectAltName), undefined);
  assert.deepEqual([first.key.kind, renewed.key.kind], ["P-256", "P-384"]);
});

test("fail/the chosen kind of key is not the one that the CA wants", async () => {
  await setProfile("conflict", { keys: ["P-384"] });
  await assert.rejects(enrolled("conflict", "conflict-1", { keyKind: "P-256" }), {
    code: "key-kind-conflict",
    message: "the CA wants a key on the curve P-384, not the chosen kind P-256; choose another kind, or none",
  });
  // Who does not ask is told by the refusal.
  await assert.rejects(enrolled("conflict", "conflict-2", { keyKind: "P-256", csrattrs: "never" }), {
    code: "server-refused",
    message: /Keys of this kind or size are not certified here/,
  });
});

test("fail/the kept key of an enrolment that has not ended is of another kind than the CA wants by now", async () => {
  await service.call("POST", "/rules", { verdict: "wait", match: { credential: "anonymous" } });
  await setProfile("changing", {});
  const directory = join(service.data, "changing");
  await assert.rejects(waiting("changing", directory), { code: "waited-too-long" });
  await setProfile("changing", { keys: ["Ed25519"] });
  await assert.rejects(waiting("changing", directory), { code: "key-kind-conflict", message: /kept key .* P-256/ });
});

test("fail/P-521, which this device does not make", async () => {
  await setProfile("p521", { keys: ["P-521"] });
  await assert.rejects(enrolled("p521", "p521-1"), { code: "key-kind-unsupported", message: /P-521/ });
});

/** An enrolment without a credential, and without patience. */
async function waiting(label: string, directory: string): Promise<void> {
  const server = { host: "127.0.0.1", port: service.port, label };
  await enroll(
    "simpleenroll",
    {
      server: { ...server, trust: { kind: "explicit", anchors: [service.root] } },
      subject: deviceName("changing-1"),
      binding: "auto",
      patience: 0,
    },
    nodeEstEnv({ directory }),
  );
}

const wishes: RequestRequirements = {
  challengePassword: true,
  keys: [{ algorithm: keyTypes.ecPublicKey, curve: curves["P-384"] }],
  signatureAlgorithms: [],
  subject: [[{ type: attributeTypes.organizationName, value: der.utf8String("Elsewhere") }]],
  extensions: [encodeKeyUsage(["digitalSignature", "keyAgreement"])],
};
const typed = [["Content-Type", "application/csrattrs"]] as const;
const saying = (...elements: readonly AttrOrOid[]) => ({
  status: 200,
  headers: typed,
  body: encodeWireBase64(encodeCsrAttrs(elements), "wrapped"),
});
const octets = (der: Uint8Array) => ({ status: 200, headers: typed, body: encodeWireBase64(der, "line") });

/** A device against a server that answers csrattrs so, and the request that it sent. */
async function asksElsewhere(csrattrs: HttpResponse, chosen: Chosen = {}) {
  scripted.csrattrs = csrattrs;
  scripted.asked.length = 0;
  const { port } = new URL(scripted.url);
  const anchors = [scripted.ca.certificate];
  const server = {
    host: "127.0.0.1",
    port: Number(port),
    label: "devices",
    trust: { kind: "explicit", anchors },
  } as const;
  const credential = await enrolled("devices", "elsewhere-1.example", { server, ...chosen });
  const request = scripted.asked[0]?.request;
  assert.ok(request !== undefined);
  return { credential, request };
}

for (const status of [204, 404, 405, 501])
  test(`ok/${status} asks for nothing`, async () => {
    const { credential, request } = await asksElsewhere({ status, headers: [], body: new Uint8Array(0) });
    assert.equal(credential.key.kind, "P-256");
    assert.deepEqual([formatName(request.subject), request.extensionRequest], ["CN=elsewhere-1.example", []]);
  });

test("ok/an empty list and an empty body ask for nothing", async () => {
  for (const answer of [saying(), { status: 200, headers: [], body: new Uint8Array(0) }])
    assert.equal((await asksElsewhere(answer)).credential.key.kind, "P-256");
});

test("ok/E23: what is unknown is passed over, as is the extensionRequest of the example in RFC 7030 4.5.2", async () => {
  const unknown: readonly AttrOrOid[] = [
    { kind: "oid", type: "1.3.6.1.1.1.1.22" },
    { kind: "attribute", type: "1.2.840.113549.1.9.20", values: [der.utf8String("friendly"), der.nullValue()] },
    {
      kind: "attribute",
      type: requestAttributes.extensionRequest,
      values: [der.objectIdentifier("1.3.6.1.1.1.1.22")],
    },
    { kind: "attribute", type: keyTypes.ecPublicKey, values: [der.objectIdentifier(curves["P-384"])] },
    { kind: "oid", type: "1.2.840.10045.4.3.3" },
  ];
  const { credential, request } = await asksElsewhere(saying(...unknown));
  assert.equal(credential.key.kind, "P-384");
  assert.deepEqual(request.signatureAlgorithm, Buffer.from(signatureAlgorithms.ecdsaWithSha384.identifier));
  assert.deepEqual(request.extensionRequest, []);
});

for (const [algorithm, kind] of [
  ["sha512WithRsa", "RSA-2048"],
  ["ecdsaWithSha512", "P-256"],
] as const)
  test(`ok/the request is signed as the CA wants it, ${signatureAlgorithms[algorithm].name}`, async () => {
    const only = { ...wishes, keys: [], signatureAlgorithms: [signatureAlgorithms[algorithm]] };
    const { credential, request } = await asksElsewhere(saying(...attributesFor(only)));
    assert.equal(credential.key.kind, kind);
    assert.equal(hex(request.signatureAlgorithm), hex(signatureAlgorithms[algorithm].identifier));
    assert.ok(verifyProofOfPossession(request));
  });

test("ok/E27: of both forms at once the template alone counts", async () => {
  const other = { ...wishes, keys: [{ algorithm: keyTypes.ed25519 }], extensions: [] };
  const { credential, request } = await asksElsewhere(saying(...attributesFor(other), templateFor(wishes)));
  assert.equal(credential.key.kind, "P-384");
  assert.equal(formatName(request.subject), "CN=elsewhere-1.example,O=Elsewhere");
  assert.deepEqual(
    request.extensionRequest.map(({ type, critical, value }) => [type, critical, hex(value)]),
    wishes.extensions.map(({ type, critical, value }) => [type, critical, hex(value as Uint8Array)]),
  );
});

test("ok/a template's own common name takes the place of the device's", async () => {
  const subject = [[{ type: attributeTypes.commonName, value: der.utf8String("opaque-4711") }]];
  const { request } = await asksElsewhere(saying(templateFor({ ...wishes, subject })));
  assert.equal(formatName(request.subject), "CN=opaque-4711");
});

test("ok/names that are given stay, empty ones are filled in", async () => {
  const partial = encodeSubjectAltName([
    { kind: "dNSName", text: "www.myServer.com" },
    { kind: "iPAddress", address: new Uint8Array() },
    { kind: "directoryName", name: parseName(encodeName([])) },
  ]);
  const extensions = [partial, { type: extensionTypes.extKeyUsage, critical: true }];
  const addresses = [Uint8Array.of(192, 0, 2, 1), new Uint8Array(16)];
  const { request } = await asksElsewhere(saying(templateFor({ ...wishes, extensions })), { addresses });
  const names = subjectAltNameOf(request.extensionRequest) ?? [];
  assert.deepEqual(
    names.map(({ kind }) => kind),
    ["dNSName", "iPAddress", "iPAddress", "directoryName"],
  );
  assert.ok(names[3]?.kind === "directoryName");
  assert.equal(formatName(names[3].name), "CN=elsewhere-1.example,O=Elsewhere");
  assert.equal(request.extensionRequest[1]?.critical, true);
});

test("ok/--csrattrs never: the CA is not asked", async () => {
  const broken = { status: 500, headers: [], body: new Uint8Array(0) };
  assert.equal((await asksElsewhere(broken, { csrattrs: "never" })).credential.key.kind, "P-256");
});

const twice = {
  kind: "attribute",
  type: requestAttributes.extensionRequest,
  values: [encodeExtensions([encodeKeyUsage(["digitalSignature"])])],
} as const;
const wrong: Readonly<Record<string, readonly [answer: HttpResponse, code: string]>> = {
  "another media type": [
    { ...saying(templateFor(wishes)), headers: [["Content-Type", "application/pkcs7-mime"]] },
    "response-media-type",
  ],
  "no media type": [{ ...saying(templateFor(wishes)), headers: [] }, "response-media-type"],
  HTML: [{ status: 200, headers: [["Content-Type", "text/html"]], body: utf8("<html>") }, "response-media-type"],
  "what is no base64": [{ status: 200, headers: typed, body: utf8("MA=A") }, "csrattrs-malformed"],
  PEM: [
    { status: 200, headers: typed, body: utf8("-----BEGIN X-----\nMAA=\n-----END X-----\n") },
    "csrattrs-malformed",
  ],
  "what is no DER": [octets(Uint8Array.of(0x30, 0x80, 0, 0)), "csrattrs-malformed"],
  "something behind the list": [octets(Uint8Array.of(0x30, 0, 5, 0)), "csrattrs-malformed"],
  "two templates": [saying(templateFor(wishes), templateFor(wishes)), "csrattrs-malformed"],
  "two extensionRequests": [saying(twice, twice), "csrattrs-malformed"],
  "a subjectAltName that is none": [
    saying(
      templateFor({
        ...wishes,
        extensions: [{ type: extensionTypes.extKeyUsage, critical: false }, san(der.nullValue())],
      }),
    ),
    "csrattrs-malformed",
  ],
  "more elements than anybody asks for": [
    octets(der.sequence(new Array(5000).fill(der.objectIdentifier("1.2.3")))),
    "csrattrs-malformed",
  ],
  "hundreds of kilobytes": [octets(der.sequence([der.octetString(new Uint8Array(500_000))])), "csrattrs-malformed"],
  "an extension that nobody can fill in": [
    saying(templateFor({ ...wishes, extensions: [{ type: "1.2.3.4", critical: false }] })),
    "request-not-fillable",
  ],
  "RSA of a size that is not made": [
    saying(templateFor({ ...wishes, keys: [{ algorithm: keyTypes.rsaEncryption, bits: 16_384 }] })),
    "key-kind-unsupported",
  ],
  "a type of key that is unknown": [
    saying(templateFor({ ...wishes, keys: [{ algorithm: "2.16.840.1.101.3.4.3.17" }] })),
    "key-kind-unsupported",
  ],
  "a signature that does not go with the key": [
    saying(...attributesFor({ ...wishes, signatureAlgorithms: [signatureAlgorithms.sha256WithRsa] })),
    "key-kind-unsupported",
  ],
  "202": [{ status: 202, headers: [["Retry-After", "1"]], body: new Uint8Array(0) }, "status-unexpected"],
  "401": [{ status: 401, headers: [], body: utf8("who are you") }, "server-refused"],
  "500": [{ status: 500, headers: [], body: new Uint8Array(0) }, "server-refused"],
};

for (const [name, [answer, code]] of Object.entries(wrong))
  test(`fail/csrattrs answers ${name}: ${code}, and no request is sent`, async () => {
    await assert.rejects(asksElsewhere(answer), (error) => codeOf(error) === code && error instanceof EstFailed);
    assert.equal(scripted.asked.length, 0);
  });

function san(value: Uint8Array) {
  return { type: extensionTypes.subjectAltName, critical: false, value };
}
