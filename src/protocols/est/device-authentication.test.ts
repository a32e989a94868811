import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandomness } from "../../core/randomness.ts";
import type { Headers, HttpRequest, HttpResponse } from "../../transport/http/message.ts";
import { singleField } from "../../transport/http/message.ts";
import { endsAssociation, httpAuthentication } from "./device-authentication.ts";
import type { EstDeviceSettings } from "./device-env.ts";
import { basicChallenge, decodeAuthorization, digestChallenge } from "./http-authorization.ts";
import { digestSecret, verifyDigestResponse } from "./keys-digest.ts";

const credentials = { user: "line", password: "correct horse" };
const request: HttpRequest = {
  method: "POST",
  path: "/.well-known/est/simpleenroll",
  headers: [],
  body: new Uint8Array(0),
};

function device(httpAuthenticationBy?: EstDeviceSettings["httpAuthentication"], known = true) {
  const settings = {
    ...(known ? { credentials } : {}),
    ...(httpAuthenticationBy === undefined ? {} : { httpAuthentication: httpAuthenticationBy }),
  } as EstDeviceSettings;
  return httpAuthentication(settings, seededRandomness("device"));
}

const answer = (status: number, ...challenges: readonly string[]): HttpResponse => ({
  status,
  headers: challenges.map((each) => ["WWW-Authenticate", each]),
  body: new Uint8Array(0),
});

/** What a request presents: the kind of its credentials, verified. */
function presented({ headers, ...rest }: HttpRequest): string {
  const read = decodeAuthorization(singleField(headers as Headers, "authorization"), rest);
  if (read?.kind !== "digest") return read?.kind ?? "nothing";
  const secret = digestSecret(read.algorithm, credentials.user, "est", credentials.password);
  assert.ok(verifyDigestResponse(secret, read, read.response));
  return `${read.algorithm} ${read.nonce} ${Number.parseInt(read.nc, 16)}`;
}

const [sha, md5] = [digestChallenge("SHA-256", "n1", false), digestChallenge("MD5", "n2", false)];
const stale = digestChallenge("SHA-256", "n3", true);

test("ok/without a user nothing is sent, and no challenge is answered", () => {
  const none = device(undefined, false);
  assert.equal(presented(none.authorized(request)), "nothing");
  assert.equal(none.challenged(answer(401, sha, basicChallenge)), false);
  assert.deepEqual([none.asksFirst(), none.withheld()], [false, false]);
});

test("ok/basic: sent unasked, fail/asked for once more after it was refused", () => {
  const basic = device();
  assert.equal(presented(basic.authorized(request)), "basic");
  assert.deepEqual([basic.asksFirst(), basic.withheld()], [false, false]);
  assert.equal(basic.challenged(answer(401, sha, basicChallenge)), false);
  assert.equal(basic.challenged(answer(401)), false);
  assert.equal(basic.challenged(answer(200)), false);
});

test("ok/basic: a server that takes Digest alone gets that", () => {
  const basic = device();
  basic.authorized(request);
  assert.equal(basic.challenged(answer(401, sha)), true);
  assert.equal(presented(basic.authorized(request)), "SHA-256 n1 1");
});

for (const wanted of ["digest", "digest-md5"] as const)
  test(`ok/${wanted}: the password stays here, the strongest is answered, and the nonce is used on`, () => {
    const digest = device(wanted);
    assert.equal(presented(digest.authorized(request)), "nothing");
    assert.deepEqual([digest.asksFirst(), digest.withheld()], [true, true]);
    assert.equal(digest.challenged(answer(401, md5, sha, basicChallenge)), true);
    assert.equal(presented(digest.authorized(request)), "SHA-256 n1 1");
    assert.deepEqual([digest.asksFirst(), digest.withheld()], [false, false]);
    assert.equal(digest.challenged(answer(202)), false);
    assert.equal(presented(digest.authorized(request)), "SHA-256 n1 2");
    assert.equal(digest.challenged(answer(401, stale)), true);
    assert.equal(presented(digest.authorized(request)), "SHA-256 n3 1");
  });

test("ok/digest-md5: MD5 where nothing else is offered", () => {
  const digest = device("digest-md5");
  digest.authorized(request);
  assert.equal(digest.challenged(answer(401, md5)), true);
  assert.equal(presented(digest.authorized(request)), "MD5 n2 1");
});

for (const [wanted, offers, says] of [
  ["digest", [md5, basicChallenge], /by Digest, Basic, and this device is set to answer Digest with SHA-256 only/],
  ["digest-md5", [basicChallenge], /by Basic, and/],
  ["basic", ['Bearer realm="est"', "Negotiate"], /by Bearer, Negotiate, and/],
  ["digest", ["\u00ff"], /by something that cannot be read, and/],
] as const)
  test(`fail/${wanted}: nothing that can be answered is offered: ${says.source.slice(3, 20)}`, () => {
    const asked = device(wanted);
    asked.authorized(request);
    assert.throws(
      () => asked.challenged(answer(401, ...offers)),
      (error: unknown) =>
        error instanceof Error &&
        "code" in error &&
        error.code === "challenge-unanswerable" &&
        says.test(error.message),
    );
  });

test("fail/digest: a wrong password is not tried again, and a nonce that is always stale not for ever", () => {
  const digest = device("digest");
  digest.authorized(request);
  assert.equal(digest.challenged(answer(401, sha)), true);
  digest.authorized(request);
  assert.equal(digest.challenged(answer(401, sha)), false);
  const again = device("digest");
  const asked = Array.from({ length: 4 }, () => {
    again.authorized(request);
    return again.challenged(answer(401, stale));
  });
  assert.deepEqual(asked, [true, true, false, false]);
});

test("ok/elsewhere: another server's challenge is its own", () => {
  const digest = device("digest");
  digest.authorized(request);
  digest.challenged(answer(401, sha));
  digest.elsewhere();
  assert.equal(presented(digest.authorized(request)), "nothing");
});

test("ok/an association ends with an answer that says so, or whose end cannot be told otherwise", () => {
  const ends = (status: number, ...headers: Headers) => endsAssociation({ status, headers, body: new Uint8Array(0) });
  assert.deepEqual([ends(401), ends(200, ["Content-Length", "0"], ["Connection", "Close"])], [true, true]);
  assert.deepEqual([ends(200, ["Content-Length", "0"]), ends(200, ["Transfer-Encoding", "chunked"])], [false, false]);
  assert.deepEqual([ends(204), ends(204, ["Connection", "close"])], [false, true]);
});
