// One pass over flat vectors. Pointers are byte offsets, n counts elements; 4 float32 or 2 float64 at a time, then the rest.

export function fillF32(dst: usize, n: usize, value: f32): void {
  const end = dst + (n << 2);
  const bodyEnd = dst + ((n & ~3) << 2);
  const v = f32x4.splat(value);
  for (; dst < bodyEnd; dst += 16) v128.store(dst, v);
  for (; dst < end; dst += 4) store<f32>(dst, value);
}

export function copyF32(dst: usize, src: usize, n: usize): void {
  memory.copy(dst, src, n << 2);
}

export function scaleF32(x: usize, n: usize, factor: f32): void {
  const end = x + (n << 2);
  const bodyEnd = x + ((n & ~7) << 2);
  const f = f32x4.splat(factor);
  for (; x < bodyEnd; x += 32) {
    v128.store(x, f32x4.mul(v128.load(x), f));
    v128.store(x, f32x4.mul(v128.load(x, 16), f), 16);
  }
  for (; x < end; x += 4) store<f32>(x, load<f32>(x) * factor);
}

export function axpyF32(y: usize, x: usize, n: usize, a: f32): void {
  const end = y + (n << 2);
  const bodyEnd = y + ((n & ~7) << 2);
  const f = f32x4.splat(a);
  for (; y < bodyEnd; y += 32, x += 32) {
    v128.store(y, f32x4.add(v128.load(y), f32x4.mul(f, v128.load(x))));
    v128.store(y, f32x4.add(v128.load(y, 16), f32x4.mul(f, v128.load(x, 16))), 16);
  }
  for (; y < end; y += 4, x += 4) store<f32>(y, load<f32>(y) + a * load<f32>(x));
}

export function addF32(dst: usize, a: usize, b: usize, n: usize): void {
  const end = dst + (n << 2);
  const bodyEnd = dst + ((n & ~7) << 2);
  for (; dst < bodyEnd; dst += 32, a += 32, b += 32) {
    v128.store(dst, f32x4.add(v128.load(a), v128.load(b)));
    v128.store(dst, f32x4.add(v128.load(a, 16), v128.load(b, 16)), 16);
  }
  for (; dst < end; dst += 4, a += 4, b += 4) store<f32>(dst, load<f32>(a) + load<f32>(b));
}

export function subtractF32(dst: usize, a: usize, b: usize, n: usize): void {
  const end = dst + (n << 2);
  const bodyEnd = dst + ((n & ~7) << 2);
  for (; dst < bodyEnd; dst += 32, a += 32, b += 32) {
    v128.store(dst, f32x4.sub(v128.load(a), v128.load(b)));
    v128.store(dst, f32x4.sub(v128.load(a, 16), v128.load(b, 16)), 16);
  }
  for (; dst < end; dst += 4, a += 4, b += 4) store<f32>(dst, load<f32>(a) - load<f32>(b));
}

export function multiplyF32(dst: usize, a: usize, b: usize, n: usize): void {
  const end = dst + (n << 2);
  const bodyEnd = dst + ((n & ~7) << 2);
  for (; dst < bodyEnd; dst += 32, a += 32, b += 32) {
    v128.store(dst, f32x4.mul(v128.load(a), v128.load(b)));
    v128.store(dst, f32x4.mul(v128.load(a, 16), v128.load(b, 16)), 16);
  }
  for (; dst < end; dst += 4, a += 4, b += 4) store<f32>(dst, load<f32>(a) * load<f32>(b));
}

export function lerpF32(dst: usize, a: usize, b: usize, n: usize, t: f32): void {
  const end = dst + (n << 2);
  const bodyEnd = dst + ((n & ~3) << 2);
  const f = f32x4.splat(t);
  for (; dst < bodyEnd; dst += 16, a += 16, b += 16) {
    const u = v128.load(a);
    v128.store(dst, f32x4.add(u, f32x4.mul(f, f32x4.sub(v128.load(b), u))));
  }
  for (; dst < end; dst += 4, a += 4, b += 4) {
    const u = load<f32>(a);
    store<f32>(dst, u + t * (load<f32>(b) - u));
  }
}

export function applyMaskF32(x: usize, mask: usize, n: usize): void {
  const end = x + (n << 2);
  const bodyEnd = x + ((n & ~7) << 2);
  const zero = i32x4.splat(0);
  for (; x < bodyEnd; x += 32, mask += 8) {
    const wide = v128.load8x8_u(mask);
    const low = i32x4.eq(i32x4.extend_low_i16x8_u(wide), zero);
    const high = i32x4.eq(i32x4.extend_high_i16x8_u(wide), zero);
    v128.store(x, v128.andnot(v128.load(x), low));
    v128.store(x, v128.andnot(v128.load(x, 16), high), 16);
  }
  for (; x < end; x += 4, mask++) if (load<u8>(mask) == 0) store<f32>(x, 0);
}

export function addF64(dst: usize, src: usize, n: usize): void {
  const end = dst + (n << 3);
  const bodyEnd = dst + ((n & ~1) << 3);
  for (; dst < bodyEnd; dst += 16, src += 16) v128.store(dst, f64x2.add(v128.load(dst), v128.load(src)));
  if (dst < end) store<f64>(dst, load<f64>(dst) + load<f64>(src));
}

export function copyF64(dst: usize, src: usize, n: usize): void {
  memory.copy(dst, src, n << 3);
}

export function fillF64(dst: usize, n: usize, value: f64): void {
  const end = dst + (n << 3);
  const bodyEnd = dst + ((n & ~1) << 3);
  const v = f64x2.splat(value);
  for (; dst < bodyEnd; dst += 16) v128.store(dst, v);
  if (dst < end) store<f64>(dst, value);
}
