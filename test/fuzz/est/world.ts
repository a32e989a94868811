import { equal, utf8 } from "../../../src/core/bytes.ts";
import { ManualClock } from "../../../src/core/clock.ts";
import { seededRandomness } from "../../../src/core/randomness.ts";
import { privateKeyToDer, signerOf } from "../../../src/crypto/keys.ts";
import { encodePem } from "../../../src/encoding/pem.ts";
import type { Certificate } from "../../../src/pki/certificate.ts";
import { realm } from "../../../src/protocols/est/constants.ts";
import {
  certify,
  commonName,
  deviceKeys,
  now,
  serialNumber,
} from "../../../src/protocols/est/fixtures.test-support.ts";
import { digestSecret, verifyDigestResponse } from "../../../src/protocols/est/keys-digest.ts";
import type { DigestAlgorithm } from "../../../src/protocols/est/messages.ts";
import type { Ports } from "../../../src/protocols/ports.ts";
import { admissionOf } from "../../../src/service/admission.ts";
import { openAuthority } from "../../../src/service/authority.ts";
import { cmcResponderOf } from "../../../src/service/cmc-responder.ts";
import { claimSerial } from "../../../src/service/inventory.ts";
import { sealedKeyKeeper } from "../../../src/service/key-keeper.ts";
import { addAnchor, trustOf } from "../../../src/service/trust.ts";
import { unsealed } from "../../../src/service/vault/fixtures.test-support.ts";
import { openSqliteStore } from "../../../src/store/sqlite.ts";
import type { Store } from "../../../src/store/store.ts";
import { authorityOf, type FuzzAuthority, keyOf } from "../pki/samples.ts";

export const tenant = "default";
/** The only serial number that the operator claimed; `strangeSerial` is one of the same manufacturer. */
export const claimedSerial = "SN-1";
export const strangeSerial = "SN-2";
/** The only user, and whom it may enrol. */
export const installer = { user: "installer", password: "correct horse", devices: "line-*" } as const;

/** What devices call the symmetric key that is registered for all of them. */
export const registeredKey = "kek";

/** These devices and their look-alikes, for names that are replaced. */
export const texts: readonly string[] = [
  ...["SN-1", "SN-2", "sn-1", "SN-1 ", " SN-1", "SN-1\0", "SN-1\u202e", "SN\u00ad-1", "SN-1,CN=SN-2", "sn-1.example"],
  ...["line-1", "LINE-1", "line-*", "line-", "enrolled-1", "waiting-1", "installer"],
];

/** One tenant of the service without its listeners, over a store in memory. */
export interface World {
  readonly ports: Omit<Ports, "run">;
  readonly store: Store;
  readonly manufacturer: FuzzAuthority;
  readonly root: FuzzAuthority;
  readonly issuing: FuzzAuthority;
  /** The IDevIDs of the two serial numbers. */
  readonly claimed: Certificate;
  readonly strange: Certificate;
  /** A certificate that the tenant's authority issued and recorded. */
  readonly enrolled: Certificate;
}

export async function openWorld(): Promise<World> {
  const store = await openSqliteStore(":memory:");
  const clock = new ManualClock(now);
  const randomness = seededRandomness("fuzz");
  const parts = { store, clock, randomness, keys: sealedKeyKeeper({ store, vault: unsealed }) };
  const manufacturer = await authorityOf("manufacturer");
  const root = await authorityOf("root");
  const issuing = await authorityOf("issuing", root);
  const deviceKey = signerOf(keyOf("device"));
  const enrolled = await certify([commonName("enrolled-1")], deviceKey, issuing);

  const key = (name: string, { key }: FuzzAuthority) =>
    store.authorities.addKey({ tenant, name, sealed: privateKeyToDer(key) });
  const certificate = (role: "root" | "issuing", { certificate }: FuzzAuthority) =>
    store.authorities.insert({
      tenant,
      name: `${role}-1`,
      role,
      state: "active",
      origin: "own",
      certificate: certificate.raw,
      key: role,
      created: now,
    });
  await store.commit([
    store.tenants.ensure({ tenant, created: now }),
    key("root", root),
    key("issuing", issuing),
    certificate("root", root),
    certificate("issuing", issuing),
    store.authorities.insertCertificate({
      tenant,
      authority: "issuing-1",
      serial: "01",
      certificate: enrolled.raw,
      subject: "CN=enrolled-1",
      profile: "device",
      notBefore: enrolled.notBefore,
      notAfter: enrolled.notAfter,
    }),
  ]);
  // A person is asked about every device without a credential.
  await store.commit([
    store.profiles.put({ tenant, name: "device", settings: { serverKey: "P-256", fullcmc: "allowed" } }),
    store.policy.appendRule({ tenant, id: "ask", verdict: "wait", match: { credential: "anonymous" }, created: now }),
  ]);
  const pem = encodePem("CERTIFICATE", manufacturer.certificate.raw);
  await addAnchor(store, { tenant, name: "maker", pem }, [], "operator", clock, randomness);
  await claimSerial(store, tenant, claimedSerial, "operator", clock, randomness);
  const authority = await openAuthority(tenant, parts);
  return {
    store,
    ports: {
      clock,
      randomness,
      admission: admissionOf(tenant, parts),
      issuer: authority,
      isOwnName: (name) => name === "localhost",
      cmcResponder: cmcResponderOf(() => authority, parts),
      trust: trustOf(tenant, parts),
      // The real one costs 40 ms for each password, and locks out who guesses.
      credentials: {
        verifyPassword: async (user, password) =>
          user === installer.user && password === installer.password ? { devices: installer.devices } : undefined,
        verifyDigest: async (proof) =>
          proof.user === installer.user && verifyDigestResponse(digestSecretOf(proof.algorithm), proof, proof.response)
            ? { devices: installer.devices }
            : undefined,
        pskUser: async () => undefined,
      },
      deviceKeys: deviceKeys({
        keyEncryptionKey: async (identifier) =>
          equal(identifier, utf8(registeredKey)) ? new Uint8Array(32) : undefined,
        signer: async () => ({ signer: issuing.signer, chain: [issuing.certificate.raw] }),
      }),
    },
    manufacturer,
    root,
    issuing,
    claimed: await certify([serialNumber(claimedSerial)], deviceKey, manufacturer),
    strange: await certify([serialNumber(strangeSerial)], deviceKey, manufacturer),
    enrolled,
  };
}

function digestSecretOf(algorithm: DigestAlgorithm): Uint8Array {
  return digestSecret(algorithm, installer.user, realm, installer.password);
}
