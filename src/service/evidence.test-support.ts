import type { Evidence } from "../protocols/ports.ts";

/** What is known of a device that shows its manufacturer's certificate. */
export const idevid: Evidence = {
  protocol: "est",
  variant: "est/idevid",
  operation: "simpleenroll",
  profile: "device",
  credential: "idevid",
  name: "SN-1",
  proven: true,
  serial: "SN-1",
  issuer: "acme",
  certificate: "c1",
  key: "k1",
  subject: "session-1",
  address: "192.0.2.7:1",
  run: "run-1",
};
const { serial: _, issuer: __, certificate: ___, ...unproven } = idevid;

/** The same without the certificate. */
export { unproven };
