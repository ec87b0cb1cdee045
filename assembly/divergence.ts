// Divergence between rows seen as logits, and scores by it: the steps of src/kernels/reference/divergence.ts.
import { logF64 } from './normal';
import { scratch } from './scratch';

const kBlock: usize = 65536;
/** 16 lanes of the sum of a block. */
const lanes: usize = scratch;

// @ts-ignore: decorator
@inline
function step(p: v128, x: v128, c: f64): v128 {
  return f64x2.add(f64x2.mul(p, x), f64x2.splat(c));
}

function expNegative(x: v128): v128 {
  const least = f64x2.splat(-708);
  const tiny = f64x2.lt(x, least);
  const c = v128.bitselect(least, x, tiny);
  const magic = f64x2.splat(6755399441055744);
  const shifted = f64x2.add(f64x2.mul(c, f64x2.splat(1.4426950408889634)), magic);
  const n = f64x2.sub(shifted, magic);
  const r = f64x2.sub(
    f64x2.sub(c, f64x2.mul(n, f64x2.splat(0.6931471803691238))),
    f64x2.mul(n, f64x2.splat(1.9082149292705877e-10)),
  );
  let p = f64x2.splat(1.6059043836821613e-10);
  p = step(p, r, 2.08767569878681e-09);
  p = step(p, r, 2.505210838544172e-08);
  p = step(p, r, 2.755731922398589e-07);
  p = step(p, r, 2.7557319223985893e-06);
  p = step(p, r, 2.48015873015873e-05);
  p = step(p, r, 0.0001984126984126984);
  p = step(p, r, 0.001388888888888889);
  p = step(p, r, 0.008333333333333333);
  p = step(p, r, 0.041666666666666664);
  p = step(p, r, 0.16666666666666666);
  p = step(p, r, 0.5);
  p = step(p, r, 1);
  p = step(p, r, 1);
  const scale = i64x2.add(i64x2.shl(shifted, 52), i64x2.splat(0x3ff0000000000000));
  return v128.andnot(f64x2.mul(p, scale), tiny);
}

/** Two float32 from p on, or one in both lanes, as float64. */
// @ts-ignore: decorator
@inline
function loadLanes(p: usize, wide: bool): v128 {
  return wide ? f64x2.promote_low_f32x4(v128.load64_zero(p)) : f64x2.splat(<f64>load<f32>(p));
}

function greatest(x: usize, cols: usize): f64 {
  let most: f32 = -Infinity;
  for (const end = x + (cols << 2); x < end; x += 4) {
    const v = load<f32>(x);
    most = v > most ? v : most;
  }
  return <f64>most;
}

/** What a softmax takes from its row: the greatest element and 1 / the sum of exponentials. */
let mostOfX: f64 = 0;
let inverseOfX: f64 = 0;
let mostOfBase: f64 = 0;
let inverseOfBase: f64 = 0;
let floorOfAll: f64 = 0;

// @ts-ignore: decorator
@inline
function exponentials(x: usize, most: f64, wide: bool): v128 {
  return expNegative(f64x2.sub(loadLanes(x, wide), f64x2.splat(most)));
}

/** Terms of a row at x and base, or exponentials of x alone where base is 0. */
function terms(x: usize, base: usize, wide: bool): v128 {
  if (!base) return exponentials(x, mostOfX, wide);
  const floor = f64x2.splat(floorOfAll);
  const p = f64x2.add(f64x2.mul(exponentials(x, mostOfX, wide), f64x2.splat(inverseOfX)), floor);
  const q = f64x2.add(f64x2.mul(exponentials(base, mostOfBase, wide), f64x2.splat(inverseOfBase)), floor);
  const ratio = f64x2.div(p, q);
  return f64x2.mul(p, v128.bitselect(logF64(ratio), ratio, f64x2.eq(ratio, ratio)));
}

/** Sum over n terms by the sum rule. */
function sumOf(x: usize, base: usize, n: usize): f64 {
  let total: f64 = 0;
  for (let start: usize = 0; start < n; start += kBlock) {
    const count = min(n - start, kBlock);
    memory.fill(lanes, 0, 128);
    for (let i: usize = 0; i < count; i += 2) {
      const wide = i + 1 < count;
      const at = (start + i) << 2;
      const v = terms(x + at, base ? base + at : 0, wide);
      const lane = lanes + ((i & 15) << 3);
      if (wide) v128.store(lane, f64x2.add(v128.load(lane), v));
      else store<f64>(lane, load<f64>(lane) + f64x2.extract_lane(v, 0));
    }
    for (let half: usize = 64; half >= 8; half >>= 1)
      for (let p = lanes; p < lanes + half; p += 8) store<f64>(p, load<f64>(p) + load<f64>(p + half));
    total += load<f64>(lanes);
  }
  return total;
}

export function divergenceRowsF64(dst: usize, x: usize, base: usize, rows: usize, cols: u32, floor: f64): void {
  const width = <usize>cols << 2;
  floorOfAll = floor;
  for (let row: usize = 0; row < rows; row++, dst += 8, x += width, base += width) {
    mostOfX = greatest(base, cols);
    inverseOfBase = 1 / sumOf(base, 0, cols);
    mostOfBase = mostOfX;
    mostOfX = greatest(x, cols);
    inverseOfX = 1 / sumOf(x, 0, cols);
    const sum = sumOf(x, base, cols);
    store<f64>(dst, sum < 0 ? 0 : sum);
  }
}

// @ts-ignore: decorator
@inline
function scores(x: usize, base: usize, factor: v128, wide: bool): v128 {
  const d = f64x2.abs(f64x2.sub(loadLanes(x, wide), loadLanes(base, wide)));
  return f32x4.demote_f64x2_zero(f64x2.mul(d, factor));
}

export function scoreDeltaRowsF32(dst: usize, x: usize, base: usize, factors: usize, rows: usize, cols: u32): void {
  const width = <usize>cols << 2;
  for (let row: usize = 0; row < rows; row++, factors += 8, dst += width, x += width, base += width) {
    const factor = v128.load64_splat(factors);
    for (let i: usize = 0; i < width; i += 8) {
      const wide = i + 4 < width;
      const v = scores(x + i, base + i, factor, wide);
      if (wide) v128.store64_lane(dst + i, v, 0);
      else v128.store32_lane(dst + i, v, 0);
    }
  }
}

export function takeScoredRowsF32(
  dst: usize,
  x: usize,
  base: usize,
  factors: usize,
  rows: usize,
  cols: u32,
  least: f32,
): void {
  const width = <usize>cols << 2;
  const bound = f32x4.splat(least);
  for (let row: usize = 0; row < rows; row++, factors += 8, dst += width, x += width, base += width) {
    const factor = v128.load64_splat(factors);
    for (let i: usize = 0; i < width; i += 8) {
      const wide = i + 4 < width;
      const take = f32x4.ge(scores(x + i, base + i, factor, wide), bound);
      if (wide) {
        const v = v128.bitselect(v128.load64_zero(x + i), v128.load64_zero(base + i), take);
        v128.store64_lane(dst + i, v, 0);
      } else {
        const v = v128.bitselect(v128.load32_zero(x + i), v128.load32_zero(base + i), take);
        v128.store32_lane(dst + i, v, 0);
      }
    }
  }
}
