/** How a memory budget becomes the size of the stream's buffers. */
import { MemoryBudgetError } from './errors.js';
import { BLOCK } from './tensor-task.js';

/** Chunks in flight of a lane: one is read, one is computed, one is written. */
export const SLOTS = 3;
/** Resident memory of the process before its buffers, and of a thread, with room for what methods keep; measured, rounded up. */
const PROCESS_BYTES = 130e6;
const THREAD_BYTES = 30e6;
/** A larger chunk reads no faster. */
const LARGEST_SLOT = 96 << 20;
/** Float32 vectors of a piece that a lane holds besides the inputs: the result and the scratch of methods. */
const SCRATCH_VECTORS = 4;

/** The buffers of a stream. */
export interface MemoryPlan {
  readonly budget: number;
  readonly lanes: number;
  /** Bytes that the budget leaves for matrices while the stream does not run. */
  readonly free: number;
  /** Bytes of a slot: stored inputs and output of a chunk. */
  readonly slotBytes: number;
}

export function planMemory(budget: number, lanes: number, threads: boolean, mostInputs: number): MemoryPlan {
  const scratch = (mostInputs + SCRATCH_VECTORS) * BLOCK * 4;
  const fixed = PROCESS_BYTES + lanes * ((threads ? THREAD_BYTES : 0) + scratch);
  const slotBytes = Math.min(LARGEST_SLOT, Math.floor((budget - fixed) / lanes / SLOTS));
  return { budget, lanes, free: Math.max(0, budget - fixed), slotBytes: Math.max(0, slotBytes) };
}

/**
 * Elements of a chunk: all where they fit, else as many units as do.
 *
 * @param elementBytes - stored bytes of an element of every input and of the output together.
 * @throws {MemoryBudgetError} if not even one unit fits.
 */
export function chunkElements(
  memory: MemoryPlan,
  tensor: string,
  size: number,
  unit: number,
  elementBytes: number,
  vectors: number,
): number {
  // Places are aligned to 64 bytes.
  const room = memory.slotBytes - 64 * (vectors + 1);
  // Units beyond the usual piece are widened whole.
  const widened = Math.max(0, Math.min(unit, size) - BLOCK) * 4 * (vectors + SCRATCH_VECTORS);
  const least = Math.min(unit, size) * elementBytes + widened;
  if (least > room)
    throw new MemoryBudgetError(tensor, memory.budget + (least - room) * memory.lanes * SLOTS, memory.budget);
  const most = Math.floor((room - widened) / elementBytes);
  return size <= most ? size : Math.max(unit, Math.floor(most / unit) * unit);
}

/** Places of consecutive vectors in a slot. */
export function carve(slot: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  let at = 0;
  return lengths.map((length) => {
    const place = slot.subarray(at, at + length);
    at = Math.ceil((at + length) / 64) * 64;
    return place;
  });
}
