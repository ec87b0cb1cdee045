// Parameter updates, four lanes at a time. The tail of a vector goes through the same lanes.
import { clipFactor } from './clip_factor';
import { loadUpTo4, storeUpTo4 } from './elementary';

// @ts-ignore: decorator
@inline
function mulAdd(acc: v128, a: v128, b: v128): v128 {
  return f32x4.add(acc, f32x4.mul(a, b));
}

// velocity = 0: there is none. Decay 0 does not touch w: 0 times an infinity would make a NaN.
export function sgdStepF32(
  w: usize,
  velocity: usize,
  g: usize,
  n: usize,
  lr: f32,
  momentum: f32,
  nesterov: u32,
  weightDecay: f32,
): void {
  const rate = f32x4.splat(lr);
  const keep = f32x4.splat(momentum);
  const decay = f32x4.splat(weightDecay);
  let i: usize = 0;
  // The usual step without a question a vector.
  if (velocity && weightDecay == 0 && !nesterov)
    for (; i + 4 <= n; i += 4) {
      const at = i << 2;
      const v = f32x4.add(f32x4.mul(keep, v128.load(velocity + at)), v128.load(g + at));
      v128.store(velocity + at, v);
      v128.store(w + at, f32x4.sub(v128.load(w + at), f32x4.mul(rate, v)));
    }
  for (; i < n; i += 4) {
    const at = i << 2;
    const count = n - i;
    const old = loadUpTo4(w + at, count);
    let d = loadUpTo4(g + at, count);
    if (weightDecay != 0) d = mulAdd(d, decay, old);
    if (velocity) {
      const v = f32x4.add(f32x4.mul(keep, loadUpTo4(velocity + at, count)), d);
      storeUpTo4(velocity + at, v, count);
      d = nesterov ? mulAdd(d, keep, v) : v;
    }
    storeUpTo4(w + at, f32x4.sub(old, f32x4.mul(rate, d)), count);
  }
}

export function adamStepF32(
  w: usize,
  m: usize,
  v: usize,
  g: usize,
  n: usize,
  lr: f32,
  beta1: f32,
  beta2: f32,
  epsilon: f32,
  weightDecay: f32,
  beta1Power: f64,
  beta2Power: f64,
): void {
  const b1 = f32x4.splat(beta1);
  const b2 = f32x4.splat(beta2);
  const rest1 = f32x4.splat(1 - beta1);
  const rest2 = f32x4.splat(1 - beta2);
  const rate = f32x4.splat(<f32>(<f64>lr / (1.0 - beta1Power)));
  const root = f32x4.splat(<f32>sqrt<f64>(1.0 - beta2Power));
  const small = f32x4.splat(epsilon);
  const decay = f32x4.splat(weightDecay);
  for (let i: usize = 0; i < n; i += 4) {
    const at = i << 2;
    const count = n - i;
    const old = loadUpTo4(w + at, count);
    let d = loadUpTo4(g + at, count);
    if (weightDecay != 0) d = mulAdd(d, decay, old);
    const first = f32x4.add(f32x4.mul(b1, loadUpTo4(m + at, count)), f32x4.mul(rest1, d));
    const second = f32x4.add(
      f32x4.mul(b2, loadUpTo4(v + at, count)),
      f32x4.mul(rest2, f32x4.mul(d, d)),
    );
    storeUpTo4(m + at, first, count);
    storeUpTo4(v + at, second, count);
    const denominator = f32x4.add(f32x4.div(f32x4.sqrt(second), root), small);
    storeUpTo4(w + at, f32x4.sub(old, f32x4.mul(rate, f32x4.div(first, denominator))), count);
  }
}

// g += a * (w - center) + v; 0 for a center or v that is not there.
export function addAffineTermF32(g: usize, w: usize, center: usize, v: usize, n: usize, a: f32): void {
  const factor = f32x4.splat(a);
  for (let i: usize = 0; i < n; i += 4) {
    const at = i << 2;
    const count = n - i;
    let term = loadUpTo4(w + at, count);
    if (center) term = f32x4.sub(term, loadUpTo4(center + at, count));
    term = f32x4.mul(factor, term);
    if (v) term = f32x4.add(term, loadUpTo4(v + at, count));
    storeUpTo4(g + at, f32x4.add(loadUpTo4(g + at, count), term), count);
  }
}

export function addAffineVectorF32(g: usize, a: usize, w: usize, center: usize, n: usize): void {
  for (let i: usize = 0; i < n; i += 4) {
    const at = i << 2;
    const count = n - i;
    const distance = f32x4.sub(loadUpTo4(w + at, count), loadUpTo4(center + at, count));
    const sum = mulAdd(loadUpTo4(g + at, count), loadUpTo4(a + at, count), distance);
    storeUpTo4(g + at, sum, count);
  }
}

export function clipByNormF32(x: usize, norm2: usize, n: usize, maxNorm: f64): void {
  const norm = sqrt<f64>(load<f64>(norm2));
  const factor = f32x4.splat(clipFactor(norm < 1e-6 ? 1e-6 : norm, maxNorm));
  for (let i: usize = 0; i < n; i += 4) {
    const at = x + (i << 2);
    storeUpTo4(at, f32x4.mul(loadUpTo4(at, n - i), factor), n - i);
  }
}
