/** What one device listener allows; times in milliseconds. */
export interface HttpLimits {
  /** Body of a request that no route takes; each route has its own limit. */
  readonly bodyBytes: number;
  /** Request line and header fields together. */
  readonly headerBytes: number;
  /** Header fields in one request. */
  readonly headerFields: number;
  /** From the handshake, or from the first byte of a later request, to the end of the header. */
  readonly headersTimeout: number;
  /** The same to the end of the body; at least `headersTimeout`. */
  readonly requestTimeout: number;
  /** Silence between two requests. At least 2,000: a shorter one is advertised as 0 or 1 s and clients then do not reuse the connection. */
  readonly keepAliveTimeout: number;
  readonly requestsPerConnection: number;
  /** Requests of one connection that wait for their turn. */
  readonly pipelinedRequests: number;
  /** Connections that are served; a tenth more are answered with 503, others are dropped at once. */
  readonly connections: number;
  /** Connections of one address; others are dropped before the handshake. An IPv6 address counts by itself. */
  readonly connectionsPerAddress: number;
  readonly handshakeTimeout: number;
}

/** Enough for every onboarding message over HTTP, and little enough that a stranger cannot fill the memory. */
export const defaultHttpLimits: HttpLimits = {
  bodyBytes: 64 * 1024,
  headerBytes: 16 * 1024,
  headerFields: 100,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  requestsPerConnection: 1_000,
  pipelinedRequests: 8,
  connections: 10_000,
  connectionsPerAddress: 2_000,
  handshakeTimeout: 10_000,
};
