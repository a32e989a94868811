import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { equal, fromHex, hex, utf8, view } from "../core/bytes.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { decodePkiData, decodePkiResponse, encodePkiData, encodePkiResponse } from "./cmc.ts";
import { type ControlContent, transactionControls, transactionOf } from "./cmc-control.ts";
import { CmcError, type CmcErrorCode } from "./cmc-errors.ts";
import { type CmcFailInfo, type CmcStatus, type StatusInfo, statusInfosOf, statusInfoV2 } from "./cmc-status.ts";
import { buildCertificationRequest } from "./csr.ts";
import { encodeName } from "./name.ts";
import { attributeTypes, cmcControls } from "./oids.ts";

const request = await buildCertificationRequest({
  subject: encodeName([{ type: attributeTypes.commonName, value: "lamp-1" }]),
  signer: signerOf(generateKey("P-256")),
});
const transaction = {
  transactionId: Uint8Array.of(0x23, 0xff, 0x4f),
  senderNonce: new Uint8Array(16).fill(7),
  dataReturn: utf8("come back"),
};

const refuses = (code: CmcErrorCode, decode: () => unknown, name?: string) =>
  assert.throws(decode, { name: "CmcError", code }, name);

const control = (bodyPartID: number, type: string, ...values: readonly Uint8Array[]) =>
  der.sequence([der.integer(bodyPartID), der.objectIdentifier(type), der.setOf(values)]);
const tcr = (bodyPartID: number, ...rest: readonly Uint8Array[]) =>
  der.implicit(0, der.sequence([der.integer(bodyPartID), ...rest]));
const none = der.sequence([]);

/** PKIData of these parts, whatever they are. */
function pkiData({
  controls = [],
  requests = [],
  cms = [],
  other = [],
}: {
  readonly controls?: readonly Uint8Array[];
  readonly requests?: readonly Uint8Array[];
  readonly cms?: readonly Uint8Array[];
  readonly other?: readonly Uint8Array[];
}): Uint8Array {
  return der.sequence([controls, requests, cms, other].map((parts) => der.sequence(parts)));
}

test("ok/PKIData is read as it was written", () => {
  const decoded = decodePkiData(encodePkiData(transactionControls(transaction), [request, request]));
  assert.deepEqual(
    decoded.requests.map((each) => [
      each.kind,
      each.bodyPartID,
      each.kind === "tcr" && equal(each.certificationRequest, request),
    ]),
    [
      ["tcr", 1, true],
      ["tcr", 2, true],
    ],
  );
  assert.deepEqual(
    decoded.controls.map(({ bodyPartID, type }) => [bodyPartID, type]),
    [
      [3, cmcControls.dataReturn],
      [4, cmcControls.transactionId],
      [5, cmcControls.senderNonce],
    ],
  );
  const read = transactionOf(decoded.controls);
  assert.deepEqual(
    Object.entries(read)
      .map(([name, octets]) => [name, hex(octets)])
      .sort(),
    Object.entries(transaction)
      .map(([name, octets]) => [name, hex(octets)])
      .sort(),
  );
});

// RFC 5272 A: EnrollmentMessageSyntax has implicit tags. Written out by hand, so that both directions are held against it.
const byHand = [
  "3013 3011 020102 06082b06010505070706 3102 0400", // {2, id-cmc-senderNonce, {''H}}
  "300a a008 020101 3003020100", // tcr {1, SEQUENCE{INTEGER 0}}, which is no request
  "3000",
  "3000",
].map((part) => fromHex(part.replaceAll(" ", "")) as Uint8Array);

test("ok/octets are those of RFC 5272 A", () => {
  const expected = der.sequence(byHand);
  const written = encodePkiData(
    [{ type: cmcControls.senderNonce, value: der.octetString(new Uint8Array()) }],
    [der.sequence([der.integer(0)])],
  );
  assert.equal(hex(written), hex(expected));
  const { requests, controls } = decodePkiData(expected);
  assert.equal(requests[0]?.bodyPartID, 1);
  assert.equal(controls[0]?.bodyPartID, 2);
});

test("ok/openssl reads the same structure", () => {
  const bytes = encodePkiData(transactionControls(transaction), [request]);
  const parsed = execFileSync("openssl", ["asn1parse", "-inform", "DER"], { input: bytes, encoding: "utf8" });
  assert.match(parsed, /cont \[ 0 \]/);
  assert.match(parsed, /OBJECT +:id-cmc-transactionId\n/);
  assert.match(parsed, /OBJECT +:id-cmc-senderNonce\n/);
  assert.match(parsed, /OBJECT +:id-cmc-dataReturn\n/);
  const answer = encodePkiResponse([statusInfoV2({ status: "failed", bodyList: [1], failInfo: "popFailed" })]);
  assert.match(
    execFileSync("openssl", ["asn1parse", "-inform", "DER"], { input: answer, encoding: "utf8" }),
    /OBJECT +:1\.3\.6\.1\.5\.5\.7\.7\.25\n.*INTEGER +:02\n.*INTEGER +:01\n.*INTEGER +:09\n/s,
  );
});

test("ok/CRMF and other requests are recognised, with their bodyPartIDs", () => {
  const certReq = der.sequence([der.integer(7), der.sequence([])]);
  const crm = der.implicit(1, der.sequence([certReq, der.implicit(0, der.nullValue())]));
  const orm = der.implicit(2, der.sequence([der.integer(4_294_967_295), der.objectIdentifier("1.2.3"), none]));
  assert.deepEqual(decodePkiData(pkiData({ requests: [crm, orm] })).requests, [
    { kind: "crm", bodyPartID: 7 },
    { kind: "orm", bodyPartID: 4_294_967_295 },
  ]);
});

test("ok/messages within the message are passed over", () => {
  const cms = der.sequence([der.integer(8), der.sequence([der.objectIdentifier("1.2.3")])]);
  const other = der.sequence([der.integer(9), der.objectIdentifier("1.2.3"), der.nullValue()]);
  assert.deepEqual(decodePkiData(pkiData({ cms: [cms], other: [other] })), { controls: [], requests: [] });
});

test("fail/PKIData that is none", () => {
  const nonce = control(1, cmcControls.senderNonce, der.octetString(Uint8Array.of(1)));
  const cases: Readonly<Record<string, readonly [CmcErrorCode, Uint8Array]>> = {
    nothing: ["malformed-cmc", new Uint8Array()],
    "something behind it": ["malformed-cmc", Buffer.concat([pkiData({}), Uint8Array.of(5, 0)])],
    "three sequences": ["malformed-cmc", der.sequence([none, none, none])],
    "five sequences": ["malformed-cmc", der.sequence([none, none, none, none, none])],
    "bodyPartID 0": ["malformed-cmc", pkiData({ requests: [tcr(0, request)] })],
    "bodyPartID 2^32": ["malformed-cmc", pkiData({ requests: [tcr(2 ** 32, request)] })],
    "negative bodyPartID": [
      "malformed-cmc",
      pkiData({ requests: [der.implicit(0, der.sequence([der.element(tags.integer, Uint8Array.of(0xff)), request]))] }),
    ],
    "equal bodyPartIDs of requests": [
      "duplicate-body-part-id",
      pkiData({ requests: [tcr(1, request), tcr(1, request)] }),
    ],
    "equal bodyPartIDs of control and request": [
      "duplicate-body-part-id",
      pkiData({ controls: [nonce], requests: [tcr(1, request)] }),
    ],
    "equal bodyPartIDs of request and message": [
      "duplicate-body-part-id",
      pkiData({ requests: [tcr(1, request)], cms: [der.sequence([der.integer(1), none])] }),
    ],
    "request without bodyPartID": ["malformed-cmc", pkiData({ requests: [der.implicit(0, der.sequence([request]))] })],
    "request without request": ["malformed-cmc", pkiData({ requests: [tcr(1)] })],
    "request with more": ["malformed-cmc", pkiData({ requests: [tcr(1, request, none)] })],
    "explicit tag": [
      "malformed-cmc",
      pkiData({ requests: [der.explicit(0, der.sequence([der.integer(1), request]))] }),
    ],
    "unknown choice": ["malformed-cmc", pkiData({ requests: [der.element(contextConstructed(3), none)] })],
    "17 requests": [
      "malformed-cmc",
      pkiData({ requests: Array.from({ length: 17 }, (_, at) => tcr(at + 1, request)) }),
    ],
    "33 controls": [
      "malformed-cmc",
      pkiData({ controls: Array.from({ length: 33 }, (_, at) => control(at + 1, "1.2.3", none)) }),
    ],
    "nine values": ["malformed-cmc", pkiData({ controls: [control(1, "1.2.3", ...Array(9).fill(none))] })],
    "17 messages": [
      "malformed-cmc",
      pkiData({ cms: Array.from({ length: 17 }, (_, at) => der.sequence([der.integer(at + 1), none])) }),
    ],
    "more than 64 KiB": [
      "malformed-cmc",
      pkiData({ controls: [control(1, "1.2.3", der.octetString(Buffer.alloc(65_536)))] }),
    ],
  };
  for (const [name, [code, bytes]] of Object.entries(cases)) refuses(code, () => decodePkiData(bytes), name);
  refuses("malformed-cmc", () => decodePkiResponse(pkiData({})), "a request");
  refuses("duplicate-body-part-id", () => decodePkiResponse(der.sequence([der.sequence([nonce, nonce]), none, none])));
});

test("fail/transaction controls that are doubled or no values of theirs", () => {
  const { senderNonce, transactionId } = cmcControls;
  const octets = der.octetString(Uint8Array.of(1));
  const cases: Readonly<Record<string, readonly Uint8Array[]>> = {
    "two nonces": [control(1, senderNonce, octets), control(2, senderNonce, octets)],
    "no value": [control(1, senderNonce)],
    "two values": [control(1, senderNonce, octets, octets)],
    "an INTEGER as nonce": [control(1, senderNonce, der.integer(1))],
    "octets as transaction": [control(1, transactionId, octets)],
  };
  for (const [name, controls] of Object.entries(cases))
    refuses("malformed-control", () => transactionOf(decodePkiData(pkiData({ controls })).controls), name);
  const { controls } = decodePkiData(
    pkiData({ controls: [control(6, senderNonce, octets), control(7, senderNonce, octets)] }),
  );
  assert.throws(() => transactionOf(controls), { details: { type: senderNonce, bodyPartID: 7 } });
});

test("fail/what has no encoding", () => {
  refuses("unencodable", () => encodePkiResponse([{ type: "x", value: none }]));
  refuses("unencodable", () => encodePkiData([{ type: "x", value: none }], []));
});

const inResponse = (content: readonly ControlContent[]) => decodePkiResponse(encodePkiResponse(content)).controls;
const failures: readonly CmcFailInfo[] = [
  ...([
    "badAlg",
    "badMessageCheck",
    "badRequest",
    "badTime",
    "badCertId",
    "unsupportedExt",
    "mustArchiveKeys",
  ] as const),
  ...([
    "badIdentity",
    "popRequired",
    "popFailed",
    "noKeyReuse",
    "internalCAError",
    "tryLater",
    "authDataFail",
  ] as const),
];

test("ok/CMCFailInfo has the numbers of RFC 5272 6.1.4", () => {
  for (const [number, failInfo] of failures.entries()) {
    const { value } = statusInfoV2({ status: "failed", bodyList: [1], failInfo });
    assert.equal(value.at(-1), number, failInfo);
  }
});

test("ok/CMCStatus has the numbers of RFC 5272 6.1.3", () => {
  const numbers: Readonly<Record<CmcStatus, number>> = {
    success: 0,
    failed: 2,
    pending: 3,
    noSupport: 4,
    confirmRequired: 5,
    popRequired: 6,
    partial: 7,
  };
  for (const [status, number] of Object.entries(numbers) as [CmcStatus, number][])
    assert.equal(statusInfoV2({ status, bodyList: [1] }).value[4], number, status);
});

test("ok/a status is read as it was written", () => {
  const statusInfo = fc.record(
    {
      status: fc.constantFrom<CmcStatus[]>("success", "failed", "pending", "noSupport", "popRequired", "partial"),
      bodyList: fc.array(fc.integer({ min: 0, max: 4_294_967_295 }), { minLength: 1, maxLength: 5 }),
      statusString: fc.string({ unit: "grapheme", minLength: 1 }),
    },
    { requiredKeys: ["status", "bodyList"] },
  );
  const otherInfo = fc.oneof(
    fc.constant({}),
    fc.record({ failInfo: fc.oneof(fc.constantFrom(...failures), fc.integer({ min: 1000, max: 1999 })) }),
    fc.record({
      pendInfo: fc.record({
        token: fc.uint8Array({ maxLength: 8 }),
        time: fc.integer({ min: 0, max: 4_102_444_800 }).map((seconds) => seconds * 1000),
      }),
    }),
  );
  fc.assert(
    fc.property(statusInfo, otherInfo, (info, other) => {
      const written: StatusInfo = { ...info, ...other };
      const [read, ...more] = statusInfosOf(inResponse([statusInfoV2(written)]));
      const plain = (each: StatusInfo | undefined) => ({
        ...each,
        ...(each?.pendInfo === undefined ? {} : { pendInfo: { ...each.pendInfo, token: hex(each.pendInfo.token) } }),
      });
      assert.deepEqual(plain(read), plain(written));
      assert.deepEqual(more, []);
    }),
    { seed: 5272, numRuns: 200 },
  );
});

const of = (type: string, ...parts: readonly Uint8Array[]) => inResponse([{ type, value: der.sequence(parts) }]);
const bodies = (...bodyPartIDs: readonly number[]) => der.sequence(bodyPartIDs.map((each) => der.integer(each)));

test("ok/both forms of the status, paths, and reasons of others", () => {
  const { statusInfo, statusInfoV2: v2 } = cmcControls;
  const path = der.sequence([der.sequence([der.integer(3), der.integer(5)])]);
  const extended = [der.objectIdentifier("1.2.3"), der.integer(4)];
  const cases: Readonly<Record<string, readonly [StatusInfo, ReturnType<typeof of>]>> = {
    CMCStatusInfo: [
      { status: "failed", bodyList: [1], failInfo: "tryLater" },
      of(statusInfo, der.integer(2), bodies(1), der.integer(12)),
    ],
    path: [{ status: "success", bodyList: [5] }, of(v2, der.integer(0), path)],
    "extendedFailInfo of RFC 5272": [
      { status: "failed", bodyList: [0] },
      of(v2, der.integer(2), bodies(0), der.sequence(extended)),
    ],
    "extendedFailInfo of RFC 6402 A.2": [
      { status: "failed", bodyList: [0] },
      of(v2, der.integer(2), bodies(0), der.implicit(1, der.sequence(extended))),
    ],
    "unknown number": [
      { status: "failed", bodyList: [1], failInfo: 14 },
      of(v2, der.integer(2), bodies(1), der.integer(14)),
    ],
  };
  for (const [name, [expected, controls]] of Object.entries(cases))
    assert.deepEqual(statusInfosOf(controls), [expected], name);
});

test("fail/a status that is none", () => {
  const { statusInfo, statusInfoV2: v2 } = cmcControls;
  const pendInfo = (time: Uint8Array) => der.sequence([der.octetString(Uint8Array.of(1)), time]);
  const cases: Readonly<Record<string, ReturnType<typeof of>>> = {
    "reserved number": of(v2, der.integer(1), bodies(1)),
    "number above 7": of(v2, der.integer(8), bodies(1)),
    "no bodyList": of(v2, der.integer(0)),
    "empty bodyList": of(v2, der.integer(0), bodies()),
    "empty path": of(v2, der.integer(0), der.sequence([none])),
    "path in CMCStatusInfo": of(statusInfo, der.integer(0), der.sequence([bodies(1)])),
    "extendedFailInfo in CMCStatusInfo": of(
      statusInfo,
      der.integer(2),
      bodies(1),
      der.sequence([der.objectIdentifier("1.2.3"), none]),
    ),
    "UTCTime as pendTime": of(v2, der.integer(3), bodies(1), pendInfo(der.time(0))),
    "something behind it": of(v2, der.integer(2), bodies(1), der.integer(2), der.integer(2)),
  };
  for (const [name, controls] of Object.entries(cases))
    refuses("malformed-control", () => statusInfosOf(controls), name);
});

test("ok/damaged messages are answered with a CmcError, or with parts of the message", () => {
  const sample = encodePkiData(transactionControls(transaction), [request]);
  let refused = 0;
  for (const mutation of mutations(5272, sample, 3000)) {
    try {
      const { requests, controls } = decodePkiData(mutation);
      for (const each of requests)
        if (each.kind === "tcr") assert.ok(view(mutation).includes(each.certificationRequest));
      transactionOf(controls);
    } catch (error) {
      assert.ok(error instanceof CmcError, String(error));
      refused += 1;
    }
  }
  assert.ok(refused > 300 && refused < 3000, String(refused));
});
