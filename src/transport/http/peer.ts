import { Buffer } from "node:buffer";
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { utf8, view } from "../../core/bytes.ts";
import type { ChannelBinding, Peer, Security } from "../../core/link.ts";
import { TransportError } from "../errors.ts";
import { pskIdentityOf } from "./psk.ts";
import { sourceOf } from "./source.ts";

/**
 * The other end of a TLS association whose handshake is complete; the same object for each call on one socket.
 *
 * `end` is the end that this process plays. The chain is what the peer sent, in its order; nothing in it is validated.
 * `binding` and `exporter` throw `no-binding` when the version has none or the association is over.
 */
export function peerOf(socket: TLSSocket, end: "client" | "server"): Peer {
  const known = peers.get(socket);
  if (known !== undefined) return known;
  const peer = describe(socket, end);
  peers.set(socket, peer);
  return peer;
}

/**
 * `192.0.2.7:41234`, `[2001:db8::1]:41234` or `unknown`, as a listed proxy says when there is one; an IPv4 address that
 * arrived at an IPv6 socket is written as IPv4.
 */
export function addressOf(socket: {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}): string {
  const source = sourceOf(socket);
  if (source === undefined && socket.remoteAddress === undefined) return "unknown";
  const host = hostOf(socket);
  const port = source?.port ?? socket.remotePort;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The peer's address without its port. */
export function hostOf(socket: { readonly remoteAddress?: string | undefined }): string {
  const address = sourceOf(socket)?.host ?? socket.remoteAddress ?? "unknown";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice("::ffff:".length) : address;
}

function describe(socket: TLSSocket, end: "client" | "server"): Peer {
  const version = socket.getProtocol();
  if (version !== "TLSv1.2" && version !== "TLSv1.3")
    throw new TransportError("association-closed", "The TLS association ended before its peer could be described.");
  const identity = pskIdentityOf(socket);
  const security: Security = {
    version,
    cipherSuite: socket.getCipher().standardName,
    // To TLS 1.3 a pre-shared key is a session like any other (RFC 8446 2.2).
    resumed: identity === undefined && socket.isSessionReused(),
  };
  return {
    address: addressOf(socket),
    security,
    chain: chainOf(socket.getPeerX509Certificate()),
    ...(identity === undefined ? {} : { pskIdentity: utf8(identity) }),
    binding: (type) => bindingOf(socket, end, security, type),
    exporter: (label, length) => exporterOf(socket, label, length),
  };
}

// `issuerCertificate` of a certificate that came out of a handshake is the next certificate as sent (the rest of
// SSL_get_peer_cert_chain), not the result of a search for the issuer.
function chainOf(leaf: X509Certificate | undefined): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  for (let certificate = leaf; certificate !== undefined; certificate = certificate.issuerCertificate)
    chain.push(certificate.raw);
  return chain;
}

function bindingOf(socket: TLSSocket, end: "client" | "server", security: Security, type: ChannelBinding): Uint8Array {
  if (type === "tls-exporter") return exporterOf(socket, channelBindingLabel, channelBindingLength);
  // RFC 9266 section 3: TLS 1.3 has no tls-unique.
  if (security.version !== "TLSv1.2")
    throw new TransportError("no-binding", `${security.version} has no tls-unique channel binding; use tls-exporter.`);
  // RFC 5929 section 3.1: the first Finished of the handshake, which is the client's, or the server's when the session
  // was resumed.
  const first = security.resumed ? "server" : "client";
  const finished = end === first ? socket.getFinished() : socket.getPeerFinished();
  if (finished === undefined) throw noBinding();
  return view(finished);
}

function exporterOf(socket: TLSSocket, label: string, length: number): Uint8Array {
  try {
    // RFC 5705 section 4: in TLS 1.2 no context and a zero-length context give different values.
    return socket.exportKeyingMaterial(length, label, Buffer.alloc(0));
  } catch (cause) {
    throw noBinding(cause);
  }
}

function noBinding(cause?: unknown): TransportError {
  return new TransportError(
    "no-binding",
    "The TLS association is over, so nothing can be bound to it; connect again.",
    cause === undefined ? {} : { cause },
  );
}

const peers = new WeakMap<TLSSocket, Peer>();

// RFC 9266 section 4.2.
const channelBindingLabel = "EXPORTER-Channel-Binding";
const channelBindingLength = 32;
