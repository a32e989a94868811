/** What a device needs from its machine when the machine runs Node: keys, files, sockets. Subpath `hatchery/device`. */

export { shippedAnchors } from "../transport/http/server-trust.ts";
export { DeviceError, type DeviceErrorCode } from "./errors.ts";
export { httpsAccess, nodeEstEnv } from "./est-env.ts";
export { estStorage } from "./est-storage.ts";
export { currentAnchors, currentIdentity, deviceName, loadIdentity, readAnchors } from "./identity.ts";
export { deviceKey, newDeviceKey } from "./keys.ts";
