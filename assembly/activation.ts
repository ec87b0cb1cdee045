// Activations on flat vectors, four lanes at a time; offsets in bytes, n in elements.
import { expOf, loadPart, logOf, reluOf, sigmoidOf, storePart, tanhOf } from './elementary';
import { uniformF32 } from './random';

export function reluF32(y: usize, x: usize, n: usize): void {
  const body = n & ~3;
  const bodyEnd = x + (body << 2);
  for (; x < bodyEnd; x += 16, y += 16) v128.store(y, reluOf(v128.load(x)));
  if (body < n) storePart(y, reluOf(loadPart(x, n - body)), n - body);
}

export function tanhF32(y: usize, x: usize, n: usize): void {
  const body = n & ~3;
  const bodyEnd = x + (body << 2);
  for (; x < bodyEnd; x += 16, y += 16) v128.store(y, tanhOf(v128.load(x)));
  if (body < n) storePart(y, tanhOf(loadPart(x, n - body)), n - body);
}

export function sigmoidF32(y: usize, x: usize, n: usize): void {
  const body = n & ~3;
  const bodyEnd = x + (body << 2);
  for (; x < bodyEnd; x += 16, y += 16) v128.store(y, sigmoidOf(v128.load(x)));
  if (body < n) storePart(y, sigmoidOf(loadPart(x, n - body)), n - body);
}

export function expF32(y: usize, x: usize, n: usize): void {
  const body = n & ~3;
  const bodyEnd = x + (body << 2);
  for (; x < bodyEnd; x += 16, y += 16) v128.store(y, expOf(v128.load(x)));
  if (body < n) storePart(y, expOf(loadPart(x, n - body)), n - body);
}

export function logF32(y: usize, x: usize, n: usize): void {
  const body = n & ~3;
  const bodyEnd = x + (body << 2);
  for (; x < bodyEnd; x += 16, y += 16) v128.store(y, logOf(v128.load(x)));
  if (body < n) storePart(y, logOf(loadPart(x, n - body)), n - body);
}

// dx = y > 0 ? dy : 0
export function reluGradF32(dx: usize, dy: usize, y: usize, n: usize): void {
  const bodyEnd = y + ((n & ~3) << 2);
  const end = y + (n << 2);
  const zero = f32x4.splat(0);
  for (; y < bodyEnd; y += 16, dy += 16, dx += 16)
    v128.store(dx, v128.and(v128.load(dy), f32x4.gt(v128.load(y), zero)));
  for (; y < end; y += 4, dy += 4, dx += 4) store<f32>(dx, load<f32>(y) > 0 ? load<f32>(dy) : 0);
}

// dx = dy * (1 - y * y)
export function tanhGradF32(dx: usize, dy: usize, y: usize, n: usize): void {
  const bodyEnd = y + ((n & ~3) << 2);
  const end = y + (n << 2);
  const one = f32x4.splat(1);
  for (; y < bodyEnd; y += 16, dy += 16, dx += 16) {
    const v = v128.load(y);
    v128.store(dx, f32x4.mul(v128.load(dy), f32x4.sub(one, f32x4.mul(v, v))));
  }
  for (; y < end; y += 4, dy += 4, dx += 4) {
    const v = load<f32>(y);
    store<f32>(dx, load<f32>(dy) * (1 - v * v));
  }
}

// dx = dy * (y * (1 - y))
export function sigmoidGradF32(dx: usize, dy: usize, y: usize, n: usize): void {
  const bodyEnd = y + ((n & ~3) << 2);
  const end = y + (n << 2);
  const one = f32x4.splat(1);
  for (; y < bodyEnd; y += 16, dy += 16, dx += 16) {
    const v = v128.load(y);
    v128.store(dx, f32x4.mul(v128.load(dy), f32x4.mul(v, f32x4.sub(one, v))));
  }
  for (; y < end; y += 4, dy += 4, dx += 4) {
    const v = load<f32>(y);
    store<f32>(dx, load<f32>(dy) * (v * (1 - v)));
  }
}

const kChunk: usize = 1024;
const uniforms = memory.data(4096, 16);

// Element i stays if its uniform is at least `rate`. The uniforms are made a chunk at a time.
export function dropoutF32(
  y: usize,
  x: usize,
  n: usize,
  rate: f32,
  key0: u32,
  key1: u32,
  blockLow: u32,
  blockHigh: u32,
  step: u32,
  site: u32,
): void {
  const scale = <f32>(1.0 / (1.0 - <f64>rate));
  let block = (<u64>blockHigh << 32) | <u64>blockLow;
  for (let start: usize = 0; start < n; start += kChunk) {
    const count = min(kChunk, n - start);
    uniformF32(uniforms, count, key0, key1, <u32>block, <u32>(block >> 32), step, site);
    block += kChunk >> 2;
    const bytes = count << 2;
    for (let at: usize = 0; at < bytes; at += 4) {
      const kept = load<f32>(x + at) * scale;
      store<f32>(y + at, load<f32>(uniforms + at) >= rate ? kept : 0);
    }
    x += bytes;
    y += bytes;
  }
}
