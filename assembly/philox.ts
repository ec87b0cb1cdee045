// Philox4x32-10 (Salmon et al. 2011), four blocks at a time: lane j of each word vector belongs to block j.

const kMul0: u32 = 0xd2511f53;
const kMul1: u32 = 0xcd9e8d57;
const kWeyl0: u32 = 0x9e3779b9;
const kWeyl1: u32 = 0xbb67ae85;

/** Where a stream lies; set by `openStream` at the start of each kernel. */
let key0: u32 = 0;
let key1: u32 = 0;
let firstBlock: u64 = 0;
let counter2: u32 = 0;
let counter3: u32 = 0;

/** Elements in one piece of a stream: what `fillWords` makes at a time. */
export const kPiece: usize = 512;
/** Words of one piece. */
export const pieceWords: usize = memory.data(2048, 16);

export function openStream(k0: u32, k1: u32, blockLow: u32, blockHigh: u32, step: u32, site: u32): void {
  key0 = k0;
  key1 = k1;
  firstBlock = ((<u64>blockHigh) << 32) | blockLow;
  counter2 = step;
  counter3 = site;
}

// @ts-ignore: decorator
@inline
function lowWords(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
}

// @ts-ignore: decorator
@inline
function highWords(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

/**
 * Words of `groups` times four blocks from block `index` of the stream on, to `out`: for each group, word 0 of its four
 * blocks, then word 1, 2 and 3, 64 bytes in all.
 */
export function fillWordVectors(out: usize, index: u64, groups: usize): void {
  const mul0 = i32x4.splat(kMul0);
  const mul1 = i32x4.splat(kMul1);
  const weyl0 = i32x4.splat(kWeyl0);
  const weyl1 = i32x4.splat(kWeyl1);
  const lanes = i32x4(0, 1, 2, 3);
  let block = firstBlock + index;
  for (const end = out + (groups << 6); out < end; out += 64, block += 4) {
    const low = i32x4.splat(<i32>block);
    let x0 = i32x4.add(low, lanes);
    // The compare is -1 in the lanes whose low word wrapped.
    let x1 = i32x4.sub(i32x4.splat(<i32>(block >> 32)), i32x4.lt_u(x0, low));
    let x2 = i32x4.splat(counter2);
    let x3 = i32x4.splat(counter3);
    let k0 = i32x4.splat(key0);
    let k1 = i32x4.splat(key1);
    for (let round = 0; round < 10; round++) {
      const a0 = i64x2.extmul_low_i32x4_u(x0, mul0);
      const a1 = i64x2.extmul_high_i32x4_u(x0, mul0);
      const b0 = i64x2.extmul_low_i32x4_u(x2, mul1);
      const b1 = i64x2.extmul_high_i32x4_u(x2, mul1);
      x0 = v128.xor(v128.xor(highWords(b0, b1), x1), k0);
      x2 = v128.xor(v128.xor(highWords(a0, a1), x3), k1);
      x1 = lowWords(b0, b1);
      x3 = lowWords(a0, a1);
      k0 = i32x4.add(k0, weyl0);
      k1 = i32x4.add(k1, weyl1);
    }
    v128.store(out, x0);
    v128.store(out, x1, 16);
    v128.store(out, x2, 32);
    v128.store(out, x3, 48);
  }
}

/** Turns the four vectors of each group at p, one a word, into four vectors, one a block: the order of elements. */
export function interleave(p: usize, groups: usize): void {
  for (const end = p + (groups << 6); p < end; p += 64) {
    const a = v128.load(p);
    const b = v128.load(p, 16);
    const c = v128.load(p, 32);
    const d = v128.load(p, 48);
    const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
    const ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const cd0 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    const cd1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    v128.store(p, v128.shuffle<i64>(ab0, cd0, 0, 2));
    v128.store(p, v128.shuffle<i64>(ab0, cd0, 1, 3), 16);
    v128.store(p, v128.shuffle<i64>(ab1, cd1, 0, 2), 32);
    v128.store(p, v128.shuffle<i64>(ab1, cd1, 1, 3), 48);
  }
}

/**
 * Words of elements [first, first + count) to `pieceWords`, count at most kPiece; `first` is a multiple of 4. Words beyond
 * the count, up to a multiple of 16, are written too.
 */
export function fillWords(first: usize, count: usize): void {
  const groups = (count + 15) >> 4;
  fillWordVectors(pieceWords, <u64>first >> 2, groups);
  interleave(pieceWords, groups);
}

/** Word 0 of the block at counter (c0, c1, step, site), for draws that take a variable number of blocks. */
export function philoxWord0(c0: u32, c1: u32): u32 {
  let x0 = c0;
  let x1 = c1;
  let x2 = counter2;
  let x3 = counter3;
  let k0 = key0;
  let k1 = key1;
  for (let round = 0; round < 10; round++) {
    const product0 = <u64>x0 * kMul0;
    const product1 = <u64>x2 * kMul1;
    x0 = <u32>(product1 >> 32) ^ x1 ^ k0;
    x1 = <u32>product1;
    x2 = <u32>(product0 >> 32) ^ x3 ^ k1;
    x3 = <u32>product0;
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return x0;
}
