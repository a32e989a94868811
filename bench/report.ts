import type { PublicKeyFloors } from "./floors.ts";
import { median, percentile, table } from "./measure.ts";
import type { Rows } from "./rows.ts";

/** One way in which devices arrive. */
export interface Scenario {
  readonly name: string;
  /** `kept`: the handshake, and one reading of the CA's certificates, are over before the measured phase. */
  readonly connection: "kept" | "new";
  /** Devices that wait for an answer at the same time. */
  readonly inFlight: number;
  /** Devices in one batch. */
  readonly count: number;
}

/** One batch against one server. */
export interface Sample {
  /** Wall time of the batch. */
  readonly milliseconds: number;
  /** CPU microseconds of the server process for one device. */
  readonly cpu: number;
  /** Milliseconds from the begin of the connection, or of the request on a kept one, to the end of the answer. */
  readonly latencies: readonly number[];
  /** TCP payload of one device in both directions. */
  readonly bytes: number;
}

export interface Measured {
  readonly machine: {
    readonly node: string;
    readonly processors: number;
    /** Load average of the last minute before the first round: more than a little spoils wall times, and CPU times through shared caches. */
    readonly load: number;
  };
  readonly tls: string;
  /** Public-key operations of one enrolment outside TLS, as the ledger counts them. */
  readonly operations: { readonly sign: number; readonly verify: number };
  /** What one enrolment adds to the database. */
  readonly rows: readonly Rows[];
  /** CPU microseconds. */
  readonly floors: PublicKeyFloors;
  readonly scenarios: readonly {
    readonly scenario: Scenario;
    /** One for each round, as in the others. */
    readonly service: readonly Sample[];
    readonly bare: readonly Sample[];
    /** CPU microseconds for the rows of one enrolment, with as many enrolments in one transaction as are in flight. */
    readonly durable: readonly number[];
  }[];
}

/** The figures of one run, medians over its rounds. CPU times are microseconds of the server process. */
export interface Figures extends Omit<Measured, "scenarios"> {
  readonly rounds: number;
  readonly variants: readonly VariantFigures[];
}

export interface VariantFigures extends Scenario {
  readonly cpu: number;
  /** The least and the most of all rounds. */
  readonly cpuRange: readonly [number, number];
  readonly floor: {
    /** Bare HTTPS exchange, with its handshake when the connection is new. */
    readonly request: number;
    readonly publicKey: number;
    readonly rows: number;
    readonly total: number;
  };
  /** `cpu` over the floor's total. */
  readonly ratio: number;
  /** Wall time, with the load generator on the same machine. */
  readonly perSecond: number;
  readonly perCpuSecond: number;
  /** Milliseconds, over all rounds. */
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly bytes: number;
  /** Counted from the versions of TCP and TLS. */
  readonly roundTrips: number;
}

export function figuresOf({ scenarios, ...measured }: Measured): Figures {
  const { floors, operations, tls } = measured;
  const publicKey = operations.sign * floors.sign + operations.verify * floors.verify;
  const variants = scenarios.map(({ scenario, service, bare, durable }): VariantFigures => {
    const cpus = service.map(({ cpu }) => cpu);
    const cpu = median(cpus);
    const request = median(bare.map((sample) => sample.cpu));
    const rows = median(durable);
    const total = request + publicKey + rows;
    const latencies = service.flatMap((sample) => sample.latencies);
    // RFC 8446 2: one for the handshake of TLS 1.3; RFC 5246 7.3: two for that of TLS 1.2.
    const connecting = 1 + (tls === "TLSv1.3" ? 1 : 2);
    return {
      ...scenario,
      cpu,
      cpuRange: [Math.min(...cpus), Math.max(...cpus)],
      floor: { request, publicKey, rows, total },
      ratio: cpu / total,
      perSecond: median(service.map(({ milliseconds }) => (1000 * scenario.count) / milliseconds)),
      perCpuSecond: 1_000_000 / cpu,
      latency: { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) },
      bytes: median(service.map(({ bytes }) => bytes)),
      roundTrips: scenario.connection === "kept" ? 1 : connecting + 1,
    };
  });
  return { ...measured, rounds: scenarios[0]?.service.length ?? 0, variants };
}

/** The figures for people, as two tables in Markdown. */
export function textOf(figures: Figures): string {
  const { machine, tls, operations, rows, floors, rounds, variants } = figures;
  const whole = (value: number) => value.toFixed(0);
  const [first] = variants;
  return [
    "EST enrolments, each of another device with its manufacturer's certificate (est/idevid), ledger and durable store on.",
    `${machine.node}, ${machine.processors} processors (load ${machine.load.toFixed(1)} before), ${tls}, P-256; median of ${rounds} interleaved rounds of up to ${first?.count} devices.`,
    "CPU is of the server process, in microseconds for one enrolment; latency in milliseconds.",
    "",
    table(
      [
        "variant",
        "in flight",
        "CPU us",
        "range",
        "floor us",
        "ratio",
        "per second",
        "per CPU s",
        "p50",
        "p99",
        "bytes",
        "round trips",
      ],
      variants.map((variant) => [
        variant.name,
        String(variant.inFlight),
        whole(variant.cpu),
        variant.cpuRange.map(whole).join("-"),
        whole(variant.floor.total),
        variant.ratio.toFixed(2),
        whole(variant.perSecond),
        whole(variant.perCpuSecond),
        variant.latency.p50.toFixed(1),
        variant.latency.p99.toFixed(1),
        whole(variant.bytes),
        String(variant.roundTrips),
      ]),
    ),
    "",
    table(
      ["floor of", "bare HTTPS", "public key", "durable rows", "sum"],
      variants.map(({ name, floor }) => [
        name,
        whole(floor.request),
        whole(floor.publicKey),
        whole(floor.rows),
        whole(floor.total),
      ]),
    ),
    "",
    `Public key: ${operations.verify} x verify (${whole(floors.verify)}) and ${operations.sign} x sign (${whole(floors.sign)}); a key pair and agreement takes ${whole(floors.agree)}, inside the handshake.`,
    `Durable rows: ${rows.map(({ table, count, bytes }) => `${count} ${table} (${bytes} bytes)`).join(", ")}.`,
  ].join("\n");
}
