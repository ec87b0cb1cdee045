/** Walking a tensor in pieces of a fixed shape, so that the size of the stream's chunks cannot change a bit. */
import type { StatisticsPass } from './method.js';

/** Elements of a block of the sum rule (docs/kernels.md). */
export const kBlock = 65_536;
/** Elements combined at a time: scratch vectors of this size for a handful of models stay in the L2 cache. */
export const kPiece = 16_384;

/** Calls use(begin, end) for consecutive pieces of [0, n). */
export function forEachPiece(n: number, use: (begin: number, end: number) => void, piece = kPiece): void {
  for (let begin = 0; begin < n; begin += piece) use(begin, Math.min(n, begin + piece));
}

export const slices = (arrays: readonly Float32Array[], begin: number, end: number): Float32Array[] =>
  begin === 0 && arrays.every((array) => array.length === end)
    ? [...arrays]
    : arrays.map((array) => array.subarray(begin, end));

/** Blocks that no pass holds: new ones for every tensor, left to the garbage collector, would come on top of a memory budget. */
const spareBlocks: Float32Array[] = [];

/**
 * A statistics pass over whole blocks of 65,536 elements, counted from the start of the tensor: what is left of a block at the end
 * of a chunk waits for the next. Chunks that are multiples of the block are passed on uncopied.
 *
 * @param size - elements of the tensor.
 * @param accept - keeps none of what it is given.
 */
export function blockedPass(
  size: number,
  accept: (inputs: readonly Float32Array[], offset: number) => void,
  end?: () => void,
): StatisticsPass {
  const held: Float32Array[] = [];
  let heldCount = 0;
  let heldOffset = 0;
  return {
    accept(inputs, offset) {
      const { length } = inputs[0];
      let at = 0;
      while (at < length) {
        const position = offset + at;
        const inBlock = position % kBlock;
        const left = length - at;
        if (inBlock === 0 && (left >= kBlock || position + left === size)) {
          const whole = position + left === size ? left : left - (left % kBlock);
          accept(slices(inputs, at, at + whole), position);
          at += whole;
          continue;
        }
        if (held.length === 0) held.push(...inputs.map(() => spareBlocks.pop() ?? new Float32Array(kBlock)));
        if (heldCount === 0) heldOffset = position;
        const count = Math.min(kBlock - inBlock, left);
        for (let k = 0; k < held.length; k++) held[k].set(inputs[k].subarray(at, at + count), heldCount);
        heldCount += count;
        at += count;
        if (heldCount === kBlock || heldOffset + heldCount === size) {
          accept(
            held.map((array) => array.subarray(0, heldCount)),
            heldOffset,
          );
          heldCount = 0;
        }
      }
      if (offset + length === size) spareBlocks.push(...held.splice(0));
    },
    end,
  };
}
