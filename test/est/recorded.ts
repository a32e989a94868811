import type { Headers } from "../../src/transport/http/message.ts";

export interface RecordedAnswer {
  /** Who sent it, and what is peculiar to it. */
  readonly server: string;
  readonly headers: Headers;
  readonly body: string;
}

/** How a client put its request onto the wire. */
export interface RecordedClient {
  readonly client: string;
  /** Its header fields besides Host, the credentials and the framing. */
  readonly fields: readonly string[];
  /** The body that it makes of base64 without line ends. */
  readonly layout: (line: string) => string;
  /** Sent without Content-Length, in one chunk. */
  readonly chunked?: boolean;
  /** How it needs the answer: strongSwan breaks on line feeds, libest on long lines. */
  readonly answer: "line" | "wrapped";
}

const linesOf = (length: number, end: string) => (line: string) =>
  (line.match(new RegExp(`.{1,${length}}`, "g")) ?? []).map((each) => each + end).join("");

/** How the clients of `interop/` send a request to simpleenroll, recorded from each. */
export const recordedClients: readonly RecordedClient[] = [
  {
    client: "strongSwan pki 5.9.8",
    fields: ["Content-Type: application/pkcs10"],
    layout: (line) => line,
    answer: "line",
  },
  {
    client: "libest 3.2.0",
    fields: ["User-Agent: libest 3.2.0p", "Connection: close", "Accept: */*", "Content-Type: application/pkcs10"],
    layout: linesOf(64, "\n"),
    answer: "wrapped",
  },
  {
    client: "GlobalSign EST Client 1.0.6",
    fields: [
      "User-Agent: GlobalSign EST Client v1.0.6 github.com/globalsign/est",
      "Accept: application/pkcs7-mime",
      "Content-Transfer-Encoding: base64",
      "Content-Type: application/pkcs10",
      "Accept-Encoding: gzip",
    ],
    layout: linesOf(76, "\r\n"),
    chunked: true,
    answer: "line",
  },
  {
    client: "curl with base64 of the GNU core utilities",
    fields: ["User-Agent: curl/7.88.1", "Accept: */*", "Content-Type: application/pkcs10"],
    layout: linesOf(76, "\n"),
    answer: "line",
  },
];

/**
 * How the peers of `interop/` put cacerts onto the wire, recorded from each: the same one certificate of a CA three times,
 * and no two messages or layouts alike.
 */
export const recordedAnswers: readonly RecordedAnswer[] = [
  {
    server: "GlobalSign EST Server 1.0.6: lines of 76 with CR LF, an empty crls",
    headers: [
      ["Content-Transfer-Encoding", "base64"],
      ["Content-Type", "application/pkcs7-mime"],
    ],
    body: `${[
      "MIIBtgYJKoZIhvcNAQcCoIIBpzCCAaMCAQExADALBgkqhkiG9w0BBwGgggGJMIIBhTCCASugAwIB",
      "AgIUGobaKNdpJc/toNUiXp0t5E0lThAwCgYIKoZIzj0EAwIwEDEOMAwGA1UEAwwFY2FwY2EwHhcN",
      "MjYxMTIzMDMzODUwWhcNMjYxMjIzMDMzODUwWjAQMQ4wDAYDVQQDDAVjYXBjYTBZMBMGByqGSM49",
      "AgEGCCqGSM49AwEHA0IABFEIh/+/uhsk3bW9Sn35yeMRDrDmZ64o3RNvEWD4xBS190bFf1FuqNsk",
      "5Le7qprIlaU5eRHZF5zjGO2NQKBLvQyjYzBhMB0GA1UdDgQWBBTJHIKKs8ZdyG5YBScEX3mgAyMZ",
      "BTAfBgNVHSMEGDAWgBTJHIKKs8ZdyG5YBScEX3mgAyMZBTAPBgNVHRMBAf8EBTADAQH/MA4GA1Ud",
      "DwEB/wQEAwIBBjAKBggqhkjOPQQDAgNIADBFAiBOrSSdvCwooRo0V+Cw8Ppxxf5m7kz2Areyp8QW",
      "GhYSDwIhANupC0U7zp2WpYODnc3IXbnSXbSw04WK0ilWj5/vLsvqoQAxAA==",
    ].join("\r\n")}\r\n`,
  },
  {
    server: "libest 3.2.0: lines of 64 with LF, no crls",
    headers: [
      ["Status", "200 OK"],
      ["Content-Type", "application/pkcs7-mime"],
      ["Content-Transfer-Encoding", "base64"],
    ],
    body: `${[
      "MIIBtAYJKoZIhvcNAQcCoIIBpTCCAaECAQExADALBgkqhkiG9w0BBwGgggGJMIIB",
      "hTCCASugAwIBAgIUGobaKNdpJc/toNUiXp0t5E0lThAwCgYIKoZIzj0EAwIwEDEO",
      "MAwGA1UEAwwFY2FwY2EwHhcNMjYxMTIzMDMzODUwWhcNMjYxMjIzMDMzODUwWjAQ",
      "MQ4wDAYDVQQDDAVjYXBjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFEIh/+/",
      "uhsk3bW9Sn35yeMRDrDmZ64o3RNvEWD4xBS190bFf1FuqNsk5Le7qprIlaU5eRHZ",
      "F5zjGO2NQKBLvQyjYzBhMB0GA1UdDgQWBBTJHIKKs8ZdyG5YBScEX3mgAyMZBTAf",
      "BgNVHSMEGDAWgBTJHIKKs8ZdyG5YBScEX3mgAyMZBTAPBgNVHRMBAf8EBTADAQH/",
      "MA4GA1UdDwEB/wQEAwIBBjAKBggqhkjOPQQDAgNIADBFAiBOrSSdvCwooRo0V+Cw",
      "8Ppxxf5m7kz2Areyp8QWGhYSDwIhANupC0U7zp2WpYODnc3IXbnSXbSw04WK0ilW",
      "j5/vLsvqMQA=",
    ].join("\n")}\n`,
  },
  {
    server: "foundriesio estserver: one line, no Content-Transfer-Encoding, an empty content",
    headers: [["Content-Type", "application/pkcs7-mime"]],
    body: [
      "MIIBuAYJKoZIhvcNAQcCoIIBqTCCAaUCAQExADAPBgkqhkiG9w0BBwGgAgQAoIIBiTCCAYUwggEroAMCAQICFBqG2ijXaSXP7aDV",
      "Il6dLeRNJU4QMAoGCCqGSM49BAMCMBAxDjAMBgNVBAMMBWNhcGNhMB4XDTI2MTEyMzAzMzg1MFoXDTI2MTIyMzAzMzg1MFowEDEO",
      "MAwGA1UEAwwFY2FwY2EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARRCIf/v7obJN21vUp9+cnjEQ6w5meuKN0TbxFg+MQUtfdG",
      "xX9RbqjbJOS3u6qayJWlOXkR2Rec4xjtjUCgS70Mo2MwYTAdBgNVHQ4EFgQUyRyCirPGXchuWAUnBF95oAMjGQUwHwYDVR0jBBgw",
      "FoAUyRyCirPGXchuWAUnBF95oAMjGQUwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwIDSAAwRQIg",
      "Tq0knbwsKKEaNFfgsPD6ccX+Zu5M9gK3sqfEFhoWEg8CIQDbqQtFO86dlqWDg53NyF250l20sNOFitIpVo+f7y7L6jEA",
    ].join(""),
  },
];
