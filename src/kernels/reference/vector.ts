/** One pass over flat vectors. Every float32 result is rounded after each operation. */
const f32 = Math.fround;

/** dst[i] = value. */
export function fillF32(dst: Float32Array, value: number): void {
  dst.fill(value);
}

/** dst[i] = src[i], bit for bit. */
export function copyF32(dst: Float32Array, src: Float32Array): void {
  dst.set(src);
}

/** x[i] = x[i] * factor. */
export function scaleF32(x: Float32Array, factor: number): void {
  const f = f32(factor);
  for (let i = 0; i < x.length; i++) x[i] = f32(x[i] * f);
}

/** y[i] = y[i] + a * x[i], the product rounded before the sum. */
export function axpyF32(y: Float32Array, x: Float32Array, a: number): void {
  const factor = f32(a);
  for (let i = 0; i < y.length; i++) y[i] = f32(y[i] + f32(factor * x[i]));
}

/** dst[i] = a[i] + b[i]. */
export function addF32(dst: Float32Array, a: Float32Array, b: Float32Array): void {
  for (let i = 0; i < dst.length; i++) dst[i] = f32(a[i] + b[i]);
}

/** dst[i] = a[i] - b[i]. */
export function subtractF32(dst: Float32Array, a: Float32Array, b: Float32Array): void {
  for (let i = 0; i < dst.length; i++) dst[i] = f32(a[i] - b[i]);
}

/** dst[i] = a[i] * b[i]. */
export function multiplyF32(dst: Float32Array, a: Float32Array, b: Float32Array): void {
  for (let i = 0; i < dst.length; i++) dst[i] = f32(a[i] * b[i]);
}

/** dst[i] = a[i] + t * (b[i] - a[i]); exactly a at t = 0, b up to rounding at t = 1. */
export function lerpF32(dst: Float32Array, a: Float32Array, b: Float32Array, t: number): void {
  const factor = f32(t);
  for (let i = 0; i < dst.length; i++) dst[i] = f32(a[i] + f32(factor * f32(b[i] - a[i])));
}

/** Keeps x[i] where mask[i] is not 0 and writes +0 elsewhere, whatever stood there (a NaN too). */
export function applyMaskF32(x: Float32Array, mask: Uint8Array): void {
  for (let i = 0; i < x.length; i++) if (mask[i] === 0) x[i] = 0;
}

/** dst[i] = dst[i] + src[i] in float64. */
export function addF64(dst: Float64Array, src: Float64Array): void {
  for (let i = 0; i < dst.length; i++) dst[i] += src[i];
}

/** dst[i] = src[i], bit for bit. */
export function copyF64(dst: Float64Array, src: Float64Array): void {
  dst.set(src);
}

/** dst[i] = value. */
export function fillF64(dst: Float64Array, value: number): void {
  dst.fill(value);
}
