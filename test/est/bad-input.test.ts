import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { base64 } from "../../src/core/bytes.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { formatName } from "../../src/pki/name.ts";
import { keyPurposes } from "../../src/pki/oids.ts";
import {
  basicConstraintsOf,
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeKeyUsage,
  extKeyUsageOf,
  keyUsageOf,
} from "../../src/pki/standard-extensions.ts";
import { badBindings, badCredentials, notAllowed, password } from "./bad-clients.ts";
import { badHttp, badRequests, type Refused } from "./bad-requests.ts";
import { commonName, craftedRequest, extensionAttribute, passwordAttribute, serialNumber } from "./crafted.ts";
import { ask, basic, certificateIn, dial, enrolment, exchange, message, type RawAnswer } from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";
import { makeStrangers, type Strangers } from "./strangers.ts";

/** Bad input over real sockets to one real service: each is refused with a text that helps, and leaves nothing behind. */

let service: TestService;
let known: Strangers;

before(async () => {
  service = await startService();
  known = await makeStrangers(service);
  await service.call("PUT", "/est-users/installer", { password, devices: "line-*" });
});

after(() => service.close());

/** What an enrolment leaves behind when it gets anywhere. */
const remains = ["devices", "identities", "certificates", "sessions", "approvals"] as const;

const counts = () => Object.fromEntries(remains.map((table) => [table, service.rows(table).length]));

async function newestRefusal(): Promise<{ readonly id: string; readonly reason: string } | undefined> {
  const { items } = await service.call<{ readonly items: readonly { id: string; reason: string }[] }>(
    "GET",
    "/runs?outcome=refused&limit=1",
  );
  return items[0];
}

/** The answers to clients that are not authenticated, by group: within one they must not differ. */
const unauthorized = new Map<string, Set<string>>();

for (const [group, cases] of Object.entries({ badRequests, badHttp, badCredentials, badBindings, notAllowed })) {
  for (const [name, refused] of Object.entries(cases)) {
    test(`fail/${name}`, async () => {
      const [stored, last] = [counts(), await newestRefusal()];
      const identity = refused.as?.(known);
      const answer = await ask(service, await refused.send(), identity === undefined ? {} : { identity });
      checkAnswer(answer, refused);
      const newest = await newestRefusal();
      if (refused.code === undefined) {
        assert.deepEqual(newest, last, "no run begins");
      } else {
        assert.equal(newest?.reason, refused.code);
        assert.equal(answer.field("hatchery-run"), newest?.id);
        assert.match(answer.text, new RegExp(` Run ${newest?.id}\\.\n$`));
      }
      assert.deepEqual(counts(), stored, "nothing is issued, claimed or remembered");
      if (refused.status === 401) {
        const same = unauthorized.get(group) ?? new Set();
        unauthorized.set(group, same.add(answer.text.replace(newest?.id ?? "", "")));
      }
    });
  }
}

function checkAnswer(answer: RawAnswer, refused: Refused): void {
  assert.match(answer.text, refused.says);
  assert.equal(answer.status, refused.status, answer.text);
  assert.equal(answer.field("content-type"), "text/plain; charset=utf-8");
  for (const [name, value] of Object.entries(refused.fields ?? {})) assert.equal(answer.field(name), value);
  const is401 = refused.status === 401;
  assert.equal(answer.field("www-authenticate"), is401 ? 'Basic realm="est", charset="UTF-8"' : undefined);
  // RFC 7030 says nothing of it, but the code would tell a guesser what was wrong.
  assert.equal(answer.field("hatchery-error"), is401 ? undefined : refused.code);
  assert.doesNotMatch(answer.text, /horse|installer|line-|MADE-|GOOD-|Maker|Nobody/, "no secret and no name");
}

test("ok/every client that is not authenticated reads the same", () => {
  assert.deepEqual([...unauthorized.keys()], ["badCredentials", "badBindings"]);
  for (const [group, texts] of unauthorized) assert.equal(texts.size, 1, `${group}: ${[...texts].join("")}`);
});

test("fail/device that a person denies", async () => {
  const request = enrolment(await craftedRequest({ subject: serialNumber("WAITING-1") }));
  const options = { identity: known.waiting };
  const first = await ask(service, request, options);
  assert.equal(first.status, 202);
  await service.call("POST", `/approvals/${first.field("hatchery-run")}`, { state: "denied" });
  const answer = await ask(service, request, options);
  checkAnswer(answer, { status: 403, code: "not-allowed", says: /may not be enrolled here/, send: () => request });
  const newest = await newestRefusal();
  assert.deepEqual([newest?.id, newest?.reason], [first.field("hatchery-run"), "not-allowed"]);
});

const wishes = [
  {
    wish: "to be a CA",
    extensions: [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign", "cRLSign"])],
  },
  { wish: "to be an RA", extensions: [encodeExtKeyUsage([keyPurposes.cmcRA, keyPurposes.anyExtendedKeyUsage])] },
] as const;

for (const { wish, extensions } of wishes) {
  test(`ok/a wish ${wish} is not fulfilled`, async () => {
    const request = await craftedRequest({
      subject: commonName("GOOD-1"),
      attributes: [extensionAttribute(...extensions)],
    });
    const answer = await ask(service, enrolment(request), { identity: known.device });
    const certificate = parseCertificate(certificateIn(answer));
    assert.notEqual(basicConstraintsOf(certificate.extensions)?.cA, true);
    assert.deepEqual([...(keyUsageOf(certificate.extensions) ?? [])], ["digitalSignature"]);
    assert.deepEqual(extKeyUsageOf(certificate.extensions), [keyPurposes.clientAuth]);
  });
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`ok/a request that is linked to its connection over ${version}, fail/the same over another one`, async () => {
    const identity = known.device;
    const socket = await dial(service, { identity, version });
    const binding =
      version === "TLSv1.2"
        ? socket.getFinished()
        : socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
    const attributes = [passwordAttribute(base64(binding as Uint8Array))];
    const request = enrolment(await craftedRequest({ subject: commonName("GOOD-1"), attributes }));
    const other = await ask(service, request, { identity, version });
    assert.equal(other.status, 401);
    assert.equal((await newestRefusal())?.reason, "binding-wrong");
    certificateIn(await exchange(socket, request));
    socket.destroy();
    // A grant that is repeated is still bound to the association that it was asked for on (RFC 7030 4.2.3, 3.5).
    assert.equal((await ask(service, request, { identity, version })).status, 401);
  });
}

test("ok/a label, white space in base64, other cases and parameters", async () => {
  const request = base64(await craftedRequest({ subject: commonName("line-7") })).replace(/.{60}/g, "$&\r\n \t");
  await service.call("PUT", "/ca/profiles/line.7", {});
  const body = `Content-Length: ${request.length}`;
  const fields = ['content-type: APPLICATION/PKCS10 ;charset="utf-8"', body, basic("installer", password)];
  const answer = await ask(service, message("POST /.well-known/est/line.7/simpleenroll", fields, request));
  assert.equal(formatName(parseCertificate(certificateIn(answer)).subject), "CN=line-7");
});

test("ok/nothing was issued but what is asked for above", () => {
  // GOOD-1: as made, two wishes, two bindings. line-7: one.
  const { devices, certificates, sessions } = counts();
  assert.deepEqual({ devices, certificates, sessions }, { devices: 3, certificates: 6, sessions: 6 });
});
