import { HatcheryError } from "../core/errors.ts";

export type LabErrorCode = "demo-failed";

/** Something emulated did not go as it should. */
export class LabError extends HatcheryError<LabErrorCode> {
  constructor(code: LabErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(code, message, options);
    this.name = "LabError";
  }
}
