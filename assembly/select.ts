// Exact selection by magnitude, and gathers of rows and blocks.
import { scratch } from './scratch';

const kDigits: usize = 2048;
/** Two histograms in turn: neighbours often share a digit, and one counter would wait for its own store each time. */
const histogram: usize = scratch;

/** Rank that is left after `findDigit`. */
let rank: u32 = 0;

/** The digit that holds the element with `rank` larger ones before it, counting from the top; lowers `rank` to that within. */
function findDigit(digits: usize): u32 {
  let p = histogram + ((digits - 1) << 2);
  while (load<u32>(p) <= rank) {
    rank -= load<u32>(p);
    p -= 4;
  }
  return <u32>((p - histogram) >> 2);
}

// @ts-ignore: decorator
@inline
function count(table: usize, digit: u32): void {
  const p = table + (<usize>digit << 2);
  store<u32>(p, load<u32>(p) + 1);
}

/** Counts the next 10 bits of the magnitudes that start with `prefix`. */
function countDigits(x: usize, n: usize, prefix: u32, prefixShift: u32, shift: u32): void {
  memory.fill(histogram, 0, 4096);
  const end = x + (n << 2);
  const magnitude = i32x4.splat(0x7fffffff);
  const wanted = i32x4.splat(prefix);
  for (const bodyEnd = x + ((n & ~7) << 2); x < bodyEnd; x += 32) {
    const low = i32x4.shr_u(v128.and(v128.load(x), magnitude), prefixShift);
    const high = i32x4.shr_u(v128.and(v128.load(x, 16), magnitude), prefixShift);
    if (!v128.any_true(v128.or(i32x4.eq(low, wanted), i32x4.eq(high, wanted)))) continue;
    for (let p = x; p < x + 32; p += 4) {
      const m = load<u32>(p) & 0x7fffffff;
      if (m >> prefixShift == prefix) count(histogram, (m >> shift) & 1023);
    }
  }
  for (; x < end; x += 4) {
    const m = load<u32>(x) & 0x7fffffff;
    if (m >> prefixShift == prefix) count(histogram, (m >> shift) & 1023);
  }
}

// Radix selection from the top: 11, 10 and 10 bits of the 31-bit magnitude, each a pass with a histogram.
export function magnitudeThresholdF32(x: usize, n: usize, k: u32): f32 {
  if (k == 0) return Infinity;
  if (k > <u32>n) return 0;
  const second = histogram + (kDigits << 2);
  memory.fill(histogram, 0, kDigits << 3);
  const end = x + (n << 2);
  let p = x;
  for (const bodyEnd = x + ((n & ~1) << 2); p < bodyEnd; p += 8) {
    count(histogram, (load<u32>(p) & 0x7fffffff) >> 20);
    count(second, (load<u32>(p, 4) & 0x7fffffff) >> 20);
  }
  if (p < end) count(histogram, (load<u32>(p) & 0x7fffffff) >> 20);
  for (let d = histogram; d < second; d += 16)
    v128.store(d, i32x4.add(v128.load(d), v128.load(d + (kDigits << 2))));
  rank = k - 1;
  let prefix = findDigit(kDigits);
  countDigits(x, n, prefix, 20, 10);
  prefix = (prefix << 10) | findDigit(1024);
  countDigits(x, n, prefix, 10, 0);
  return reinterpret<f32>((prefix << 10) | findDigit(1024));
}

// @ts-ignore: decorator
@inline
function copyRun(dst: usize, src: usize, n: usize): void {
  if (n >= 256) {
    memory.copy(dst, src, n << 2);
    return;
  }
  const end = dst + (n << 2);
  for (const bodyEnd = dst + ((n & ~3) << 2); dst < bodyEnd; dst += 16, src += 16) v128.store(dst, v128.load(src));
  for (; dst < end; dst += 4, src += 4) store<u32>(dst, load<u32>(src));
}

export function gatherBlocksF32(
  dst: usize,
  src: usize,
  rows: usize,
  columns: usize,
  rowCount: usize,
  columnCount: usize,
  _sourceRows: u32,
  sourceColumns: u32,
  inner: u32,
): void {
  const run = <usize>inner << 2;
  for (let r: usize = 0; r < rowCount; r++) {
    const row = src + <usize>load<u32>(rows + (r << 2)) * sourceColumns * run;
    for (let c: usize = 0; c < columnCount; c++, dst += run)
      copyRun(dst, row + <usize>load<u32>(columns + (c << 2)) * run, inner);
  }
}

export function scatterBlocksF32(
  dst: usize,
  src: usize,
  rows: usize,
  columns: usize,
  rowCount: usize,
  columnCount: usize,
  _targetRows: u32,
  targetColumns: u32,
  inner: u32,
): void {
  const run = <usize>inner << 2;
  for (let r: usize = 0; r < rowCount; r++) {
    const row = dst + <usize>load<u32>(rows + (r << 2)) * targetColumns * run;
    for (let c: usize = 0; c < columnCount; c++, src += run)
      copyRun(row + <usize>load<u32>(columns + (c << 2)) * run, src, inner);
  }
}

export function gatherRowsU8F32(
  dst: usize,
  src: usize,
  index: usize,
  scales: usize,
  shifts: usize,
  rows: usize,
  _sourceRows: u32,
  cols: u32,
  channels: u32,
): void {
  const plane: usize = cols / channels;
  for (let r: usize = 0; r < rows; r++) {
    let p = src + <usize>load<u32>(index + (r << 2)) * cols;
    for (let c: usize = 0; c < channels; c++) {
      const scale = load<f32>(scales + (c << 2));
      const shift = load<f32>(shifts + (c << 2));
      const scaleAll = f32x4.splat(scale);
      const shiftAll = f32x4.splat(shift);
      const end = p + plane;
      for (const bodyEnd = p + (plane & ~7); p < bodyEnd; p += 8, dst += 32) {
        const wide = v128.load8x8_u(p);
        const low = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(wide));
        const high = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(wide));
        v128.store(dst, f32x4.add(f32x4.mul(low, scaleAll), shiftAll));
        v128.store(dst, f32x4.add(f32x4.mul(high, scaleAll), shiftAll), 16);
      }
      for (; p < end; p++, dst += 4) store<f32>(dst, <f32>load<u8>(p) * scale + shift);
    }
  }
}

export function gatherRowsF32(dst: usize, src: usize, index: usize, rows: usize, _sourceRows: u32, cols: u32): void {
  const row = <usize>cols << 2;
  for (let r: usize = 0; r < rows; r++, dst += row)
    copyRun(dst, src + <usize>load<u32>(index + (r << 2)) * row, cols);
}

export function gatherI32(dst: usize, src: usize, index: usize, rows: usize, _sourceRows: usize): void {
  for (let r: usize = 0; r < rows; r++)
    store<i32>(dst + (r << 2), load<i32>(src + (<usize>load<u32>(index + (r << 2)) << 2)));
}
