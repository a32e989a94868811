import { textOf, utf8 } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { generateKey, privateKeyToPem, signerOf } from "../crypto/keys.ts";
import { decodePem, encodePem } from "../encoding/pem.ts";
import { parseCertificate } from "../pki/certificate.ts";
import type { Extension } from "../pki/extensions.ts";
import type { GeneralName } from "../pki/general-name.ts";
import { encodeName } from "../pki/name.ts";
import { attributeTypes } from "../pki/oids.ts";
import { encodeSubjectAltName } from "../pki/standard-extensions.ts";
import type { Store } from "../store/store.ts";
import { addressOctets } from "../transport/address.ts";
import type { ServerCredential } from "../transport/http/device-tls.ts";
import type { Authority } from "./authority.ts";
import { keyPurpose, type Vault } from "./vault.ts";

/** What the listener's certificate says to everybody who connects. */
export interface ListenerIdentity {
  /** The subject's; nobody is to be reached by it (RFC 9525 2). A change of it alone renews nothing. */
  readonly commonName: string;
  /** Names and addresses by which devices reach the listener. */
  readonly names: readonly string[];
}

/**
 * The certificate and key with which the tenant's listener shows itself, kept sealed so that a restart does not change
 * them; renewed when a third of its life is left, or when the listener's names or the issuing CA's chain have changed.
 */
export async function serverCredential(
  tenant: string,
  { commonName, names }: ListenerIdentity,
  authority: Authority,
  { store, vault, clock }: { readonly store: Store; readonly vault: Vault; readonly clock: Clock },
): Promise<ServerCredential> {
  const purpose = keyPurpose(tenant, keyName);
  const { chain } = await authority.hierarchy();
  const issuers = chain.map(({ raw }) => pemOf(raw)).join("");
  const stored = await store.authorities.key(tenant, keyName);
  if (stored !== undefined) {
    const kept = JSON.parse(textOf(await vault.open(purpose, stored.sealed))) as ServerCredential & {
      readonly names: readonly string[];
    };
    if (kept.names.join() === names.join() && kept.chain.endsWith(issuers) && stillGood(kept.chain, clock.now()))
      return kept;
  }
  const key = generateKey("P-256");
  const subject = encodeName([{ type: attributeTypes.commonName, value: commonName }]);
  const certificate = await authority.issueOwn("server", subject, signerOf(key).publicKey, [listenerNames(names)]);
  const credential = { chain: pemOf(certificate) + issuers, key: privateKeyToPem(key) };
  await vault.refresh();
  const sealed = vault.seal(purpose, utf8(JSON.stringify({ ...credential, names })));
  await store.commit([
    stored === undefined
      ? store.authorities.addKey({ tenant, name: keyName, sealed })
      : store.authorities.resealKey(stored, sealed),
    store.vaultKeys.requireKeyOf(sealed),
  ]);
  return credential;
}

/** The subjectAltName of a listener that devices reach by these names and addresses. */
export function listenerNames(names: readonly string[]): Extension {
  return encodeSubjectAltName(names.map(generalName));
}

function pemOf(certificate: Uint8Array): string {
  return encodePem("CERTIFICATE", certificate);
}

function stillGood(chain: string, now: number): boolean {
  const leaf = decodePem(chain)[0];
  if (leaf === undefined) return false;
  const { notBefore, notAfter } = parseCertificate(leaf.bytes);
  return now >= notBefore && now < notAfter - (notAfter - notBefore) / 3;
}

function generalName(name: string): GeneralName {
  const address = addressOctets(name);
  return address === undefined ? { kind: "dNSName", text: name } : { kind: "iPAddress", address };
}

const keyName = "server";
