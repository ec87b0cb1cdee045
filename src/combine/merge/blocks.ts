/** Walking a tensor in pieces of a fixed shape, so that the size of the stream's chunks cannot change a bit. */

/** Elements of a block of the sum rule (docs/kernels.md). */
export const kBlock = 65_536;
/** Elements combined at a time: scratch vectors of this size for a handful of models stay in the L2 cache. */
export const kPiece = 16_384;

/** Calls use(begin, end) for consecutive pieces of [0, n). */
export function forEachPiece(n: number, use: (begin: number, end: number) => void, piece = kPiece): void {
  for (let begin = 0; begin < n; begin += piece) use(begin, Math.min(n, begin + piece));
}

/** Values, or codes of 16-bit floats. */
type Vector = Float32Array | Uint16Array;

export const slices = <T extends Vector>(arrays: readonly T[], begin: number, end: number): T[] =>
  begin === 0 && arrays.every((array) => array.length === end)
    ? [...arrays]
    : arrays.map((array) => array.subarray(begin, end) as T);

/** Blocks that no pass holds: new ones for every tensor, left to the garbage collector, would come on top of a memory budget. */
const spareBlocks = { values: [] as Float32Array[], codes: [] as Uint16Array[] };

function takeBlock<T extends Vector>(like: T): T {
  const { values, codes } = spareBlocks;
  return (
    like instanceof Uint16Array
      ? (codes.pop() ?? new Uint16Array(kBlock))
      : (values.pop() ?? new Float32Array(kBlock))
  ) as T;
}

function giveBack(blocks: readonly Vector[]): void {
  for (const block of blocks)
    if (block instanceof Uint16Array) spareBlocks.codes.push(block);
    else spareBlocks.values.push(block);
}

/**
 * A statistics pass over whole blocks of 65,536 elements, counted from the start of the tensor: what is left of a block at the end
 * of a chunk waits for the next. Chunks that are multiples of the block are passed on uncopied.
 *
 * @param size - elements of the tensor.
 * @param accept - keeps none of what it is given.
 */
export function blockedPass<T extends Vector = Float32Array>(
  size: number,
  accept: (inputs: readonly T[], offset: number) => void,
  end?: () => void,
): { accept(inputs: readonly T[], offset: number): void; end?: () => void } {
  const held: T[] = [];
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
        if (held.length === 0) held.push(...inputs.map(takeBlock));
        if (heldCount === 0) heldOffset = position;
        const count = Math.min(kBlock - inBlock, left);
        for (let k = 0; k < held.length; k++) held[k].set(inputs[k].subarray(at, at + count), heldCount);
        heldCount += count;
        at += count;
        if (heldCount === kBlock || heldOffset + heldCount === size) {
          accept(slices(held, 0, heldCount), heldOffset);
          heldCount = 0;
        }
      }
      if (offset + length === size) giveBack(held.splice(0));
    },
    end,
  };
}
