import { HatcheryError } from "../core/errors.ts";

export type DeviceErrorCode =
  | "credential-unreadable"
  | "credential-mismatch"
  | "storage-failed"
  | "storage-open-to-others";

/** The device's files are not what they must be; the sentence names the file and says what to do. */
export class DeviceError extends HatcheryError<DeviceErrorCode> {
  constructor(code: DeviceErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(code, message, options);
    this.name = "DeviceError";
  }
}
