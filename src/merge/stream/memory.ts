/** How a memory budget becomes the size of the stream's buffers. */
import type { MergePlan } from '../plan.js';
import { MemoryBudgetError } from './errors.js';
import { BLOCK, storedPieceBlocks } from './scratch.js';

/** Chunks in flight of a lane: one is read, one is computed, one is written. */
export const SLOTS = 3;
/** Resident memory of the process before its buffers; measured, rounded up. */
const PROCESS_BYTES = 130e6;
/** And of a lane, in a thread or in place: the heap of its JavaScript, with room for what methods keep. */
const LANE_BYTES = 30e6;
/** With larger chunks the slots of all lanes outgrow the last-level cache, and every byte goes through memory once more. */
const USUAL_SLOT = 12 << 20;
/** Elements of a chunk that lies in files, whatever else: how soon a merge can stop, and how often it tells of its progress. */
const FILE_CHUNK = 1 << 22;
/** Float32 vectors of a piece that a lane holds besides the inputs: the result and the scratch of methods. */
const SCRATCH_VECTORS = 4;
/** Of what a lane has, the part for what methods keep to save time. */
const SPARE = 1 / 4;

/** The buffers of a stream. */
export interface MemoryPlan {
  readonly budget: number;
  readonly lanes: number;
  /** Bytes that the budget leaves for matrices while the stream does not run. */
  readonly free: number;
  /** Usual bytes of a slot: stored inputs and output of a chunk. */
  readonly slotBytes: number;
  /** Bytes that the slots of a lane may take where a method wants more at once. */
  readonly laneBytes: number;
  /** Bytes of a lane besides, which methods may keep to save time. */
  readonly spareBytes: number;
  /** Bytes that the process and its lanes take before their slots. */
  readonly fixed: number;
}

/**
 * @param budget - bytes of resident memory.
 * @param workers - threads that compute; 0: this one does.
 */
export function planMemory({ outputs }: Pick<MergePlan, 'outputs'>, budget: number, workers = 0): MemoryPlan {
  const lanes = Math.max(1, workers);
  const mostInputs = outputs.reduce((most, { inputs }) => Math.max(most, inputs.length), 0);
  // Pieces of 16-bit floats as they are stored: all inputs and the result.
  const stored = storedPieceBlocks(mostInputs) * 2 * (mostInputs + 1);
  const scratch = Math.max((mostInputs + SCRATCH_VECTORS) * 4, stored) * BLOCK;
  const fixed = PROCESS_BYTES + lanes * (LANE_BYTES + scratch);
  const free = Math.max(0, budget - fixed);
  const spareBytes = Math.floor((free / lanes) * SPARE);
  const laneBytes = Math.floor(free / lanes) - spareBytes;
  const slotBytes = Math.min(USUAL_SLOT, Math.floor(laneBytes / SLOTS));
  return { budget, lanes, free, slotBytes, laneBytes, spareBytes, fixed };
}

/** A tensor, or a share of one, that is to be cut into chunks. */
export interface ChunkNeeds {
  readonly tensor: string;
  readonly size: number;
  /** Chunks begin at multiples of so many elements. */
  readonly unit: number;
  /** Number of inputs. */
  readonly inputs: number;
  /** Stored bytes of an element of those inputs, and of the output, that go through a slot. */
  readonly slotWidth: number;
  /** The same for those that the lane reads from files, and writes to one, by itself. */
  readonly fileWidth: number;
  /** Bytes that the method keeps besides a few blocks. */
  readonly workingBytes: number;
}

/** Bytes that a chunk of one unit takes: in each slot besides what is stored, in the lane besides its slots, and in all. */
function leastOf({ size, unit, inputs, slotWidth, fileWidth, workingBytes }: ChunkNeeds) {
  const first = Math.min(unit, size);
  // Places are aligned to 64 bytes.
  const aligning = 64 * (inputs + 1);
  // Units beyond the usual piece are read and widened whole.
  const piece = Math.max(0, first - BLOCK) * (4 * (inputs + SCRATCH_VECTORS) + fileWidth);
  const besides = piece + workingBytes;
  return { aligning, besides, least: (first * slotWidth + aligning) * SLOTS + besides };
}

/** Whether a lane has room for all stored inputs of a tensor beside its slots, so that they are read once for all passes. */
export function keepsInputs(memory: MemoryPlan, needs: ChunkNeeds): boolean {
  const room = memory.laneBytes - SLOTS * memory.slotBytes - leastOf(needs).besides;
  return needs.slotWidth === 0 && needs.size * needs.fileWidth <= room;
}

/**
 * Elements of a chunk: all where they fit, else as many units as do, and one at the least.
 *
 * @param others - whatever else needs memory in this merge, asked for where the budget is too small: what the error names suffices for all.
 * @throws {MemoryBudgetError} if not even one unit fits, for the tensor that needs most.
 */
export function chunkElements(
  memory: MemoryPlan,
  needs: ChunkNeeds,
  others: () => readonly ChunkNeeds[],
): number {
  const { size, unit, slotWidth } = needs;
  const { aligning, besides, least } = leastOf(needs);
  if (least > memory.laneBytes) {
    const [{ tensor, bytes }] = [needs, ...others()]
      .map((each) => ({ tensor: each.tensor, bytes: leastOf(each).least }))
      .toSorted((a, b) => b.bytes - a.bytes);
    throw new MemoryBudgetError(
      tensor,
      memory.fixed + Math.ceil(bytes / (1 - SPARE)) * memory.lanes,
      memory.budget,
    );
  }
  const room = Math.min(memory.slotBytes, Math.floor((memory.laneBytes - besides) / SLOTS)) - aligning;
  const most = slotWidth === 0 ? FILE_CHUNK : Math.floor(room / slotWidth);
  return size <= most ? size : Math.max(unit, Math.floor(most / unit) * unit);
}

/** Bytes of a slot that holds vectors of these lengths. */
export function slotFor(lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + Math.ceil(length / 64) * 64, 0);
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
