import { getHeapStatistics } from "node:v8";

/** What one input may cost. */
interface Cost {
  /** Of this thread alone, so that a busy machine does not matter. */
  readonly milliseconds: number;
  /** On the heap, whether or not it was freed again. */
  readonly heap: number;
  /** In array buffers. */
  readonly buffers: number;
}

/** Runs `answer` for one input and gives what it gives; throws as well when it took longer, or more memory, than is allowed. */
export async function withinBudget<T>(input: Uint8Array, answer: (input: Uint8Array) => T | Promise<T>): Promise<T> {
  const before = spent();
  const value = await answer(input);
  const after = spent();
  const allowed = {
    milliseconds: mostMilliseconds,
    heap: baseHeap + heapPerOctet * input.length,
    buffers: baseBuffers + buffersPerOctet * input.length,
  };
  for (const what of ["milliseconds", "heap", "buffers"] as const) {
    const cost = after[what] - before[what];
    if (cost > allowed[what])
      throw new Error(`${input.length} octets took ${Math.round(cost)} (${what}), more than ${allowed[what]}`);
  }
  return value;
}

function spent(): Cost {
  const { user, system } = process.threadCpuUsage();
  const { total_allocated_bytes, external_memory } = getHeapStatistics();
  return { milliseconds: (user + system) / 1000, heap: total_allocated_bytes, buffers: external_memory };
}

/** Far above what any input takes, reading it several times and comparing included: what is not bounded takes more. */
const mostMilliseconds = 250;
const baseHeap = 8 * 1024 * 1024;
const heapPerOctet = 2048;
const baseBuffers = 256 * 1024;
const buffersPerOctet = 64;
