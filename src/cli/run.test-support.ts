import { utf8 } from "../core/bytes.ts";
import { ManualClock } from "../core/clock.ts";
import { fingerprinting } from "../knowledge/fingerprint.ts";
import { mergeRuns } from "../knowledge/merge.ts";
import { type Run, RunRecorder } from "../knowledge/run.ts";
import type { Role } from "../knowledge/vocabulary.ts";

/** Ledgers as the two ends of an EST enrolment keep them, with the clock moved by hand. */

const began = new Date(2026, 2, 1, 14, 5, 7).getTime();
const salt = new Uint8Array(32).fill(7);
const anchor = utf8("root certificate");
const idevid = utf8("manufacturer's certificate");
const serial = utf8("SN-2031-0007");
const publicKey = utf8("public key");
const issued = utf8("issued certificate");

const facts = {
  uri: { fact: "est.server.uri", factKind: "loc.server-uri", crypto: "none", provenance: "configured" },
  anchor: { fact: "est.ca.anchor", factKind: "ta.server", crypto: "certificate", provenance: "configured" },
  domain: { fact: "est.ca.certificates", factKind: "ta.domain", crypto: "certificate", provenance: "received" },
  idevid: { fact: "est.device.idevid", factKind: "cert.idevid", crypto: "certificate", provenance: "manufactured" },
  idevidKey: {
    fact: "est.device.idevid-key",
    factKind: "key.private",
    crypto: "asym-private",
    provenance: "manufactured",
  },
  serial: { fact: "est.device.serial", factKind: "id.serial", crypto: "none", provenance: "manufactured" },
  key: { fact: "est.device.key", factKind: "key.private", crypto: "asym-private", provenance: "generated-on-device" },
  publicKey: {
    fact: "est.device.public-key",
    factKind: "key.public.raw",
    crypto: "asym-public",
    provenance: "generated-on-device",
  },
  certificate: {
    fact: "est.device.certificate",
    factKind: "cert.ldevid",
    crypto: "certificate",
    provenance: "received",
  },
} as const;

/** An enrolment with a manufacturer's certificate, granted, as the device saw it. */
export function deviceRun(): Run {
  const { run, clock } = recorder("device");
  run.note("hold", facts.uri, "device", utf8("127.0.0.1:8443"));
  run.note("hold", facts.anchor, "device", anchor);
  run.note("hold", facts.idevid, "device", idevid);
  run.note("hold", facts.idevidKey, "device");
  run.note("hold", facts.serial, "device", serial);
  run.recorder.contact({
    role: "coordinator",
    term: "EST server",
    operatedBy: "owner",
    locality: "site",
    online: "always",
    trusted: true,
  });
  run.frame("coordinator", "TLS server authentication", 812);
  run.handshake();
  run.frame("device", "TLS client authentication", 455);
  run.recorder.phase("deliver");
  run.count("keygen", "device", "P-256");
  run.note("derive", facts.key, "device");
  run.note("derive", facts.publicKey, "device", publicKey);
  clock.advance(1.5);
  run.frame("device", "cacerts request", 0);
  clock.advance(3.25);
  run.frame("coordinator", "cacerts response", 1290);
  run.note("learn", facts.domain, "device", anchor);
  run.count("sign", "device", "P-256");
  clock.advance(1);
  run.frame("device", "simpleenroll request", 412);
  clock.advance(28);
  run.frame("coordinator", "simpleenroll response", 980);
  run.count("verify", "device", "certificate");
  run.note("learn", facts.certificate, "device", issued);
  return run.recorder.finish("granted", "certificate installed");
}

/** The same enrolment as the server saw it. */
export function serverRun(): Run {
  const { run, clock } = recorder("coordinator");
  run.frame("coordinator", "TLS server authentication");
  run.handshake();
  run.frame("device", "TLS client authentication", 455);
  run.recorder.phase("deliver");
  run.frame("device", "cacerts request", 0);
  run.frame("coordinator", "cacerts response", 1290);
  clock.advance(14.75);
  run.frame("device", "simpleenroll request", 412);
  run.count("verify", "coordinator", "P-256");
  run.recorder.phase("trust");
  run.note("hold", facts.anchor, "coordinator", anchor);
  run.note("hold", facts.domain, "coordinator", anchor);
  run.infer("hold", facts.anchor, "device");
  run.note("learn", facts.idevid, "coordinator", idevid);
  run.note("learn", facts.serial, "coordinator", serial);
  run.infer("hold", facts.idevidKey, "device");
  run.count("verify", "coordinator", "certificate");
  run.note("learn", facts.publicKey, "coordinator", publicKey);
  run.infer("derive", facts.key, "device");
  run.recorder.phase("authorize");
  run.recorder.decision({
    verdict: "allow",
    rule: "claimed",
    reason: "the serial number SN-2031-0007 is claimed",
    evidence: {},
  });
  run.count("sign", "coordinator", "certificate");
  clock.advance(19);
  run.recorder.phase("deliver");
  run.frame("coordinator", "simpleenroll response", 980);
  run.note("learn", facts.certificate, "coordinator", issued);
  return run.recorder.finish("granted", "claimed");
}

/** Both ends' ledgers in one. */
export function mergedRun(): Run {
  return mergeRuns(deviceRun(), serverRun());
}

/** A device without a credential that asked, waited and was denied by a person, seen by the server alone. */
export function deniedRun(): Run {
  const { run, clock } = recorder("coordinator", "est/anonymous");
  run.recorder.phase("deliver");
  run.frame("device", "simpleenroll request", 388);
  run.recorder.phase("authorize");
  run.recorder.decision({
    verdict: "wait",
    rule: "rule 1f0a93c2",
    reason: "rule 1f0a93c2 says wait to anonymous devices",
    evidence: {},
  });
  run.recorder.phase("deliver");
  run.frame("coordinator", "simpleenroll pending", 0);
  clock.advance(65_000);
  run.recorder.frame({ ...frameBetween("device", "simpleenroll request"), bytes: 388, repeated: true });
  run.recorder.phase("authorize");
  run.recorder.decision({ verdict: "deny", rule: "rule 1f0a93c2", reason: "denied by administrator", evidence: {} });
  run.recorder.user({ action: "approve-in-console", who: "administrator", channel: "backend", characters: 0 });
  run.recorder.phase("deliver");
  run.frame("coordinator", "simpleenroll refusal", 0);
  run.recorder.error(Object.assign(new Error(), { code: "not-allowed" }), "sent", "denied by administrator");
  run.infer("derive", facts.key, "device");
  run.note("learn", facts.publicKey, "coordinator", publicKey);
  return run.recorder.finish("refused", "not-allowed");
}

function recorder(by: Role, variant = "est/idevid") {
  const clock = new ManualClock(began);
  const link = "TLSv1.3 TLS_AES_256_GCM_SHA384";
  const recorded = new RunRecorder({
    id: "5d1c20ab77e0f493",
    protocol: "est",
    variant,
    link,
    by,
    fingerprint: fingerprinting(salt),
    clock,
  });
  const run = {
    recorder: recorded,
    frame: (from: "device" | "coordinator", name: string, bytes?: number) =>
      recorded.frame({ ...frameBetween(from, name), ...(bytes === undefined ? {} : { bytes }) }),
    note: (
      operation: "hold" | "learn" | "derive",
      fact: (typeof facts)[keyof typeof facts],
      holder: Role,
      value?: Uint8Array,
    ) => recorded.fact({ ...fact, operation, holder, evidence: "observed", ...(value === undefined ? {} : { value }) }),
    infer: (operation: "hold" | "derive", fact: (typeof facts)[keyof typeof facts], holder: Role) =>
      recorded.fact({ ...fact, operation, holder, evidence: "inferred" }),
    count: (operation: "keygen" | "sign" | "verify", role: Role, algorithm: string) =>
      recorded.operation({ operation, role, algorithm, purpose: "test", evidence: "counted" }),
    handshake: () => {
      for (const role of ["device", "coordinator"] as const)
        for (const operation of ["agree", "sign", "verify"] as const)
          recorded.operation({ operation, role, algorithm: "TLS", purpose: "handshake", evidence: "declared" });
    },
  };
  return { run, clock };
}

function frameBetween(from: "device" | "coordinator", name: string) {
  const to = from === "device" ? "coordinator" : "device";
  return { from, to, name, channel: "ip.site", protection: "encrypted", decoded: {} } as const;
}
