import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { base64, concat, hex, utf8 } from "../../src/core/bytes.ts";
import { privateKeyToPem } from "../../src/crypto/keys.ts";
import type { Signer } from "../../src/crypto/signer.ts";
import { decodeWireBase64 } from "../../src/encoding/base64.ts";
import * as der from "../../src/encoding/der-writer.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { encodePkiData } from "../../src/pki/cmc.ts";
import { transactionControls } from "../../src/pki/cmc-control.ts";
import type { CmcFailInfo } from "../../src/pki/cmc-status.ts";
import { formatName } from "../../src/pki/name.ts";
import { cmcControls, contentTypes, keyPurposes } from "../../src/pki/oids.ts";
import { extKeyUsageOf } from "../../src/pki/standard-extensions.ts";
import type { EstRefusal } from "../../src/protocols/est/index.ts";
import { commonName, craftedRequest, newSigner, oddSigner, passwordAttribute } from "./crafted.ts";
import {
  byCertificate,
  byKey,
  cmcRequestType,
  fullAnswerIn,
  fullcmc,
  fullRequest,
  selfSignedRequest,
  signedPkiData,
} from "./full-requests.ts";
import { ask, basic, certificateIn, dial, exchange, message, type RawAnswer, type RawIdentity } from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";
import { makeStrangers, type Strangers } from "./strangers.ts";

/** fullcmc (RFC 7030 4.3) over real sockets: who may sign, what is answered, and every refusal with its message of CMC. */

let service: TestService;
let known: Strangers;
const password = "correct horse battery";
const senderNonce = new Uint8Array(16).fill(7);
const transactionId = Uint8Array.of(0x12, 0x34);

before(async () => {
  service = await startService();
  known = await makeStrangers(service);
  await service.call("PUT", "/est-users/installer", { password, devices: "line-*" });
  await service.call("PUT", "/ca/profiles/device", { fullcmc: "allowed" });
  await service.call("PUT", "/ca/profiles/plain", { fullcmc: "refused" });
});

after(() => service.close());

const remains = ["devices", "identities", "certificates", "sessions", "approvals"] as const;
const counts = () => Object.fromEntries(remains.map((table) => [table, service.rows(table).length]));

async function newestRun(): Promise<{ readonly id: string; readonly reason: string } | undefined> {
  const { items } = await service.call<{ readonly items: readonly { id: string; reason: string }[] }>(
    "GET",
    "/runs?limit=1",
  );
  return items[0];
}

/** The binding of a TLS 1.3 connection, as a request says it. */
function bindingOf(socket: TLSSocket): Uint8Array {
  const octets = socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
  return passwordAttribute(base64(octets));
}

const named = (der: Uint8Array) => formatName(parseCertificate(der).subject);

test("ok/signed with the certificate of TLS: a Simple PKI Response, when there is nothing else to say", async () => {
  const identity = known.device;
  const request = await craftedRequest({ subject: commonName("GOOD-1") });
  const answer = await ask(service, fullcmc(await fullRequest(request, byCertificate(identity))), { identity });
  assert.match(named(certificateIn(answer)), /CN=GOOD-1/);
});

test("ok/transaction and nonces come back in a Full PKI Response, signed by the CA's delegate", async () => {
  const identity = known.device;
  const signer = newSigner();
  const request = await craftedRequest({ subject: commonName("GOOD-1"), signer });
  const controls = transactionControls({ transactionId, senderNonce, dataReturn: utf8("mine") });
  const answer = await ask(service, fullcmc(await fullRequest(request, byCertificate(identity), controls)), {
    identity,
  });
  assert.equal(answer.status, 200);
  const { statuses, transaction, responder, certificates } = fullAnswerIn(answer);
  assert.deepEqual(statuses, [{ status: "success", bodyList: [1] }]);
  const { senderNonce: theirs, ...repeated } = transaction;
  assert.deepEqual(Object.fromEntries(Object.entries(repeated).map(([name, octets]) => [name, hex(octets)])), {
    transactionId: "1234",
    recipientNonce: hex(senderNonce),
    dataReturn: hex(utf8("mine")),
  });
  assert.equal(theirs?.length, 16);
  assert.notEqual(hex(theirs), hex(senderNonce));
  const [certificate] = certificates;
  assert.ok(certificate !== undefined && certificates.length === 1);
  assert.equal(hex(parseCertificate(certificate).subjectPublicKeyInfo), hex(signer.publicKey));
  // RFC 6402 2.10: by id-kp-cmcCA, under the CA's own name.
  assert.deepEqual(extKeyUsageOf(responder.extensions), [keyPurposes.cmcCA]);
  assert.equal(formatName(responder.subject), formatName(responder.issuer));
  const cacerts = await ask(service, message("GET /.well-known/est/cacerts"));
  assert.equal(cacerts.status, 200);
});

test("ok/openssl verifies the answer, and finds its path to the root", async () => {
  const identity = known.device;
  const controls = transactionControls({ senderNonce });
  const request = await craftedRequest({ subject: commonName("GOOD-1") });
  const answer = await ask(service, fullcmc(await fullRequest(request, byCertificate(identity), controls)), {
    identity,
  });
  const file = (name: string) => join(service.data, name);
  writeFileSync(file("answer.der"), decodeWireBase64(utf8(answer.text)));
  writeFileSync(file("root.pem"), encodePem("CERTIFICATE", service.root));
  const files = ["-in", "answer.der", "-out", "content.der", "-CAfile", "root.pem"];
  const parameters = ["cms", "-verify", "-inform", "DER", "-purpose", "any", ...files];
  execFileSync("openssl", parameters, { cwd: service.data, stdio: "ignore" });
  const parsed = execFileSync("openssl", ["asn1parse", "-inform", "DER", "-in", "content.der"], {
    cwd: service.data,
    encoding: "utf8",
  });
  assert.match(parsed, /id-cmc-recipientNonce/);
});

test("ok/a request that openssl signs is taken", async () => {
  const identity = known.device;
  const request = await craftedRequest({ subject: commonName("GOOD-1") });
  const file = (name: string) => join(service.data, name);
  writeFileSync(file("pkidata.der"), encodePkiData([], [request]));
  writeFileSync(file("own.pem"), encodePem("CERTIFICATE", identity.chain[0] as Uint8Array));
  writeFileSync(file("own.key"), privateKeyToPem(identity.key));
  const signing = [
    "cms",
    "-sign",
    "-binary",
    "-nodetach",
    "-in",
    "pkidata.der",
    "-econtent_type",
    contentTypes.pkiData,
  ];
  for (const more of [[], ["-stream", "-indef"], ["-nocerts"]]) {
    const parameters = [...signing, "-signer", "own.pem", "-inkey", "own.key", "-outform", "DER", ...more];
    const signed = execFileSync("openssl", parameters, { cwd: service.data, stdio: ["ignore", "pipe", "ignore"] });
    certificateIn(await ask(service, fullcmc(signed), { identity }));
  }
});

test("ok/signed with the key that is to be certified, authenticated by TLS", async () => {
  const answer = await ask(service, fullcmc(await selfSignedRequest({ subject: commonName("GOOD-1") })), {
    identity: known.device,
  });
  assert.match(named(certificateIn(answer)), /CN=GOOD-1/);
});

test("ok/signed with the key that is to be certified, authenticated by user and password", async () => {
  const request = await selfSignedRequest({ subject: commonName("line-1") }, { senderNonce });
  const answer = await ask(service, fullcmc(request, [basic("installer", password)]));
  assert.equal(answer.status, 200);
  assert.deepEqual(fullAnswerIn(answer).certificates.map(named), ["CN=line-1"]);
});

test("ok/the signature takes the place of a TLS certificate, linked to the connection", async () => {
  const identity = known.device;
  const socket = await dial(service);
  const request = await craftedRequest({ subject: commonName("GOOD-1"), attributes: [bindingOf(socket)] });
  const answer = await exchange(socket, fullcmc(await fullRequest(request, byCertificate(identity))));
  socket.destroy();
  assert.match(named(certificateIn(answer)), /CN=GOOD-1/);
});

test("ok/a certificate of this CA renews itself", async () => {
  const identity = known.enrolled;
  const old = parseCertificate(identity.chain[0] as Uint8Array);
  const request = await craftedRequest({ subject: old.subject.raw });
  const answer = await ask(service, fullcmc(await fullRequest(request, byCertificate(identity))), { identity });
  const renewed = parseCertificate(certificateIn(answer));
  assert.equal(hex(renewed.subject.raw), hex(old.subject.raw));
  const others = await craftedRequest({ subject: commonName("GOOD-2") });
  const refused = await ask(service, fullcmc(await fullRequest(others, byCertificate(identity))), { identity });
  assert.deepEqual([refused.status, refused.field("hatchery-error")], [403, "name-not-the-client"]);
});

test("ok/the same request gets the same certificate: same message, another nonce, another connection", async () => {
  const identity = known.device;
  const request = await craftedRequest({ subject: commonName("GOOD-1") });
  const first = await fullRequest(
    request,
    byCertificate(identity),
    transactionControls({ transactionId, senderNonce }),
  );
  const other = await fullRequest(
    request,
    byCertificate(identity),
    transactionControls({ senderNonce: transactionId }),
  );
  const answers = [];
  for (const each of [first, first, other]) answers.push(fullAnswerIn(await ask(service, fullcmc(each), { identity })));
  const certificates = answers.map((answer) => answer.certificates.map(hex).join());
  assert.equal(new Set(certificates).size, 1);
  const nonces = answers.map(({ transaction }) => hex(transaction.senderNonce ?? new Uint8Array()));
  assert.equal(new Set(nonces).size, 3, "each answer has a nonce of its own");
});

test("ok/while a person decides the answer is pending, and then the certificate", async () => {
  const identity = known.waiting;
  const request = await craftedRequest({ subject: commonName("WAITING-1") });
  const message = fullcmc(await fullRequest(request, byCertificate(identity), transactionControls({ senderNonce })));
  const first = await ask(service, message, { identity });
  assert.equal(first.status, 202);
  assert.match(first.field("retry-after") ?? "", /^\d+$/);
  const run = first.field("hatchery-run") as string;
  const [status] = fullAnswerIn(first).statuses;
  assert.equal(status?.status, "pending");
  assert.equal(hex(status.pendInfo?.token ?? new Uint8Array()), hex(utf8(run)));
  assert.ok((status.pendInfo?.time ?? 0) > Date.now());
  await service.call("POST", `/approvals/${run}`, { state: "approved" });
  const granted = await ask(service, message, { identity });
  assert.equal(granted.status, 200);
  assert.deepEqual(fullAnswerIn(granted).certificates.map(named), ["CN=WAITING-1"]);
});

interface Refused {
  readonly status: number;
  readonly code: EstRefusal;
  readonly failInfo: CmcFailInfo;
  readonly bodyList?: readonly number[];
  readonly send: () => Promise<Uint8Array> | Uint8Array;
  readonly as?: () => RawIdentity | undefined;
}

const good = () => craftedRequest({ subject: commonName("GOOD-1") });
const bySelf = () => byCertificate(known.device);
const tcr = (bodyPartID: number, request: Uint8Array) =>
  der.implicit(0, der.sequence([der.integer(bodyPartID), request]));
const control = (bodyPartID: number, type: string, value: Uint8Array) =>
  der.sequence([der.integer(bodyPartID), der.objectIdentifier(type), der.setOf([value])]);
const pkiData = (controls: readonly Uint8Array[], requests: readonly Uint8Array[]) =>
  der.sequence([der.sequence(controls), der.sequence(requests), der.sequence([]), der.sequence([])]);
const linkedElsewhere = passwordAttribute(base64(new Uint8Array(32).fill(7)));
const badRequest = { status: 400, failInfo: "badRequest" } as const;
const malformed = { ...badRequest, code: "cmc-malformed", bodyList: [0] } as const;
const notThatControl = { ...badRequest, code: "cmc-control" } as const;

const cases: Readonly<Record<string, Refused>> = {
  "body that is no base64": { ...malformed, send: () => fullcmc("{}") },
  "empty body": { ...malformed, send: () => fullcmc("") },
  "PEM armour": {
    ...malformed,
    code: "pem-armour",
    send: async () => fullcmc(encodePem("CMS", await fullRequest(await good(), bySelf()))),
  },
  "PKCS #10 without CMS": { ...malformed, send: async () => fullcmc(await good()) },
  "octets behind the message": {
    ...malformed,
    send: async () => fullcmc(concat([await fullRequest(await good(), bySelf()), Uint8Array.of(0)])),
  },
  "SignedData around something else": {
    ...malformed,
    send: async () => fullcmc(await signedPkiData(await good(), bySelf())),
  },
  "two signers": {
    ...malformed,
    send: async () => fullcmc(await signedPkiData(encodePkiData([], [await good()]), bySelf(), byKey(newSigner()))),
  },
  "two parts with one bodyPartID": {
    ...malformed,
    send: async () => {
      const request = await good();
      return fullcmc(await signedPkiData(pkiData([], [tcr(1, request), tcr(1, request)]), bySelf()));
    },
  },
  "two requests": {
    ...badRequest,
    code: "cmc-requests",
    bodyList: [1, 2],
    send: async () => fullcmc(await signedPkiData(encodePkiData([], [await good(), await good()]), bySelf())),
  },
  "no request": {
    ...badRequest,
    code: "cmc-requests",
    bodyList: [0],
    send: async () => fullcmc(await signedPkiData(encodePkiData([], []), bySelf())),
  },
  "request in CRMF": {
    ...badRequest,
    code: "cmc-requests",
    bodyList: [9],
    send: async () => {
      const crm = der.implicit(1, der.sequence([der.sequence([der.integer(9), der.sequence([])])]));
      return fullcmc(await signedPkiData(pkiData([], [crm]), bySelf()));
    },
  },
  "unknown control": {
    ...notThatControl,
    bodyList: [77],
    send: async () =>
      fullcmc(
        await signedPkiData(
          pkiData([control(77, "1.3.6.1.5.5.7.7.17", der.nullValue())], [tcr(1, await good())]),
          bySelf(),
        ),
      ),
  },
  "two nonces": {
    ...notThatControl,
    bodyList: [0],
    send: async () => {
      const nonce = { type: cmcControls.senderNonce, value: der.octetString(senderNonce) };
      return fullcmc(await signedPkiData(encodePkiData([nonce, nonce], [await good()]), bySelf()));
    },
  },
  "proof of identity by a shared secret": {
    status: 400,
    code: "cmc-proof",
    failInfo: "badIdentity",
    bodyList: [77],
    send: async () => {
      const proof = control(77, cmcControls.identityProofV2, der.sequence([]));
      return fullcmc(await signedPkiData(pkiData([proof], [tcr(1, await good())]), bySelf()));
    },
  },
  "altered content": {
    status: 400,
    code: "cmc-signature",
    failInfo: "badMessageCheck",
    send: async () => {
      const message = Buffer.from(await fullRequest(await good(), bySelf()));
      // In the subject of the request, which stands in the content alone.
      message.write("GOOD-2", message.indexOf("GOOD-1"));
      return fullcmc(message);
    },
  },
  "signature of another key": {
    status: 400,
    code: "cmc-signature",
    failInfo: "badMessageCheck",
    send: async () => fullcmc(await fullRequest(await good(), { ...bySelf(), signer: newSigner() })),
  },
  "signer whose certificate is nowhere": {
    status: 400,
    code: "cmc-signature",
    failInfo: "badMessageCheck",
    send: async () => fullcmc(await fullRequest(await good(), { ...bySelf(), certificates: [] })),
    as: () => undefined,
  },
  "own key that the request does not name": {
    status: 400,
    code: "cmc-signature",
    failInfo: "badMessageCheck",
    send: async () => {
      const signer = newSigner();
      return fullcmc(await fullRequest(await craftedRequest({ subject: commonName("GOOD-1"), signer }), byKey(signer)));
    },
  },
  "signature of an RSA key of 1024 bits": {
    status: 400,
    code: "key-weak",
    failInfo: "badAlg",
    bodyList: [1],
    send: async () => {
      const signer: Signer = oddSigner(generateKeyPairSync("rsa", { modulusLength: 1024 }));
      return fullcmc(await selfSignedRequest({ subject: commonName("GOOD-1"), signer }));
    },
  },
  "signed by somebody else than the TLS client": {
    status: 401,
    code: "cmc-signer",
    failInfo: "badIdentity",
    send: async () => fullcmc(await fullRequest(await good(), byCertificate(known.unclaimed))),
  },
  "signature alone, linked to no connection": {
    status: 401,
    code: "binding-missing",
    failInfo: "popFailed",
    send: async () => fullcmc(await fullRequest(await good(), bySelf())),
    as: () => undefined,
  },
  "signature alone, linked to another connection": {
    status: 401,
    code: "binding-wrong",
    failInfo: "popFailed",
    send: async () => {
      const request = await craftedRequest({ subject: commonName("GOOD-1"), attributes: [linkedElsewhere] });
      return fullcmc(await fullRequest(request, bySelf()));
    },
    as: () => undefined,
  },
  "binding of another connection": {
    status: 401,
    code: "binding-wrong",
    failInfo: "popFailed",
    send: async () => {
      const request = await craftedRequest({ subject: commonName("GOOD-1"), attributes: [linkedElsewhere] });
      return fullcmc(await fullRequest(request, bySelf()));
    },
  },
  "request whose own signature is wrong": {
    status: 400,
    code: "csr-signature",
    failInfo: "popFailed",
    send: async () => {
      const request = await good();
      const damaged = Uint8Array.from(request).with(-1, (request.at(-1) as number) ^ 1);
      return fullcmc(await fullRequest(damaged, bySelf()));
    },
  },
  "malformed request inside": {
    ...badRequest,
    code: "csr-malformed",
    bodyList: [1],
    send: async () => fullcmc(await fullRequest(der.sequence([der.integer(0)]), bySelf())),
  },
  "own key, and no other credential": {
    status: 401,
    code: "credentials-missing",
    failInfo: "badIdentity",
    send: async () => fullcmc(await selfSignedRequest({ subject: commonName("GOOD-1") })),
    as: () => undefined,
  },
  "own key, and a wrong password": {
    status: 401,
    code: "credentials-wrong",
    failInfo: "badIdentity",
    send: async () =>
      fullcmc(await selfSignedRequest({ subject: commonName("line-1") }), [basic("installer", "wrong horse battery")]),
    as: () => undefined,
  },
  "certificate of an unknown issuer": {
    status: 401,
    code: "certificate-unknown",
    failInfo: "badIdentity",
    send: async () => fullcmc(await fullRequest(await good(), byCertificate(known.unknown))),
    as: () => known.unknown,
  },
  "another device's name": {
    status: 403,
    code: "name-not-the-client",
    failInfo: "badRequest",
    send: async () => fullcmc(await fullRequest(await craftedRequest({ subject: commonName("MADE-1") }), bySelf())),
  },
  "device that is not claimed": {
    status: 403,
    code: "not-allowed",
    failInfo: "badRequest",
    send: async () =>
      fullcmc(
        await fullRequest(await craftedRequest({ subject: commonName("MADE-2") }), byCertificate(known.unclaimed)),
      ),
    as: () => known.unclaimed,
  },
  "wrong Content-Type": {
    status: 415,
    code: "media-type-cmc",
    failInfo: "badRequest",
    bodyList: [0],
    send: async () => {
      const body = base64(await fullRequest(await good(), bySelf()));
      const fields = ["Content-Type: application/pkcs10", `Content-Length: ${body.length}`];
      return message("POST /.well-known/est/fullcmc", fields, body);
    },
  },
  "smime-type of an answer": {
    status: 415,
    code: "media-type-cmc",
    failInfo: "badRequest",
    bodyList: [0],
    send: async () => {
      const body = base64(await fullRequest(await good(), bySelf()));
      const type = cmcRequestType.replace("CMC-request", "CMC-response");
      return message("POST /.well-known/est/fullcmc", [type, `Content-Length: ${body.length}`], body);
    },
  },
};

for (const [name, { status, code, failInfo, bodyList = [1], send, as }] of Object.entries(cases)) {
  test(`fail/${name}`, async () => {
    const stored = counts();
    const identity = as === undefined ? known.device : as();
    const answer = await ask(service, await send(), identity === undefined ? {} : { identity });
    assert.equal(answer.status, status, answer.text);
    const { statuses, certificates } = fullAnswerIn(answer);
    const [only] = statuses;
    assert.deepEqual(
      [only?.status, only?.failInfo, only?.bodyList, statuses.length],
      ["failed", failInfo, bodyList, 1],
    );
    assert.deepEqual(certificates, []);
    assert.equal((await newestRun())?.reason, code);
    assert.equal(answer.field("hatchery-error"), status === 401 ? undefined : code);
    assert.equal(answer.field("www-authenticate") !== undefined, status === 401);
    assert.deepEqual(counts(), stored, "nothing is issued, claimed or remembered");
  });
}

test("fail/a refusal repeats transaction and nonce too", async () => {
  const request = await craftedRequest({ subject: commonName("MADE-1") });
  const controls = transactionControls({ transactionId, senderNonce });
  const answer = await ask(service, fullcmc(await fullRequest(request, bySelf(), controls)), {
    identity: known.device,
  });
  const { transaction } = fullAnswerIn(answer);
  assert.deepEqual(
    [hex(transaction.transactionId ?? new Uint8Array()), hex(transaction.recipientNonce ?? new Uint8Array())],
    ["1234", hex(senderNonce)],
  );
});

test("fail/a label without fullcmc, and no such label: 404 as if there were none (RFC 7030 4.3.2)", async () => {
  for (const [label, code] of [
    ["plain", "fullcmc-not-offered"],
    ["nowhere", "label-unknown"],
  ]) {
    for (const body of [await fullRequest(await good(), bySelf()), "{}"]) {
      const answer = await ask(service, fullcmc(body, [], `/.well-known/est/${label}/fullcmc`), {
        identity: known.device,
      });
      assert.deepEqual([answer.status, answer.field("content-type")], [404, "text/plain; charset=utf-8"]);
      assert.equal(answer.field("hatchery-error"), code);
    }
  }
});

test("fail/a message that was seen on another connection is of no use to who sends it again", async () => {
  const identity = known.device;
  const socket = await dial(service);
  const request = await craftedRequest({ subject: commonName("GOOD-1"), attributes: [bindingOf(socket)] });
  const seen = fullcmc(await fullRequest(request, byCertificate(identity)));
  assert.equal((await exchange(socket, seen)).status, 200);
  socket.destroy();
  const answer: RawAnswer = await ask(service, seen);
  assert.equal(answer.status, 401);
  assert.equal(fullAnswerIn(answer).statuses[0]?.failInfo, "popFailed");
});
