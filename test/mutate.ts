/**
 * Seeded, structure-aware damage to a sample: flipped bits, cuts, insertions, tampered length octets, doubled pieces. The
 * same seed gives the same mutations. Decoders are held against them: they answer with a value or with their own error.
 */
export function* mutations(seed: number, sample: Uint8Array, count: number): Generator<Uint8Array> {
  const random = mulberry32(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const kinds = [flipBit, setOctet, cut, truncate, insert, duplicate, tamperLength, swap] as const;
  for (let i = 0; i < count; i += 1) {
    let mutation = Uint8Array.from(sample);
    // Mostly one change: several at once are refused early and reach less code.
    const changes = below(4) === 0 ? 2 + below(3) : 1;
    for (let change = 0; change < changes; change += 1) {
      const mutate = kinds[below(kinds.length)] ?? flipBit;
      mutation = mutate(mutation, below);
    }
    yield mutation;
  }
}

type Below = (limit: number) => number;
type Bytes = Uint8Array<ArrayBuffer>;

function flipBit(bytes: Bytes, below: Below): Bytes {
  if (bytes.length === 0) return Uint8Array.of(below(256));
  const at = below(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
  return bytes;
}

function setOctet(bytes: Bytes, below: Below): Bytes {
  if (bytes.length === 0) return bytes;
  bytes[below(bytes.length)] = telling[below(telling.length)] ?? 0;
  return bytes;
}

function cut(bytes: Bytes, below: Below): Bytes {
  const at = below(bytes.length + 1);
  return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + below(8)));
}

function truncate(bytes: Bytes, below: Below): Bytes {
  return bytes.slice(0, below(bytes.length + 1));
}

function insert(bytes: Bytes, below: Below): Bytes {
  const at = below(bytes.length + 1);
  const inserted = Uint8Array.from({ length: 1 + below(8) }, () => below(256));
  return joined(bytes.subarray(0, at), inserted, bytes.subarray(at));
}

function duplicate(bytes: Bytes, below: Below): Bytes {
  const at = below(bytes.length + 1);
  const end = Math.min(bytes.length, at + 1 + below(48));
  return joined(bytes.subarray(0, end), bytes.subarray(at, end), bytes.subarray(end));
}

/** Changes an octet that, by its distance to the end, may well be a length: one off, or a long or indefinite form. */
function tamperLength(bytes: Bytes, below: Below): Bytes {
  const candidates: number[] = [];
  for (let at = 1; at < bytes.length; at += 1) {
    const octet = bytes[at] ?? 0;
    if (octet >= 0x80 ? octet <= 0x84 : at + octet < bytes.length) candidates.push(at);
  }
  const at = candidates[below(candidates.length)];
  if (at === undefined) return bytes;
  const octet = bytes[at] ?? 0;
  bytes[at] = [octet + 1, octet - 1, 0, 0x7f, 0x80, 0x81, 0x84, 0xff][below(8)] ?? 0;
  return bytes;
}

function swap(bytes: Bytes, below: Below): Bytes {
  if (bytes.length === 0) return bytes;
  const a = below(bytes.length);
  const b = below(bytes.length);
  const first = bytes[a] ?? 0;
  bytes[a] = bytes[b] ?? 0;
  bytes[b] = first;
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Bytes {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** A small generator of 32-bit numbers whose sequence depends on nothing but the seed. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** Octets with a meaning in TLV formats: limits, ASN.1 types, context tags, CBOR breaks. */
const telling = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x17, 0x18, 0x30, 0x31, 0x7f, 0x80, 0xa0, 0xff];
