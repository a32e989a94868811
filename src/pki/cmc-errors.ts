import { HatcheryError } from "../core/errors.ts";
import { DerError } from "../encoding/errors.ts";
import { PkiError, renamed } from "./errors.ts";

export type CmcErrorCode =
  | "malformed-cmc"
  | "duplicate-body-part-id" // two parts of one message cannot be told apart
  | "malformed-control" // doubled, or its values are not those of its type; `details` has its bodyPartID
  | "unencodable";

/** Thrown by the files of this room whose names begin with `cmc`. */
export class CmcError extends HatcheryError<CmcErrorCode> {
  override readonly name = "CmcError";
}

/** Runs a decoder of `what`, whose DerError or PkiError becomes a CmcError `malformed-cmc`. */
export function decodingCmc<T>(what: string, decode: () => T): T {
  return renamed(CmcError, "malformed-cmc", `The ${what} is malformed`, decode, lower);
}

/** Runs an encoder of `what`, whose DerError becomes a CmcError `unencodable`. */
export function encodingCmc<T>(what: string, encode: () => T): T {
  return renamed(CmcError, "unencodable", `The ${what} cannot be encoded`, encode, lower);
}

const lower = [DerError, PkiError] as const;
