import { base64, utf8 } from "../../src/core/bytes.ts";
import { encodeName } from "../../src/pki/name.ts";
import { attributeTypes } from "../../src/pki/oids.ts";
import { encodeSubjectAltName } from "../../src/pki/standard-extensions.ts";
import type { EstRefusal } from "../../src/protocols/est/index.ts";
import type { Refused } from "./bad-requests.ts";
import { commonName, craftedRequest, extensionAttribute, passwordAttribute, serialNumber } from "./crafted.ts";
import { basic, enrolment, type RawIdentity } from "./raw-client.ts";
import type { Strangers } from "./strangers.ts";

/** The EST user `installer`, who may enrol `line-*`. */
export const password = "correct horse battery";

type As = (known: Strangers) => RawIdentity;

const unauthenticated =
  /^This request is not authenticated\. Present a device certificate .*, or a user name and password/;
const wrongPassword = basic("installer", "wrong horse battery");
const reenroll = "/.well-known/est/simplereenroll";

/** Good requests by clients that are not who they should be: the peer must not learn why. */
export const badCredentials: Readonly<Record<string, Refused>> = {
  "certificate of an unknown issuer": ofCertificate("certificate-unknown", ({ unknown }) => unknown),
  "certificate of a forger with our CA's name": ofCertificate("certificate-unknown", ({ forged }) => forged),
  "expired certificate": ofCertificate("certificate-expired", ({ expired }) => expired),
  "certificate that is not valid yet": ofCertificate("certificate-not-yet-valid", ({ early }) => early),
  "certificate issued by a device": ofCertificate("certificate-unknown", ({ belowLeaf }) => belowLeaf),
  "chain longer than its root allows": ofCertificate("certificate-unknown", ({ deep }) => deep),
  "chain longer than is looked at": ofCertificate("certificate-unknown", ({ endless }) => endless),
  "certificate whose key may not sign": ofCertificate("certificate-unknown", ({ encipherOnly }) => encipherOnly),
  "certificate that names nobody": ofCertificate("certificate-malformed", ({ nameless }) => nameless),
  "no credential": ofFields("credentials-missing", []),
  "wrong password": ofFields("credentials-wrong", [wrongPassword]),
  "unknown user": ofFields("credentials-wrong", [basic("nobody", password)]),
  "wrong password with a good certificate": ofFields("credentials-wrong", [wrongPassword], ({ device }) => device),
  "good password with a certificate of an unknown issuer": ofFields(
    "certificate-unknown",
    [basic("installer", password)],
    ({ unknown }) => unknown,
  ),
  "Authorization that is not Basic": ofFields("credentials-malformed", ["Authorization: Bearer abcd"]),
  "Basic that is no base64": ofFields("credentials-malformed", ["Authorization: Basic a"]),
  "Basic that is no UTF-8": ofFields("credentials-malformed", ["Authorization: Basic /zphYmM="]),
  "Basic without a colon": ofFields("credentials-malformed", [`Authorization: Basic ${base64(utf8("installer"))}`]),
  "Basic without a user": ofFields("credentials-malformed", [basic("", password)]),
  "renewal with nothing": ofFields("credentials-missing", [], undefined, reenroll),
  "renewal with a password": ofFields("credentials-missing", [basic("installer", password)], undefined, reenroll),
};

const anotherConnections = base64(new Uint8Array(32).fill(7));
const linking = /^challengePassword must hold the channel binding of this TLS connection \(RFC 7030 3\.5\)\./;

/** Requests that are linked to no connection, or to another one (RFC 7030 3.5). */
export const badBindings: Readonly<Record<string, Refused>> = {
  "binding of another connection": ofBinding("binding-wrong", anotherConnections),
  "binding that is too short": ofBinding("binding-malformed", "AAAAAAAAAAAAAAAA"),
  "secret of the device in place of the binding": ofBinding("binding-malformed", "grüße"),
};

const notThisClient = /a subject or an alternative name that is not this client's/;
const notHere = /This device may not be enrolled here/;

/** Clients that are who they say, and ask for more than is theirs. */
export const notAllowed: Readonly<Record<string, Refused>> = {
  "renewal with an IDevID": {
    ...ofName("GOOD-1", ({ device }) => device, reenroll),
    code: "idevid-on-reenroll",
    says: /a manufacturer's certificate enrols with simpleenroll/,
  },
  "renewal with another subject": ofName("GOOD-2", ({ enrolled }) => enrolled, reenroll),
  "renewal with another alternative name": ofAlternativeName("GOOD-2", ({ enrolled }) => enrolled, reenroll),
  "enrolment in another device's name": ofName("MADE-1", ({ device }) => device),
  "enrolment in another device's name with our certificate": ofName("MADE-1", ({ enrolled }) => enrolled),
  "another device's serialNumber beside the own name": {
    ...ofName("GOOD-1", ({ device }) => device),
    send: async () =>
      enrolment(
        await craftedRequest({
          subject: encodeName([
            { type: attributeTypes.serialNumber, value: "MADE-1" },
            { type: attributeTypes.commonName, value: "GOOD-1" },
          ]),
        }),
      ),
  },
  "two common names": {
    ...ofName("GOOD-1", ({ device }) => device),
    send: async () =>
      enrolment(
        await craftedRequest({
          subject: encodeName([
            { type: attributeTypes.commonName, value: "MADE-1" },
            { type: attributeTypes.commonName, value: "GOOD-1" },
          ]),
        }),
      ),
  },
  "another device's alternative name": ofAlternativeName("MADE-1", ({ device }) => device),
  "name that the user may not enrol": {
    status: 403,
    code: "name-not-the-client",
    says: notThisClient,
    send: async () =>
      enrolment(await craftedRequest({ subject: commonName("GOOD-1") }), [basic("installer", password)]),
  },
  "device that is not claimed": ofDevice("MADE-2", ({ unclaimed }) => unclaimed),
  "device that a rule denies": ofDevice("DENIED-1", ({ denied }) => denied),
};

function ofCertificate(code: EstRefusal, as: As): Refused {
  return {
    status: 401,
    code,
    says: unauthenticated,
    send: async () => enrolment(await craftedRequest({ subject: serialNumber("MADE-1") })),
    as,
  };
}

function ofFields(code: EstRefusal, fields: readonly string[], as?: As, path?: string): Refused {
  return {
    status: 401,
    code,
    says: unauthenticated,
    send: async () => enrolment(await craftedRequest({ subject: commonName("line-1") }), fields, path),
    ...(as === undefined ? {} : { as }),
  };
}

function ofBinding(code: EstRefusal, challengePassword: string): Refused {
  const attributes = [passwordAttribute(challengePassword)];
  return {
    status: 401,
    code,
    says: linking,
    send: async () => enrolment(await craftedRequest({ subject: commonName("GOOD-1"), attributes })),
    as: ({ device }) => device,
  };
}

function ofName(name: string, as: As, path?: string): Refused {
  return {
    status: 403,
    code: "name-not-the-client",
    says: notThisClient,
    send: async () => enrolment(await craftedRequest({ subject: commonName(name) }), [], path),
    as,
  };
}

function ofAlternativeName(text: string, as: As, path?: string): Refused {
  const attributes = [extensionAttribute(encodeSubjectAltName([{ kind: "dNSName", text }]))];
  return {
    ...ofName("GOOD-1", as),
    send: async () => enrolment(await craftedRequest({ subject: commonName("GOOD-1"), attributes }), [], path),
  };
}

function ofDevice(name: string, as: As): Refused {
  return {
    status: 403,
    code: "not-allowed",
    says: notHere,
    send: async () => enrolment(await craftedRequest({ subject: serialNumber(name) })),
    as,
  };
}
