// Inner products of models, or of their differences to a base.
import { dotOfBlock } from './dots';
import { kSingle, shiftOf } from './stored';

const kBlock: usize = 65536;

function addDeltaGram(
  format: u32,
  gram: usize,
  baseSquare: usize,
  vectors: usize,
  base: usize,
  lists: usize,
  n: usize,
): void {
  const shift = shiftOf(format);
  for (let start: usize = 0; start < n; start += kBlock) {
    const count = min(n - start, kBlock);
    const at = start << shift;
    const b = base ? base + at : 0;
    for (let i: usize = 0; i < lists; i++)
      for (let j = i; j < lists; j++) {
        const p = gram + ((i * lists + j) << 3);
        const u = load<usize>(vectors + (i << 2)) + at;
        const v = load<usize>(vectors + (j << 2)) + at;
        store<f64>(p, load<f64>(p) + dotOfBlock(format, u, v, b, count));
      }
    if (base) store<f64>(baseSquare, load<f64>(baseSquare) + dotOfBlock(format, b, b, 0, count));
  }
}

export function addDeltaGramF32(
  gram: usize,
  baseSquare: usize,
  vectors: usize,
  base: usize,
  lists: usize,
  n: usize,
): void {
  addDeltaGram(kSingle, gram, baseSquare, vectors, base, lists, n);
}

export function addDeltaGramHalf(
  gram: usize,
  baseSquare: usize,
  vectors: usize,
  base: usize,
  lists: usize,
  n: usize,
  format: u32,
): void {
  addDeltaGram(format, gram, baseSquare, vectors, base, lists, n);
}
