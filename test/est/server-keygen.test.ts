import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { base64, hex, utf8 } from "../../src/core/bytes.ts";
import { generateKey, privateKeyForm, privateKeyFromDer, privateKeyToPem, signerOf } from "../../src/crypto/keys.ts";
import type { Signer } from "../../src/crypto/signer.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { decodeAsymmetricKeyPackage } from "../../src/pki/asymmetric-key-package.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { parseEnvelopedData } from "../../src/pki/cms-enveloped-data.ts";
import { formatName } from "../../src/pki/name.ts";
import { encodeKeyUsage, encodeSubjectKeyIdentifier } from "../../src/pki/standard-extensions.ts";
import type { EstRefusal } from "../../src/protocols/est/index.ts";
import {
  attribute,
  authorityExtensions,
  type CraftedIssuer,
  commonName,
  craftedRequest,
  newSigner,
  oddSigner,
  passwordAttribute,
  selfSigned,
  serialNumber,
} from "./crafted.ts";
import { ask, basic, dial, exchange, type RawIdentity } from "./raw-client.ts";
import {
  asymmDecryptKeyID,
  capabilities,
  decryptKeyID,
  everything,
  generatedIn,
  keyRequest,
  openssl,
  verifiedByOpenssl,
} from "./server-key.ts";
import { startService, type TestService } from "./service.ts";

/** serverkeygen over real sockets: what is granted, in which form, and what is refused (RFC 7030 4.4). */

let service: TestService;
let maker: CraftedIssuer;

before(async () => {
  service = await startService();
  for (const kind of ["P-384", "Ed25519", "RSA-2048"])
    await service.call("PUT", `/ca/profiles/${kind}`, { serverKey: kind });
  await service.call("PUT", "/ca/profiles/keys", { serverKey: "P-256" });
  await service.call("PUT", "/ca/profiles/strict", { serverKey: "P-256", binding: "required" });
  await service.call("PUT", "/est-users/line", { password: "correct horse", devices: "line-*" });
  await service.call("PUT", "/est-keys/line-key", { key: "0f".repeat(32), devices: "line-*" });
  await service.call("PUT", "/est-keys/others", { key: "0e".repeat(16), devices: "other-*" });
  await service.call("POST", "/rules", { verdict: "wait", match: { profile: "asked" } });
  await service.call("PUT", "/ca/profiles/asked", { serverKey: "P-256" });
  maker = await selfSigned(commonName("Maker CA"), authorityExtensions(1));
  const pem = encodePem("CERTIFICATE", maker.chain[0] as Uint8Array);
  await service.call("POST", "/anchors", { name: "maker", pem });
});

after(() => service.close());

test("ok/one who asks for many RSA keys waits for itself: another one's turn comes before them", async () => {
  await service.call("PUT", "/est-users/greedy", { password: "correct horse", devices: "greedy-*" });
  const key = async (user: string, name: string) =>
    ask(
      service,
      keyRequest(await craftedRequest({ subject: commonName(name) }), "RSA-2048", [basic(user, "correct horse")]),
    );
  let answered = 0;
  const flood = Array.from({ length: 18 }, async (_, index) => {
    const answer = await key("greedy", `greedy-${index}`);
    answered += 1;
    return answer;
  });
  await Promise.any(flood);
  assert.equal((await key("line", "line-rsa")).status, 200);
  assert.ok(answered < 18, "the flood was over before");
  const answers = await Promise.all(flood);
  for (const { status, field } of answers) if (status !== 200) assert.equal(field("hatchery-error"), "overloaded");
});

const asUser = [basic("line", "correct horse")];
const line = (name: string, attributes: readonly Uint8Array[] = [], signer: Signer = newSigner()) =>
  craftedRequest({ subject: commonName(name), attributes, signer });

/** A claimed device of the registered manufacturer. */
async function claimed(label: string): Promise<RawIdentity> {
  await service.call("POST", "/claims", { label });
  const { certificate, key } = await service.factory.makeDevice(label);
  return { chain: [certificate], key };
}

function publicKeyOf(pkcs8: Uint8Array): string {
  return hex(signerOf(privateKeyFromDer(pkcs8)).publicKey);
}

function certifiedKeyOf(certificate: Uint8Array): string {
  return hex(parseCertificate(certificate).subjectPublicKeyInfo);
}

describe("serverkeygen: granted", () => {
  test("ok/plain: a PKCS #8 key of the profile's kind and its certificate, for a name of the client's", async () => {
    const identity = await claimed("PLAIN-1");
    const signer = newSigner();
    const answer = await ask(service, keyRequest(await line("PLAIN-1", [], signer), "keys"), { identity });
    const { key, certificate } = generatedIn(answer);
    assert.match(answer.field("content-type") ?? "", /^multipart\/mixed; boundary=/);
    assert.equal(key.form, "pkcs8");
    assert.equal(privateKeyForm(key.bytes), "pkcs8");
    assert.match(hex(key.bytes), /^3081..020100/, "PKCS #8 of version 1");
    assert.equal(publicKeyOf(key.bytes), certifiedKeyOf(certificate));
    assert.notEqual(certifiedKeyOf(certificate), hex(signer.publicKey), "the request's key is not the one certified");
    assert.equal(formatName(parseCertificate(certificate).subject), "CN=PLAIN-1");
    const { identities } = await service.call<{ readonly identities: readonly { kind: string; value: string }[] }>(
      "GET",
      "/devices/PLAIN-1",
    );
    assert.equal(identities.filter(({ kind }) => kind === "key").length, 1, "the inventory knows whose the key is");
  });

  for (const [label, type] of [
    ["P-384", "ec"],
    ["Ed25519", "ed25519"],
    ["RSA-2048", "rsa"],
  ] as const)
    test(`ok/plain: ${label}`, async () => {
      const name = `line-${label}`;
      const { key, certificate } = generatedIn(await ask(service, keyRequest(await line(name), label, asUser)));
      assert.equal(
        createPrivateKey({ key: Buffer.from(key.bytes), format: "der", type: "pkcs8" }).asymmetricKeyType,
        type,
      );
      assert.equal(publicKeyOf(key.bytes), certifiedKeyOf(certificate));
    });

  test("ok/request's key and signature are not looked at: of a weak key, and wrong", async () => {
    const weak = oddSigner(generateKeyPairSync("rsa", { modulusLength: 1024 }));
    const wrong: Signer = { ...newSigner(), sign: () => utf8("no signature") };
    for (const [name, signer] of Object.entries({ "line-weak": weak, "line-wrong": wrong })) {
      const answer = await ask(service, keyRequest(await line(name, [], signer), "keys", asUser));
      assert.equal(formatName(parseCertificate(generatedIn(answer).certificate).subject), `CN=${name}`);
    }
  });

  test("ok/one request's key serves many devices, each gets its own", async () => {
    const signer = newSigner();
    const keys = new Set<string>();
    for (const name of ["line-same-1", "line-same-2"])
      keys.add(
        hex(generatedIn(await ask(service, keyRequest(await line(name, [], signer), "keys", asUser))).certificate),
      );
    assert.equal(keys.size, 2);
  });

  test("ok/the same request gets the same key and certificate: on another connection, and after a restart", async () => {
    const identity = await claimed("AGAIN-1");
    const signer = newSigner();
    const request = keyRequest(await line("AGAIN-1", [], signer), "keys");
    const first = await ask(service, request, { identity });
    const before = service.contents();
    const again = [await ask(service, keyRequest(await line("AGAIN-1", [], signer), "keys"), { identity })];
    await service.restart();
    again.push(await ask(service, request, { identity }));
    for (const answer of again) {
      assert.equal(answer.text, first.text);
      assert.equal(answer.field("hatchery-run"), first.field("hatchery-run"));
    }
    assert.deepEqual(service.contents(), before, "nothing is granted twice");
  });

  test("ok/a user for many devices, who repeats a request, gets another key: the first one is a device's", async () => {
    const signer = newSigner();
    const request = keyRequest(await line("line-shared", [], signer), "keys", asUser);
    const first = await ask(service, request);
    for (const again of [request, keyRequest(await line("line-shared", [], signer), "keys", asUser)]) {
      const answer = await ask(service, again);
      assert.notEqual(certifiedKeyOf(generatedIn(answer).certificate), certifiedKeyOf(generatedIn(first).certificate));
      assert.ok(!answer.text.includes(base64(generatedIn(first).key.bytes).slice(0, 64)));
      assert.notEqual(answer.field("hatchery-run"), first.field("hatchery-run"), "decided anew");
    }
    await service.call("PUT", "/est-users/line-alone", { password: "correct horse", devices: "line-alone" });
    const own = keyRequest(await line("line-alone"), "keys", [basic("line-alone", "correct horse")]);
    assert.equal((await ask(service, own)).text, (await ask(service, own)).text);
  });

  test("ok/binding: the right one, on either version of TLS", async () => {
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const socket = await dial(service, { version });
      const binding =
        version === "TLSv1.2"
          ? (socket.getFinished() ?? Buffer.alloc(0))
          : socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
      const request = await line(`line-${version}`, [passwordAttribute(base64(binding))]);
      generatedIn(await exchange(socket, keyRequest(request, "strict", asUser)));
      socket.destroy();
    }
  });

  test("ok/wait: the key is made when a person has said yes, and is the same from then on", async () => {
    const signer = newSigner();
    await service.call("PUT", "/est-users/asked", { password: "correct horse", devices: "line-asked" });
    const asUser = [basic("asked", "correct horse")];
    const request = keyRequest(await line("line-asked", [], signer), "asked", asUser);
    const first = await ask(service, request);
    assert.deepEqual([first.status, first.field("retry-after")], [202, "5"]);
    const run = first.field("hatchery-run");
    assert.equal((await ask(service, request)).status, 202);
    await service.call("POST", `/approvals/${run}`, { state: "approved" });
    const answer = await ask(service, request);
    assert.equal(answer.field("hatchery-run"), run);
    const { key, certificate } = generatedIn(answer);
    assert.equal(publicKeyOf(key.bytes), certifiedKeyOf(certificate));
    assert.equal((await ask(service, request)).text, answer.text);
  });

  test("ok/a certificate of this CA gets another key under its own profile", async () => {
    const identity = await claimed("RENEW-1");
    const { key, certificate } = generatedIn(
      await ask(service, keyRequest(await line("RENEW-1"), "keys"), { identity }),
    );
    const own: RawIdentity = { chain: [certificate], key: privateKeyFromDer(key.bytes) };
    const next = generatedIn(await ask(service, keyRequest(await line("RENEW-1"), "keys"), { identity: own }));
    assert.notEqual(certifiedKeyOf(next.certificate), certifiedKeyOf(certificate));
  });
});

describe("serverkeygen: encrypted", () => {
  test("ok/symmetric: openssl decrypts it by the registered key and verifies who has signed it", async () => {
    const request = await line("line-kek", [capabilities(), decryptKeyID("line-key")]);
    const { key, certificate } = generatedIn(await ask(service, keyRequest(request, "keys", asUser)));
    assert.equal(key.form, "enveloped");
    const [info] = parseEnvelopedData(key.bytes).recipientInfos;
    assert.ok(info?.kind === "keyEncryptionKey");
    assert.equal(Buffer.from(info.keyIdentifier).toString(), "line-key");
    const how = ["-secretkey", "0f".repeat(32), "-secretkeyid", Buffer.from("line-key").toString("hex")];
    const signed = openssl({ key: key.bytes }, "cms", "-decrypt", "-inform", "DER", "-in", "key", "-binary", ...how);
    const [pkcs8, ...more] = decodeAsymmetricKeyPackage(verifiedByOpenssl(signed, service.root));
    assert.equal(more.length, 0);
    assert.equal(publicKeyOf(pkcs8 as Uint8Array), certifiedKeyOf(certificate));
  });

  for (const [kind, usage] of [
    ["P-256", "keyAgreement"],
    ["P-384", "keyAgreement"],
    ["RSA-2048", "keyEncipherment"],
  ] as const)
    test(`ok/asymmetric: openssl decrypts it by the ${kind} key of the certificate that the device shows`, async () => {
      const name = `SHOWN-${kind}`;
      await service.call("POST", "/claims", { label: name });
      const { identity, identifier } = await device(name, kind, ["digitalSignature", usage]);
      const request = await line(name, [capabilities(), asymmDecryptKeyID(identifier)]);
      const { key, certificate } = generatedIn(await ask(service, keyRequest(request, "keys"), { identity }));
      const [info] = parseEnvelopedData(key.bytes).recipientInfos;
      assert.ok(info !== undefined && info.kind !== "keyEncryptionKey" && info.rid.kind === "subjectKeyIdentifier");
      assert.equal(hex(info.rid.keyIdentifier), hex(identifier));
      const files = {
        message: key.bytes,
        cert: encodePem("CERTIFICATE", identity.chain[0] as Uint8Array),
        key: privateKeyToPem(identity.key),
      };
      const how = ["-inform", "DER", "-in", "message", "-binary", "-recip", "cert", "-inkey", "key"];
      const signed = openssl(files, "cms", "-decrypt", ...how);
      const [pkcs8] = decodeAsymmetricKeyPackage(verifiedByOpenssl(signed, service.root));
      assert.equal(publicKeyOf(pkcs8 as Uint8Array), certifiedKeyOf(certificate));
    });

  test("ok/the same request gets the same message, and with another recipient it is another request", async () => {
    const signer = newSigner();
    const asked = (name: string) => line("line-again", [capabilities(), decryptKeyID(name)], signer);
    await service.call("PUT", "/est-keys/line-other", { key: "0d".repeat(32), devices: "line-*" });
    const request = keyRequest(await asked("line-key"), "keys", asUser);
    const first = await ask(service, request);
    assert.equal((await ask(service, request)).text, first.text);
    const other = generatedIn(await ask(service, keyRequest(await asked("line-other"), "keys", asUser)));
    assert.notEqual(certifiedKeyOf(other.certificate), certifiedKeyOf(generatedIn(first).certificate));
  });

  /** What a device offers is what is used: the first of each kind, and nothing else. */
  test("ok/algorithms: only those that were offered", async () => {
    const offered = { contentEncryptions: ["aes128-CBC"], keyWraps: ["aes256-wrap"] } as const;
    const request = await line("line-offers", [capabilities(offered), decryptKeyID("line-key")]);
    const { key } = generatedIn(await ask(service, keyRequest(request, "keys", asUser)));
    const { contentEncryptionAlgorithm } = parseEnvelopedData(key.bytes);
    assert.match(hex(contentEncryptionAlgorithm), /^301d0609608648016503040102/);
  });
});

/** A device of the crafted manufacturer, whose certificate says what its key is for. */
async function device(
  name: string,
  kind: "P-256" | "P-384" | "RSA-2048" | "Ed25519",
  usages: Parameters<typeof encodeKeyUsage>[0],
) {
  const key = generateKey(kind);
  const identifier = utf8(`identifier of ${name}`);
  const extensions = [encodeKeyUsage(usages), encodeSubjectKeyIdentifier(identifier)];
  const identity = await maker.issue(serialNumber(name), { extensions }, key);
  return { identity, identifier };
}

interface Refused {
  readonly status: number;
  readonly code: EstRefusal;
  readonly says: RegExp;
  readonly send: () => Promise<Uint8Array>;
  readonly as?: () => Promise<RawIdentity>;
}

const unauthorized = /^This request is not authenticated\./;
const incomplete = /takes SMIMECapabilities and one of decryptKeyID and asymmDecryptKeyID/;
const unsupported = /cannot be encrypted with what the request offers/;
const unknownKey = /is not known here for this device/;

function asking(
  code: EstRefusal,
  says: RegExp,
  attributes: readonly Uint8Array[] | (() => Promise<readonly Uint8Array[]>),
  name = "line-1",
): Refused {
  const list = typeof attributes === "function" ? attributes : async () => attributes;
  return { status: 400, code, says, send: async () => keyRequest(await line(name, await list()), "keys", asUser) };
}

/** By a device whose certificate has this key and usage. */
function shown(
  name: string,
  kind: "P-256" | "RSA-2048" | "Ed25519",
  usages: Parameters<typeof encodeKeyUsage>[0],
  offered = everything,
): Refused {
  const made = async () => {
    await service.call("POST", "/claims", { label: name });
    return device(name, kind, usages);
  };
  let one: ReturnType<typeof made> | undefined;
  const only = () => (one ??= made());
  return {
    status: 400,
    code: "encryption-unsupported",
    says: unsupported,
    send: async () =>
      keyRequest(await line(name, [capabilities(offered), asymmDecryptKeyID((await only()).identifier)]), "keys"),
    as: async () => (await only()).identity,
  };
}

const refusals: Readonly<Record<string, Refused>> = {
  "a profile that makes no keys": {
    status: 404,
    code: "server-key-not-offered",
    says: /No keys are made here; make one and use simpleenroll/,
    send: async () => keyRequest(await line("line-1"), undefined, asUser),
  },
  "an unknown label": {
    status: 404,
    code: "label-unknown",
    says: /no such label/,
    send: async () => keyRequest(await line("line-1"), "nowhere", asUser),
  },
  "no credential, whatever the rules say": {
    status: 401,
    code: "credentials-missing",
    says: unauthorized,
    send: async () => keyRequest(await line("line-1"), "asked"),
  },
  "a wrong password": {
    status: 401,
    code: "credentials-wrong",
    says: unauthorized,
    send: async () => keyRequest(await line("line-1"), "keys", [basic("line", "wrong horse")]),
  },
  "another's name": {
    status: 403,
    code: "name-not-the-client",
    says: /a subject or an alternative name that is not this client's/,
    send: async () => keyRequest(await line("other-1"), "keys", asUser),
  },
  "a binding of another connection": {
    status: 401,
    code: "binding-wrong",
    says: /must hold the channel binding/,
    send: async () => keyRequest(await line("line-1", [passwordAttribute(`${"A".repeat(43)}=`)]), "keys", asUser),
  },
  "a missing binding where one is required": {
    status: 401,
    code: "binding-missing",
    says: /channel binding/,
    send: async () => keyRequest(await line("line-1"), "strict", asUser),
  },
  "a device that is not claimed": {
    status: 403,
    code: "not-allowed",
    says: /may not be enrolled here/,
    send: async () => keyRequest(await line("STRANGE-1"), "keys"),
    as: async () => {
      const { certificate, key } = await service.factory.makeDevice("STRANGE-1");
      return { chain: [certificate], key };
    },
  },
  "SMIMECapabilities alone": asking("encryption-incomplete", incomplete, [capabilities()]),
  "decryptKeyID alone": asking("encryption-incomplete", incomplete, [decryptKeyID("line-key")]),
  "asymmDecryptKeyID alone": asking("encryption-incomplete", incomplete, [asymmDecryptKeyID(utf8("a key"))]),
  "both identifiers": asking("encryption-incomplete", incomplete, [
    capabilities(),
    decryptKeyID("line-key"),
    asymmDecryptKeyID(utf8("a key")),
  ]),
  "SMIMECapabilities that are none": asking("csr-malformed", /not a well-formed PKCS #10/, [
    attribute("1.2.840.113549.1.9.15", utf8("\x04\x01x")),
    decryptKeyID("line-key"),
  ]),
  "a decryptKeyID that is no OCTET STRING": asking("csr-malformed", /not a well-formed PKCS #10/, [
    capabilities(),
    attribute("1.2.840.113549.1.9.16.2.37", utf8("\x0c\x01x")),
  ]),
  "an unknown decryptKeyID": asking("decrypt-key-unknown", unknownKey, [capabilities(), decryptKeyID("nobody")]),
  "a decryptKeyID that is no name": asking("decrypt-key-unknown", unknownKey, [
    capabilities(),
    decryptKeyID(Uint8Array.of(0xff, 0x2f, 0)),
  ]),
  "another device's decryptKeyID": asking("decrypt-key-unknown", unknownKey, [capabilities(), decryptKeyID("others")]),
  "a decryptKeyID that climbs to the CA's key": asking("decrypt-key-unknown", unknownKey, [
    capabilities(),
    decryptKeyID("../root-1"),
  ]),
  "an unknown asymmDecryptKeyID": asking("decrypt-key-unknown", unknownKey, [
    capabilities(),
    asymmDecryptKeyID(utf8("nobody's")),
  ]),
  "no content encryption": asking("encryption-unsupported", unsupported, [
    capabilities({ keyWraps: ["aes256-wrap"] }),
    decryptKeyID("line-key"),
  ]),
  "a key wrap for keys of another size": asking("encryption-unsupported", unsupported, [
    capabilities({ contentEncryptions: ["aes256-CBC"], keyWraps: ["aes128-wrap"] }),
    decryptKeyID("line-key"),
  ]),
  "a certificate whose key may not agree on keys": shown("SIGNS-1", "P-256", ["digitalSignature"]),
  "a certificate whose key may not encipher keys": shown("SIGNS-2", "RSA-2048", ["digitalSignature"]),
  "a certificate of an Ed25519 key": shown("SIGNS-3", "Ed25519", ["digitalSignature", "keyAgreement"]),
  "no key wrap for an elliptic-curve key": shown("AGREES-1", "P-256", ["digitalSignature", "keyAgreement"], {
    ...everything,
    keyWraps: [],
    keyAgreements: [],
  }),
  "no RSA encryption for an RSA key": shown("ENCIPHERS-1", "RSA-2048", ["digitalSignature", "keyEncipherment"], {
    ...everything,
    keyTransports: [],
  }),
  "PEM in the body": {
    status: 400,
    code: "pem-armour",
    says: /Remove the BEGIN and END lines/,
    send: async () => keyRequest(encodePem("CERTIFICATE REQUEST", await line("line-1")), "keys", asUser),
  },
};

describe("serverkeygen: refused", () => {
  const remains = ["devices", "identities", "certificates", "sessions", "approvals"] as const;
  const counts = () => Object.fromEntries(remains.map((table) => [table, service.rows(table).length]));

  for (const [name, { status, code, says, send, as }] of Object.entries(refusals))
    test(`fail/${name}`, async () => {
      const request = await send();
      const identity = await as?.();
      const stored = counts();
      const answer = await ask(service, request, identity === undefined ? {} : { identity });
      assert.deepEqual(
        [answer.status, answer.field("content-type")],
        [status, "text/plain; charset=utf-8"],
        answer.text,
      );
      assert.match(answer.text, says);
      assert.equal(answer.field("hatchery-error"), status === 401 ? undefined : code);
      const { items } = await service.call<{ readonly items: readonly { id: string; reason: string }[] }>(
        "GET",
        "/runs?outcome=refused&limit=1",
      );
      assert.deepEqual([items[0]?.id, items[0]?.reason], [answer.field("hatchery-run"), code]);
      assert.deepEqual(counts(), stored, "nothing is made, issued or remembered");
    });

  test("fail/a certificate that was revoked is not handed out again with its key", async () => {
    const identity = await claimed("REVOKED-1");
    const request = keyRequest(await line("REVOKED-1"), "keys");
    const { certificate } = generatedIn(await ask(service, request, { identity }));
    const { serialNumber: serial } = parseCertificate(certificate);
    const which = { kind: "serial", serial: hex(serial) };
    await service.call("POST", "/ca/revocations", { which, reason: "keyCompromise" });
    const answer = await ask(service, request, { identity });
    assert.deepEqual([answer.status, answer.field("hatchery-error")], [403, "key-revoked"]);
  });

  test("fail/a registered key that was removed is unknown from then on", async () => {
    await service.call("PUT", "/est-keys/line-gone", { key: "0c".repeat(24), devices: "line-*" });
    const names = async () => (await service.call<{ readonly items: readonly unknown[] }>("GET", "/est-keys")).items;
    assert.equal((await names()).length >= 3, true);
    await service.call("DELETE", "/est-keys/line-gone");
    const request = await line("line-1", [capabilities(), decryptKeyID("line-gone")]);
    const answer = await ask(service, keyRequest(request, "keys", asUser));
    assert.equal(answer.field("hatchery-error"), "decrypt-key-unknown");
    await assert.rejects(service.call("DELETE", "/est-keys/line-gone"), /404/);
  });

  test("fail/profile: a kind of key that it would not certify", async () => {
    await assert.rejects(service.call("PUT", "/ca/profiles/odd", { serverKey: "Ed25519", keys: ["P-256"] }), /400/);
    await assert.rejects(service.call("PUT", "/ca/profiles/odd", { serverKey: "RSA-2048", leastRsaBits: 3072 }), /400/);
  });
});
