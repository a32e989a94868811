import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreErrorCode } from "./errors.ts";
import { connectErrorOf, isCollision, isConnectionLoss, postgresErrorOf } from "./postgres-errors.ts";
import { parsePostgresUrl } from "./postgres-url.ts";

function answer(code: string, message = "it says no"): Error {
  return Object.assign(new Error(message), { code, detail: "Key (name)=(s3cret)" });
}

const guard = { rows: 1, lost: "somebody was first" };

const codes: readonly (readonly [state: string, code: StoreErrorCode])[] = [
  ["22012", "guard-lost"],
  ["23505", "guard-lost"],
  ["23503", "guard-lost"],
  ["23514", "store-failed"],
  ["53100", "store-full"],
  ["54000", "store-failed"],
  ["55P03", "store-failed"],
  ["57014", "store-failed"],
  ["57P01", "store-unreachable"],
  ["08006", "store-unreachable"],
  ["25P03", "store-unreachable"],
  ["ECONNRESET", "store-unreachable"],
  ["EPIPE", "store-unreachable"],
];
for (const [state, code] of codes)
  test(`ok/errors: ${state} is ${code}`, () => {
    assert.equal(postgresErrorOf(answer(state), guard).code, code);
  });

test("ok/errors: the guard's sentence, and no division by zero without a guard", () => {
  assert.equal(postgresErrorOf(answer("22012"), guard).message, "somebody was first");
  assert.equal(postgresErrorOf(answer("22012")).code, "store-failed");
});

test("ok/errors: what the server quotes goes no further", () => {
  const error = postgresErrorOf(answer("22P02", 'invalid input syntax for type bigint: "s3cret"'));
  assert.equal(error.message, "The database refused: it does not take a value (22P02).");
  assert.equal(error.cause, undefined);
  assert.deepEqual(error.details, { sqlstate: "22P02" });
});

test("ok/errors: which ones end a connection, and which are worth another try", () => {
  assert.ok(isConnectionLoss(new Error("Connection terminated unexpectedly")));
  assert.ok(!isConnectionLoss(answer("23505")));
  assert.ok(isCollision(answer("40P01")) && isCollision(postgresErrorOf(answer("40001"))));
  assert.ok(!isCollision(answer("23505")) && !isCollision(1));
});

const settings = parsePostgresUrl("postgres://ada:s3cret@127.0.0.1:1/hatchery", {});
const refusals: readonly (readonly [cause: Error, sentence: RegExp])[] = [
  [answer("28P01"), /does not take the password of ada: set PGPASSWORD/],
  [answer("28000", "no pg_hba.conf entry"), /does not let ada in: no pg_hba\.conf entry/],
  [answer("3D000"), /there is no database hatchery .* createdb/],
  [answer("53300", "too many clients already"), /takes no connection now: too many clients already/],
  [answer("ECONNREFUSED", "connect ECONNREFUSED"), /cannot be reached \(connect ECONNREFUSED\): start it/],
  [new AggregateError([new Error("one"), new Error("two")]), /cannot be reached \(one, two\)/],
];
for (const [cause, sentence] of refusals)
  test(`fail/connect: ${sentence.source}`, () => {
    const error = connectErrorOf(cause, settings);
    assert.equal(error.code, "store-unreachable");
    assert.match(error.message, sentence);
    assert.doesNotMatch(error.message, /s3cret/);
  });

test("fail/connect: a server that wants a password where there is none", () => {
  const cause = new Error("SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a non-empty string");
  assert.match(connectErrorOf(cause, { ...settings, password: undefined }).message, /wants a password: set PGPASSWORD/);
});
