import type { DerReader } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { type Control, type ControlContent, readBodyPartReference, singleValue } from "./cmc-control.ts";
import { cmcControls } from "./oids.ts";

/** What became of a part of a request: CMCStatusInfoV2 (RFC 5272 6.1.1), or CMCStatusInfo (6.1.2), which says less. */
export interface StatusInfo {
  readonly status: CmcStatus;
  /** The parts that this is about, at least one; 0 is the whole message. Of a path the last step, within the message that it leads to. */
  readonly bodyList: readonly number[];
  readonly statusString?: string;
  /** A number when it is none of RFC 5272 6.1.4. */
  readonly failInfo?: CmcFailInfo | number;
  /** When and under which name to ask again; `time` in milliseconds since 1970-01-01 UTC. */
  readonly pendInfo?: { readonly token: Uint8Array; readonly time: number };
}

/** RFC 5272 6.1.3; 1 is reserved. */
const statuses = {
  success: 0,
  failed: 2,
  pending: 3,
  noSupport: 4,
  confirmRequired: 5,
  popRequired: 6,
  partial: 7,
} as const;
export type CmcStatus = keyof typeof statuses;

/** RFC 5272 6.1.4. */
const failures = {
  badAlg: 0,
  badMessageCheck: 1,
  badRequest: 2,
  badTime: 3,
  badCertId: 4,
  unsupportedExt: 5,
  mustArchiveKeys: 6,
  badIdentity: 7,
  popRequired: 8,
  popFailed: 9,
  noKeyReuse: 10,
  internalCAError: 11,
  tryLater: 12,
  authDataFail: 13,
} as const;
export type CmcFailInfo = keyof typeof failures;

/** What the controls of an answer say about its request, in their order; throws CmcError `malformed-control`. */
export function statusInfosOf(controls: readonly Control[]): readonly StatusInfo[] {
  return controls.flatMap((control) => {
    if (control.type === cmcControls.statusInfoV2) return [singleValue(control, readStatusInfoV2)];
    return control.type === cmcControls.statusInfo ? [singleValue(control, readStatusInfo)] : [];
  });
}

/** The control CMCStatusInfoV2; throws DerError. A failure of which only a number is known is written as that number. */
export function statusInfoV2({ status, bodyList, statusString, failInfo, pendInfo }: StatusInfo): ControlContent {
  const value = der.sequence([
    der.integer(statuses[status]),
    der.sequence(bodyList.map((bodyPartID) => der.integer(bodyPartID))),
    ...(statusString === undefined ? [] : [der.utf8String(statusString)]),
    ...(failInfo === undefined ? [] : [der.integer(typeof failInfo === "number" ? failInfo : failures[failInfo])]),
    ...(pendInfo === undefined
      ? []
      : [der.sequence([der.octetString(pendInfo.token), der.generalizedTime(pendInfo.time)])]),
  ]);
  return { type: cmcControls.statusInfoV2, value };
}

function readStatusInfoV2(reader: DerReader): StatusInfo {
  return readInfo(reader, readBodyPart, (content) => {
    // An extendedFailInfo is another body's own code; that the part failed is what `status` says. The modules of RFC 5272 and
    // RFC 6402 A.1 have it without the tag that RFC 6402 A.2 gives it, and then it begins with an OBJECT IDENTIFIER.
    if (content.has(contextConstructed(1))) {
      content.constructed(contextConstructed(1), readExtendedFailInfo);
      return {};
    }
    return content.sequence((info) => {
      if (!info.has(tags.objectIdentifier)) return readPendInfo(info);
      readExtendedFailInfo(info);
      return {};
    });
  });
}

function readStatusInfo(reader: DerReader): StatusInfo {
  return readInfo(reader, readBodyPartReference, (content) => content.sequence(readPendInfo));
}

function readInfo(
  reader: DerReader,
  readPart: (item: DerReader) => number,
  readOther: (content: DerReader) => Pick<StatusInfo, "pendInfo">,
): StatusInfo {
  return reader.sequence((content) => {
    const status = statusNames.get(content.smallInteger(maximumCode));
    if (status === undefined) throw new DerError("bad-value", "The CMCStatus is none of RFC 5272 6.1.3.");
    const bodyList = content.listOf(readPart, maximumParts);
    if (bodyList.length === 0) throw new DerError("bad-value", "The bodyList names no part.");
    const statusString = content.has(tags.utf8String) ? { statusString: content.text(tags.utf8String) } : {};
    if (content.done) return { status, bodyList, ...statusString };
    if (!content.has(tags.integer)) return { status, bodyList, ...statusString, ...readOther(content) };
    const code = content.smallInteger(maximumCode);
    return { status, bodyList, ...statusString, failInfo: failureNames.get(code) ?? code };
  });
}

/** BodyPartReference (RFC 5272 6.1.1): a bodyPartID, or a path of them into messages within the message. */
function readBodyPart(reader: DerReader): number {
  if (!reader.has(tags.sequence)) return readBodyPartReference(reader);
  const path = reader.listOf(readBodyPartReference, maximumParts);
  const last = path.at(-1);
  if (last === undefined) throw new DerError("bad-value", "The bodyPartPath has no step.");
  return last;
}

function readPendInfo(content: DerReader): Pick<StatusInfo, "pendInfo"> {
  const token = content.octetString();
  if (!content.has(tags.generalizedTime)) throw new DerError("unexpected-tag", "The pendTime is no GeneralizedTime.");
  return { pendInfo: { token, time: content.time() } };
}

function readExtendedFailInfo(content: DerReader): void {
  content.objectIdentifier();
  content.any();
}

function named<Name extends string>(codes: Readonly<Record<Name, number>>): ReadonlyMap<number, Name> {
  return new Map((Object.entries(codes) as [Name, number][]).map(([name, code]) => [code, name]));
}

const statusNames = named<CmcStatus>(statuses);
const failureNames = named<CmcFailInfo>(failures);
/** RFC 5272 6.1.4 leaves 1000 to 1999 to closed environments. */
const maximumCode = 1999;
const maximumParts = 64;
