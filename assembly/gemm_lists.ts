// Products whose rows hold exact zeros (pixels, rectified activations and their deltas). Every row of op(a) becomes the list
// of its non-zeros, 32 columns of op(b) a panel, and one row adds list entry after list entry to 32 chains in registers.
// A skipped term is an exact zero, so the chains are those of the dense product. Offsets in bytes, sizes in elements.
import { activate, loadUpTo4, storeUpTo4 } from './elementary';
import { kScratchBytes, scratch } from './tile';

// Entries: byte offset of the panel's row, value. A row may need k of them and the store behind the last.
export const kListBytes: usize = 262144;
export const lists = memory.data(262144, 16);
const kMaxRows: usize = 1024;
const ends = memory.data(4100, 16);
// The chains of one row, for stores that do more than add.
const chains = memory.data(128, 16);
// A bias that is none: no chain is -0, so that adding it changes no bit.
const zeros = memory.data(128, 16);
// Byte offsets of the vectors of columns that are used, and which groups of four steps of the chain are.
const kMaxGroups: usize = 2048;
const groups = memory.data(8224, 16);
const steps = memory.data(1024, 16);
const kMaxChain: usize = 4096;
const kFewRows: usize = 16;
// What is looked at before lists are chosen.
const kSample: usize = 8192;

// How many of `count` elements are not zero, but for a last vector that is not whole.
export function countNonZeros(a: usize, count: usize): usize {
  const zero = f32x4.splat(0);
  const end = a + ((count & ~3) << 2);
  let live: usize = 0;
  for (; a < end; a += 16) live += popcnt(i32x4.bitmask(f32x4.ne(v128.load(a), zero)));
  return live;
}

// Whether so few of the first elements are non-zero that lists pay: below 85 of 100.
export function hasZeros(a: usize, count: usize): bool {
  const sample = min(count, kSample) & ~3;
  return countNonZeros(a, sample) * 100 < sample * 85;
}

// Lists row after row, as many as there is room for; returns how many.
function listRows(a: usize, rowStep: usize, kStep: usize, k: usize, rows: usize, step: usize, marks: bool): usize {
  const zero = f32x4.splat(0);
  const last = lists + kListBytes - ((k + 1) << 3);
  if (marks) memory.fill(steps, 0, (k + 3) >> 2);
  let at = lists;
  let row: usize = 0;
  store<u32>(ends, <u32>at);
  for (; row < rows && row < kMaxRows && at <= last; row++, a += rowStep) {
    let from = a;
    let p: usize = 0;
    if (kStep == 4)
      for (; p + 4 <= k; p += 4, from += 16) {
        const v = v128.load(from);
        const live = i32x4.bitmask(f32x4.ne(v, zero));
        if (live == 0) continue;
        if (marks) store<u8>(steps + (p >> 2), 1);
        store<u32>(at, <u32>(p * step));
        v128.store32_lane(at, v, 0, 4);
        at += (live & 1) << 3;
        store<u32>(at, <u32>((p + 1) * step));
        v128.store32_lane(at, v, 1, 4);
        at += (live & 2) << 2;
        store<u32>(at, <u32>((p + 2) * step));
        v128.store32_lane(at, v, 2, 4);
        at += (live & 4) << 1;
        store<u32>(at, <u32>((p + 3) * step));
        v128.store32_lane(at, v, 3, 4);
        at += live & 8;
      }
    for (; p < k; p++, from += kStep) {
      const v = load<f32>(from);
      store<u32>(at, <u32>(p * step));
      store<f32>(at, v, 4);
      at += <usize>(v != 0) << 3;
      if (marks) store<u8>(steps + (p >> 2), 1);
    }
    store<u32>(ends + (row << 2), <u32>at, 4);
  }
  return row;
}

// The vectors of columns in which b has any non-zero; all of them if `all`. Returns how many.
function listGroups(b: usize, step: usize, k: usize, n: usize, all: bool): usize {
  let at = groups;
  const used = k * step;
  for (let column: usize = 0; column < n << 2; column += 16) {
    let bits = i32x4.splat(0);
    if (!all && column + 16 <= n << 2) {
      const end = b + column + used;
      for (let from = b + column; from < end; from += step) bits = v128.or(bits, v128.load(from));
      // Twice the bits: the sign of a zero does not count.
      bits = i32x4.shl(bits, 1);
    } else bits = i32x4.splat(1);
    store<u32>(at, <u32>column);
    at += <usize>v128.any_true(bits) << 2;
  }
  return (at - groups) >> 2;
}

// Panel rows from columns that lie side by side: `count` vectors from group `first` on, zeros up to `width` vectors.
function packColumns(b: usize, bStep: usize, k: usize, n: usize, first: usize, count: usize, width: usize, step: usize): void {
  const offsets = groups + (first << 2);
  const tail = n & 3;
  const whole = count - <usize>(tail != 0 && <usize>load<u32>(offsets + ((count - 1) << 2)) + 16 > n << 2);
  for (let row = scratch; row < scratch + k * step; row += step, b += bStep) {
    let v: usize = 0;
    for (; v < whole; v++) v128.store(row + (v << 4), v128.load(b + <usize>load<u32>(offsets + (v << 2))));
    for (; v < count; v++) v128.store(row + (v << 4), loadUpTo4(b + <usize>load<u32>(offsets + (v << 2)), tail));
    for (; v < width; v++) v128.store(row + (v << 4), f32x4.splat(0));
  }
}

// Panel rows from columns that lie one after another, where the lists use them: blocks of 4 x 4.
function packTurned(b: usize, bStep: usize, k: usize, n: usize, first: usize, width: usize, step: usize): void {
  const left = n - (first << 2);
  const whole = min(left >> 2, width);
  b += (first << 2) * bStep;
  for (let p: usize = 0; p < k; p += 4) {
    if (!load<u8>(steps + (p >> 2))) continue;
    let to = scratch + p * step;
    let at = b + (p << 2);
    if (p + 4 > k || whole < width) {
      // Lanes behind the last column repeat it; nobody reads them.
      const count = min(k - p, 4);
      for (let lane: usize = 0; lane < width << 2; lane++) {
        const from = at + min(lane, left - 1) * bStep;
        for (let i: usize = 0; i < count; i++)
          store<f32>(to + i * step + (lane << 2), load<f32>(from + (i << 2)));
      }
      continue;
    }
    for (let v: usize = 0; v < width; v++, to += 16) {
      const a0 = v128.load(at);
      at += bStep;
      const a1 = v128.load(at);
      at += bStep;
      const a2 = v128.load(at);
      at += bStep;
      const a3 = v128.load(at);
      at += bStep;
      const low01 = v128.shuffle<f32>(a0, a1, 0, 4, 1, 5);
      const low23 = v128.shuffle<f32>(a2, a3, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(a0, a1, 2, 6, 3, 7);
      const high23 = v128.shuffle<f32>(a2, a3, 2, 6, 3, 7);
      const r1 = to + step;
      const r2 = r1 + step;
      v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
      v128.store(r1, v128.shuffle<i64>(low01, low23, 1, 3));
      v128.store(r2, v128.shuffle<i64>(high01, high23, 0, 2));
      v128.store(r2 + step, v128.shuffle<i64>(high01, high23, 1, 3));
    }
  }
}

// Eight vectors of chains. A branch behind the loop would make the compiler keep sums in memory within it, so that what
// follows on a chain stands in functions of its own.
function chain8(at: usize, end: usize, b: usize, out: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let s4 = f32x4.splat(0);
  let s5 = f32x4.splat(0);
  let s6 = f32x4.splat(0);
  let s7 = f32x4.splat(0);
  for (; at < end; at += 8) {
    const row = b + <usize>load<u32>(at);
    const x = v128.load32_splat(at, 4);
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(row)));
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(row, 16)));
    s2 = f32x4.add(s2, f32x4.mul(x, v128.load(row, 32)));
    s3 = f32x4.add(s3, f32x4.mul(x, v128.load(row, 48)));
    s4 = f32x4.add(s4, f32x4.mul(x, v128.load(row, 64)));
    s5 = f32x4.add(s5, f32x4.mul(x, v128.load(row, 80)));
    s6 = f32x4.add(s6, f32x4.mul(x, v128.load(row, 96)));
    s7 = f32x4.add(s7, f32x4.mul(x, v128.load(row, 112)));
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
  v128.store(out, s4, 64);
  v128.store(out, s5, 80);
  v128.store(out, s6, 96);
  v128.store(out, s7, 112);
}

function chain4(at: usize, end: usize, b: usize, out: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  for (; at < end; at += 8) {
    const row = b + <usize>load<u32>(at);
    const x = v128.load32_splat(at, 4);
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(row)));
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(row, 16)));
    s2 = f32x4.add(s2, f32x4.mul(x, v128.load(row, 32)));
    s3 = f32x4.add(s3, f32x4.mul(x, v128.load(row, 48)));
  }
  v128.store(out, s0);
  v128.store(out, s1, 16);
  v128.store(out, s2, 32);
  v128.store(out, s3, 48);
}

// out = out + bias (not null), rectified if so.
function finish8(out: usize, bias: usize, relu: bool): void {
  const least = relu ? f32x4.splat(0) : f32x4.splat(-Infinity);
  for (let at: usize = 0; at < 128; at += 16) {
    const v = f32x4.add(v128.load(out + at), v128.load(bias + at));
    v128.store(out + at, f32x4.pmax(v, least));
  }
}

// c += eight whole vectors of chains, at the offsets of their groups: the update of weights in place.
function addChains8(c: usize, offsets: usize): void {
  for (let at = chains; at < chains + 128; at += 16, offsets += 4) {
    const to = c + <usize>load<u32>(offsets);
    v128.store(to, f32x4.add(v128.load(at), v128.load(to)));
  }
}

// One row of c from finished chains, the vectors of groups first .. first + count.
function storeGroups(c: usize, n: usize, first: usize, count: usize, bias: usize, alpha: f32, beta: f32, activation: u32): void {
  const factor = f32x4.splat(alpha);
  const keep = f32x4.splat(beta);
  for (let g: usize = 0; g < count; g++) {
    const column = <usize>load<u32>(groups + ((first + g) << 2));
    const left = n - (column >> 2);
    let v = v128.load(chains + (g << 4));
    if (alpha != 1) v = f32x4.mul(v, factor);
    if (bias) v = f32x4.add(v, loadUpTo4(bias + column, left));
    if (activation) v = activate(activation, v);
    if (beta != 0) v = f32x4.add(v, f32x4.mul(keep, loadUpTo4(c + column, left)));
    storeUpTo4(c + column, v, left);
  }
}

// One row of one vector: what the tiles of addLive leave over.
function addTile1x4(a: usize, aStep: usize, b: usize, bStep: usize, k: usize, c: usize): void {
  let sum = f32x4.splat(0);
  for (; k > 0; k--, a += aStep, b += bStep) sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(a), v128.load(b)));
  v128.store(c, f32x4.add(sum, v128.load(c)));
}

// Four rows that lie side by side in a, two vectors of columns.
function addTile4x8(a: usize, aStep: usize, b: usize, bStep: usize, k: usize, c: usize, cStep: usize, offsets: usize): void {
  let s00 = f32x4.splat(0);
  let s01 = f32x4.splat(0);
  let s10 = f32x4.splat(0);
  let s11 = f32x4.splat(0);
  let s20 = f32x4.splat(0);
  let s21 = f32x4.splat(0);
  let s30 = f32x4.splat(0);
  let s31 = f32x4.splat(0);
  for (; k > 0; k--, a += aStep, b += bStep) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    s00 = f32x4.add(s00, f32x4.mul(x, b0));
    s01 = f32x4.add(s01, f32x4.mul(x, b1));
    x = v128.load32_splat(a, 4);
    s10 = f32x4.add(s10, f32x4.mul(x, b0));
    s11 = f32x4.add(s11, f32x4.mul(x, b1));
    x = v128.load32_splat(a, 8);
    s20 = f32x4.add(s20, f32x4.mul(x, b0));
    s21 = f32x4.add(s21, f32x4.mul(x, b1));
    x = v128.load32_splat(a, 12);
    s30 = f32x4.add(s30, f32x4.mul(x, b0));
    s31 = f32x4.add(s31, f32x4.mul(x, b1));
  }
  let c0 = c + <usize>load<u32>(offsets);
  let c1 = c + <usize>load<u32>(offsets, 4);
  v128.store(c0, f32x4.add(s00, v128.load(c0)));
  v128.store(c1, f32x4.add(s01, v128.load(c1)));
  c0 += cStep;
  c1 += cStep;
  v128.store(c0, f32x4.add(s10, v128.load(c0)));
  v128.store(c1, f32x4.add(s11, v128.load(c1)));
  c0 += cStep;
  c1 += cStep;
  v128.store(c0, f32x4.add(s20, v128.load(c0)));
  v128.store(c1, f32x4.add(s21, v128.load(c1)));
  c0 += cStep;
  c1 += cStep;
  v128.store(c0, f32x4.add(s30, v128.load(c0)));
  v128.store(c1, f32x4.add(s31, v128.load(c1)));
}

// Short chains: of lists that end here and there the processor would guess every end wrong.
const kMinListChain: usize = 24;

export function fitsLive(m: usize, n: usize, k: usize): bool {
  return k > 0 && k < kMinListChain && m > 3 && n % 4 == 0 && n <= kMaxGroups << 2 && k * n <= kScratchBytes >> 2;
}

// c += a^T b for few rows of a and b, without the vectors of columns in which b is all zero.
export function addLive(c: usize, a: usize, b: usize, m: usize, n: usize, k: usize): void {
  const cStep = n << 2;
  const aStep = m << 2;
  const count = listGroups(b, cStep, k, n, false);
  let bStep = cStep;
  if (count << 2 < n) {
    let to = scratch;
    for (let from = b; from < b + k * cStep; from += cStep)
      for (let at = groups; at < groups + (count << 2); at += 4, to += 16)
        v128.store(to, v128.load(from + <usize>load<u32>(at)));
    b = scratch;
    bStep = count << 4;
  }
  let row: usize = 0;
  for (; row + 4 <= m; row += 4, a += 16, c += cStep << 2) {
    let g: usize = 0;
    for (; g + 2 <= count; g += 2) addTile4x8(a, aStep, b + (g << 4), bStep, k, c, cStep, groups + (g << 2));
    if (g < count) {
      const to = c + <usize>load<u32>(groups + (g << 2));
      for (let r: usize = 0; r < 4; r++) addTile1x4(a + (r << 2), aStep, b + (g << 4), bStep, k, to + r * cStep);
    }
  }
  for (; row < m; row++, a += 4, c += cStep)
    for (let g: usize = 0; g < count; g++)
      addTile1x4(a, aStep, b + (g << 4), bStep, k, c + <usize>load<u32>(groups + (g << 2)));
}

// Whether a product can go by lists: its chains fit into a panel, its columns into the table of groups.
export function fitsLists(n: usize, k: usize): bool {
  return k > 0 && k <= kMaxChain && n <= kMaxGroups << 2;
}

export function multiplyLists(
  c: usize,
  a: usize,
  b: usize,
  bias: usize,
  m: usize,
  n: usize,
  k: usize,
  transA: bool,
  transB: bool,
  alpha: f32,
  beta: f32,
  activation: u32,
): void {
  // A panel of 32 lanes, or of 16 where chains are long.
  const lanes: usize = k << 7 <= kScratchBytes ? 8 : 4;
  const rowStep: usize = transA ? 4 : k << 2;
  const kStep: usize = transA ? m << 2 : 4;
  const bStep: usize = transB ? k << 2 : n << 2;
  const cStep = n << 2;
  const adds = alpha == 1 && beta == 1 && !bias && !activation;
  const stores = alpha == 1 && beta == 0 && activation < 2;
  // Few rows read b where it lies.
  const inPlace = !transB && stores && n % 4 == 0 && n >= lanes << 2 && m <= kFewRows;
  const step = inPlace ? bStep : lanes << 4;
  // Where only sums are added, columns in which b is zero stay as they are.
  const count = listGroups(b, bStep, k, n, inPlace || transB || !adds);
  for (let row: usize = 0; row < m; ) {
    const rows = listRows(a + row * rowStep, rowStep, kStep, k, m - row, step, transB);
    for (let next: usize = 0; next < count; next += lanes) {
      // In place, the last panel takes up columns of the one before it rather than end beyond a row.
      const first = inPlace ? min(next, count - lanes) : next;
      const used = min(count - first, lanes);
      const width: usize = used > 4 ? 8 : 4;
      const offsets = groups + (first << 2);
      const column = first << 4;
      if (transB) packTurned(b, bStep, k, n, first, used, step);
      else if (!inPlace) packColumns(b, bStep, k, n, first, used, width, step);
      const panel = inPlace ? b + column : scratch;
      const whole = used == 8 && <usize>load<u32>(offsets, 28) + 16 <= cStep;
      let to = c + row * cStep;
      for (let r: usize = 0; r < rows; r++, to += cStep) {
        const from = <usize>load<u32>(ends + (r << 2));
        const end = <usize>load<u32>(ends + (r << 2), 4);
        if (whole && stores) {
          chain8(from, end, panel, to + column);
          if (bias || activation) finish8(to + column, bias ? bias + column : zeros, activation == 1);
          continue;
        }
        if (width == 8) chain8(from, end, panel, chains);
        else chain4(from, end, panel, chains);
        if (whole && adds) addChains8(to, offsets);
        else storeGroups(to, n, first, used, bias, alpha, beta, activation);
      }
    }
    row += rows;
  }
}
