import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { type Control, type ControlContent, encodeControls, readBodyPartId, readControls } from "./cmc-control.ts";
import { CmcError, decodingCmc, encodingCmc } from "./cmc-errors.ts";

/** What a Full PKI Request asks for: PKIData (RFC 5272 3.2.1), the content of its SignedData. */
export interface PkiData {
  readonly controls: readonly Control[];
  readonly requests: readonly TaggedRequest[];
}

/** One request for one certificate (RFC 5272 3.2.1.2). */
export type TaggedRequest =
  /** A PKCS #10 request in DER, not parsed. */
  | { readonly kind: "tcr"; readonly bodyPartID: number; readonly certificationRequest: Uint8Array }
  /** A CertReqMsg of CRMF (RFC 4211), and any other format: recognised, and not read. */
  | { readonly kind: "crm" | "orm"; readonly bodyPartID: number };

/** What a Full PKI Response says: PKIResponse (RFC 5272 4.2.1), the content of its SignedData. */
export interface PkiResponse {
  readonly controls: readonly Control[];
}

/**
 * Decodes PKIData in DER of at most 64 KiB. Throws CmcError `malformed-cmc`, or `duplicate-body-part-id`. It does not look into
 * requests and controls. CMS messages and other messages are passed over, as RFC 5272 3.2.1 says of those that no control
 * refers to: whoever acts on a control that does has to refuse it.
 */
export function decodePkiData(bytes: Uint8Array): PkiData {
  return decodingCmc("PKIData", () =>
    decodeDer(bytes, (reader) =>
      reader.sequence((content) => {
        const controls = readControls(content);
        const requests = content.listOf(readTaggedRequest, maximumRequests);
        requireDistinct([...controls, ...requests], readOthers(content));
        return { controls, requests };
      }),
    ),
  );
}

/** Decodes a PKIResponse in DER of at most 64 KiB, as `decodePkiData` does PKIData. */
export function decodePkiResponse(bytes: Uint8Array): PkiResponse {
  return decodingCmc("PKIResponse", () =>
    decodeDer(bytes, (reader) =>
      reader.sequence((content) => {
        const controls = readControls(content);
        requireDistinct(controls, readOthers(content));
        return { controls };
      }),
    ),
  );
}

/**
 * PKIData in DER: PKCS #10 requests with the bodyPartIDs from 1 on, and the controls behind them. Throws CmcError `unencodable`.
 * It does not look into the requests.
 */
export function encodePkiData(
  controls: readonly ControlContent[],
  certificationRequests: readonly Uint8Array[],
): Uint8Array {
  return encodingCmc("PKIData", () =>
    der.sequence([
      encodeControls(controls, certificationRequests.length + 1),
      der.sequence(
        certificationRequests.map((request, at) => der.implicit(0, der.sequence([der.integer(at + 1), request]))),
      ),
      empty,
      empty,
    ]),
  );
}

/** A PKIResponse in DER; its controls have the bodyPartIDs from 1 on. Throws CmcError `unencodable`. */
export function encodePkiResponse(controls: readonly ControlContent[]): Uint8Array {
  return encodingCmc("PKIResponse", () => der.sequence([encodeControls(controls, 1), empty, empty]));
}

/** RFC 5272 A: the module has implicit tags. */
function readTaggedRequest(reader: DerReader): TaggedRequest {
  if (reader.has(contextConstructed(0)))
    return reader.constructed(contextConstructed(0), (content) => ({
      kind: "tcr",
      bodyPartID: readBodyPartId(content),
      certificationRequest: content.raw(tags.sequence),
    }));
  if (reader.has(contextConstructed(1)))
    return reader.constructed(contextConstructed(1), (content) => {
      // RFC 5272 3.2.1.2.2: the certReqId of a CertRequest is its bodyPartID.
      const bodyPartID = content.sequence((certReq) => firstOf(certReq, readBodyPartId));
      passOver(content);
      return { kind: "crm", bodyPartID };
    });
  return reader.constructed(contextConstructed(2), (content) => ({
    kind: "orm",
    bodyPartID: firstOf(content, readBodyPartId),
  }));
}

/** The bodyPartIDs of cmsSequence and otherMsgSequence. */
function readOthers(reader: DerReader): readonly { readonly bodyPartID: number }[] {
  const read = (item: DerReader) => item.sequence((content) => ({ bodyPartID: firstOf(content, readBodyPartId) }));
  return [...reader.listOf(read, maximumOthers), ...reader.listOf(read, maximumOthers)];
}

function firstOf<T>(reader: DerReader, read: (reader: DerReader) => T): T {
  const first = read(reader);
  passOver(reader);
  return first;
}

function passOver(reader: DerReader): void {
  while (!reader.done) reader.any();
}

/** RFC 5272 3.2.2: unique within the whole message, so that an answer can say what it is about. */
function requireDistinct(...parts: readonly (readonly { readonly bodyPartID: number }[])[]): void {
  const seen = new Set<number>();
  for (const { bodyPartID } of parts.flat()) {
    if (seen.has(bodyPartID))
      throw new CmcError("duplicate-body-part-id", `Two parts have the bodyPartID ${bodyPartID}.`, {
        details: { bodyPartID },
      });
    seen.add(bodyPartID);
  }
}

const empty = der.sequence([]);
/** What one message of a stranger can ask for; who acts on it decides how many it takes. */
const maximumRequests = 16;
const maximumOthers = 16;
