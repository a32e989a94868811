/** EST (RFC 7030, RFC 8951): the server as a responder, the device as a leader. Subpath `hatchery/est`. */
export { acceptAuthorities, anchorsAmong, rootsAmong } from "./accept.ts";
export { Backoff } from "./backoff.ts";
export {
  labelPattern,
  mediaTypes,
  mostRequestBytes,
  type Operation,
  operationNames,
  operations,
  realm,
  waitingLifetime,
  wellKnown,
} from "./constants.ts";
export { type EnrolledCredential, type EnrollOperation, enroll } from "./device.ts";
export type {
  AnchorCandidate,
  EstDeviceEnv,
  EstDeviceSettings,
  EstDeviceStorage,
  EstServerAddress,
  EstTrust,
  ServerKeyProtection,
} from "./device-env.ts";
export { type EstRenewalSettings, type RenewalEvent, renewing } from "./device-renewal.ts";
export { type EstDeviceFailure, EstFailed, type EstRefusal, EstRefused, refusals } from "./errors.ts";
export {
  type Base64Form,
  decodeRequest,
  decodeResponse,
  type EstRoute,
  encodeReply,
  encodeRequest,
  routes,
} from "./http.ts";
export { basicChallenge, digestChallenge } from "./http-authorization.ts";
export { decodeCsrAttrs } from "./http-csrattrs.ts";
export { digestSecret, verifyDigestResponse } from "./keys-digest.ts";
export type {
  BasicCredentials,
  DigestAlgorithm,
  EnrollRequest,
  EstReply,
  EstRequest,
  EstResponse,
} from "./messages.ts";
export { estServer } from "./server.ts";
export type { EstSession } from "./session.ts";
export { estSurvey } from "./survey.ts";
