import { equal } from "../../core/bytes.ts";
import type { Connection } from "../../core/link.ts";
import type { RequestRequirements } from "../../pki/csr-attributes-requirements.ts";
import type { HttpRequest, HttpResponse } from "../../transport/http/message.ts";
import type { ServerAnchors } from "../ports.ts";
import { acceptAuthorities, type CaCertificates, newestRoot } from "./accept.ts";
import { requirementsIn } from "./device-attributes.ts";
import type { EstDeviceEnv, EstDeviceSettings } from "./device-env.ts";
import type { DeviceLedger } from "./device-ledger.ts";
import { type Asking, ask } from "./device-redirect.ts";
import { decodeResponse, encodeRequest } from "./http.ts";
import { decodeCsrAttrs } from "./http-csrattrs.ts";

/** An association with the server in `settings`, under `trust`. */
export function dial(
  { server, identity }: EstDeviceSettings,
  trust: ServerAnchors,
  env: EstDeviceEnv,
): Promise<Connection<HttpRequest, HttpResponse>> {
  const { host, port } = server;
  return env.dial({ host, port, trust, ...(identity === undefined ? {} : { identity }) }, env.signal);
}

/** Whether the server has ended the association with its answer, so that the next request needs another one. */
interface Read {
  readonly ended: boolean;
}

/** RFC 7030 4.1.3: the CA certificates that `trust` vouches for; throws EstFailed for any other answer. */
export async function requestAuthorities(
  connection: Connection<HttpRequest, HttpResponse>,
  trust: ServerAnchors,
  settings: EstDeviceSettings,
  env: EstDeviceEnv,
  ledger: DeviceLedger,
): Promise<
  Read & {
    readonly ca: CaCertificates;
    /** Of its anchors, those that are to be kept, in DER. */
    readonly lasting: readonly Uint8Array[];
  }
> {
  const asking = reading("cacerts", trust, settings, env, ledger);
  const { answer, peer, ended } = await ask(connection, settings.server, asking, env.signal);
  const response = decodeResponse("cacerts", answer, env.clock.now());
  // 4.1.3: any status but 200 ends the enrolment; decodeResponse lets no 202 through for cacerts.
  const published = response.kind === "certificates" ? response.certificates : [];
  // An implicit anchor vouches for the server's name; of the CA nothing is known yet but that this server says so.
  // In a renewal, what the device has taken over before vouches as well: a server's own certificate may be of another CA than it
  // publishes. A first enrolment is a new beginning, whatever is left of an older one.
  const kept = settings.identity?.credential === "ldevid" ? ((await env.storage.anchors()) ?? []) : [];
  const given = trust.kind === "explicit" ? trust.anchors : [newestRoot(published).raw];
  const ca = acceptAuthorities(published, [...given, ...kept], env.clock.now());
  ledger.authorities(answer, peer, ca.authorities, ca.signaturesVerified);
  // What was given beside kept ones is for this run: a public root for the server's own certificate, say.
  const isPassing = (der: Uint8Array) =>
    kept.length > 0 && !kept.some((each) => equal(each, der)) && !ca.authorities.some(({ raw }) => equal(raw, der));
  const lasting = ca.anchors.map(({ raw }) => raw).filter((der) => !isPassing(der));
  return { ca, lasting: lasting.length > 0 ? lasting : given, ended };
}

/** RFC 7030 4.5: what the CA wants in the request, asked for before there is a key. */
export async function requestRequirements(
  operation: string,
  connection: Connection<HttpRequest, HttpResponse>,
  trust: ServerAnchors,
  settings: EstDeviceSettings,
  env: EstDeviceEnv,
  ledger: DeviceLedger,
): Promise<Read & { readonly requirements: RequestRequirements }> {
  if (settings.csrattrs === "never") return { requirements: requirementsIn([]), ended: false };
  const asking = reading("csrattrs", trust, settings, env, ledger);
  const { answer, peer, ended } = await ask(connection, settings.server, asking, env.signal);
  const elements = decodeCsrAttrs(answer, env.clock.now());
  ledger.requirements(answer, peer, elements);
  const requirements = requirementsIn(elements);
  // RFC 7030 4.4.1: nobody looks at the key of a request for the server's.
  if (operation !== "serverkeygen") return { requirements, ended };
  return { requirements: { ...requirements, keys: [], signatureAlgorithms: [] }, ended };
}

/** A GET. It may be answered elsewhere, because it tells nothing: the device's certificate stays here. */
function reading(
  operation: "cacerts" | "csrattrs",
  trust: ServerAnchors,
  { identity: _, ...anonymous }: EstDeviceSettings,
  env: EstDeviceEnv,
  ledger: DeviceLedger,
): Asking {
  const { server } = anonymous;
  return {
    operation,
    make: async () => encodeRequest(operation, server.label, undefined, undefined),
    dial: (origin) => dial({ ...anonymous, server: { ...server, ...origin } }, trust, env),
    // A key is one server's; another would be told its identity, and could try guesses at it.
    mayLeave: trust.kind !== "psk",
    sent: (request, peer) => ledger.asked(operation, request, peer),
    redirected: (answer, peer) => ledger.redirected(operation, answer, peer),
  };
}
