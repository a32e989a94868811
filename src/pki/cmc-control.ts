import { type DerElement, type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { tags } from "../encoding/tags.ts";
import { CmcError } from "./cmc-errors.ts";
import { cmcControls } from "./oids.ts";

/** A control: TaggedAttribute (RFC 5272 3.2.1.1). */
export interface Control {
  /** From 1 to 2^32 - 1. */
  readonly bodyPartID: number;
  /** In dotted form. */
  readonly type: string;
  readonly values: readonly DerElement[];
}

/** A control to be written: one value in DER. */
export interface ControlContent {
  readonly type: string;
  readonly value: Uint8Array;
}

/** What ties an answer to its request (RFC 5272 6.6). */
export interface TransactionControls {
  /** Content octets of the INTEGER. */
  readonly transactionId?: Uint8Array;
  readonly senderNonce?: Uint8Array;
  readonly recipientNonce?: Uint8Array;
  /** What the other end sent to have it sent back (RFC 5272 6.4). */
  readonly dataReturn?: Uint8Array;
}

/** Reads a controlSequence; throws DerError. It does not look into the values. */
export function readControls(reader: DerReader): readonly Control[] {
  return reader.listOf(
    (item) =>
      item.sequence((content) => ({
        bodyPartID: readBodyPartId(content),
        type: content.objectIdentifier(),
        values: content.listOf((value) => value.any(), maximumValues, tags.set),
      })),
    maximumControls,
  );
}

/** A controlSequence in DER; its controls have the bodyPartIDs from `first` on. Throws DerError. */
export function encodeControls(controls: readonly ControlContent[], first: number): Uint8Array {
  return der.sequence(
    controls.map(({ type, value }, at) =>
      der.sequence([der.integer(first + at), der.objectIdentifier(type), der.setOf([value])]),
    ),
  );
}

/** The transaction controls of a message; throws CmcError `malformed-control`. */
export function transactionOf(controls: readonly Control[]): TransactionControls {
  const transactionId = controlValue(controls, cmcControls.transactionId, (value) => value.integer());
  const octets = (type: string) => controlValue(controls, type, (value) => value.octetString());
  const senderNonce = octets(cmcControls.senderNonce);
  const recipientNonce = octets(cmcControls.recipientNonce);
  const dataReturn = octets(cmcControls.dataReturn);
  return {
    ...(transactionId === undefined ? {} : { transactionId }),
    ...(senderNonce === undefined ? {} : { senderNonce }),
    ...(recipientNonce === undefined ? {} : { recipientNonce }),
    ...(dataReturn === undefined ? {} : { dataReturn }),
  };
}

/** Transaction controls to be written, in the order of RFC 5272 6. */
export function transactionControls(transaction: TransactionControls): readonly ControlContent[] {
  const { transactionId, senderNonce, recipientNonce, dataReturn } = transaction;
  const control = (type: string, tag: number, content: Uint8Array | undefined): readonly ControlContent[] =>
    content === undefined ? [] : [{ type, value: der.element(tag, content) }];
  return [
    ...control(cmcControls.dataReturn, tags.octetString, dataReturn),
    ...control(cmcControls.transactionId, tags.integer, transactionId),
    ...control(cmcControls.senderNonce, tags.octetString, senderNonce),
    ...control(cmcControls.recipientNonce, tags.octetString, recipientNonce),
  ];
}

/**
 * Reads the one value of the one control of this type; undefined when there is none. Throws CmcError `malformed-control` for a
 * control that occurs twice, has not exactly one value, or another value than `read` expects.
 */
export function controlValue<T>(
  controls: readonly Control[],
  type: string,
  read: (reader: DerReader) => T,
): T | undefined {
  const [control, second] = controls.filter((each) => each.type === type);
  if (control === undefined) return undefined;
  // Which of two transactions or nonces is meant must not be a matter of who reads.
  if (second !== undefined) throw malformed(second, "occurs twice");
  return singleValue(control, read);
}

/** Reads the one value of a control; throws CmcError `malformed-control`. */
export function singleValue<T>(control: Control, read: (reader: DerReader) => T): T {
  const [value, second] = control.values;
  if (value === undefined || second !== undefined) throw malformed(control, "has not exactly one value");
  try {
    return decodeDer(value.raw, read);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw malformed(control, "has a malformed value", error);
  }
}

/** Reads a BodyPartID that is a part's own: 0 stands for the whole message (RFC 5272 3.2.2); throws DerError. */
export function readBodyPartId(reader: DerReader): number {
  const bodyPartID = readBodyPartReference(reader);
  if (bodyPartID === 0) throw new DerError("bad-value", "The bodyPartID 0 is no part's own.");
  return bodyPartID;
}

/** Reads a BodyPartID that refers to a part, or by 0 to the whole message; throws DerError. */
export function readBodyPartReference(reader: DerReader): number {
  const content = reader.integer();
  const [first = 0] = content;
  // RFC 5272 3.2.2: bodyIdMax is 2^32 - 1, which takes a fifth octet in front.
  if (first >= 0x80 || content.length > 5 || (content.length === 5 && first !== 0))
    throw new DerError("bad-value", "A bodyPartID is not from 0 to 2^32 - 1.");
  return content.reduce((value, octet) => value * 0x100 + octet, 0);
}

function malformed({ type, bodyPartID }: Control, complaint: string, cause?: DerError): CmcError {
  return new CmcError("malformed-control", `The control ${type} ${complaint}.`, {
    details: { type, bodyPartID },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** RFC 5272 defines 30 controls, and no message has use for them all. */
const maximumControls = 32;
const maximumValues = 8;
