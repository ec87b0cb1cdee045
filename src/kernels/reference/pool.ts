const f = Math.fround;

/**
 * Maximum of each size x size window, and where it stands (flat index into `x`). The first element starts, a later one
 * wins only if it is greater: ties go to the first, and a NaN wins only where it stands first.
 */
export function maxPoolF32(
  y: Float32Array,
  argmax: Uint32Array,
  x: Float32Array,
  batch: number,
  channels: number,
  height: number,
  width: number,
  size: number,
  stride: number,
  outHeight: number,
  outWidth: number,
): void {
  let out = 0;
  for (let plane = 0; plane < batch * channels; plane++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++) {
        const corner = (plane * height + oy * stride) * width + ox * stride;
        let best = corner;
        for (let ky = 0; ky < size; ky++)
          for (let kx = 0; kx < size; kx++) {
            const at = corner + ky * width + kx;
            if (x[at] > x[best]) best = at;
          }
        y[out] = x[best];
        argmax[out++] = best;
      }
}

/** Adjoint of the maximum: dx = 0, then `dx[argmax[i]] += dy[i]` in order of i. */
export function maxPoolGradF32(dx: Float32Array, dy: Float32Array, argmax: Uint32Array): void {
  dx.fill(0);
  for (let i = 0; i < dy.length; i++) dx[argmax[i]] += dy[i];
}

/** `y[i] = x[argmax[i]]`: the tangent of the maximum. */
export function maxPoolGatherF32(y: Float32Array, x: Float32Array, argmax: Uint32Array): void {
  for (let i = 0; i < y.length; i++) y[i] = x[argmax[i]];
}

/** Mean of each window: float32 sum over (ky, kx) from +0, then divided by size * size. */
export function averagePoolF32(
  y: Float32Array,
  x: Float32Array,
  batch: number,
  channels: number,
  height: number,
  width: number,
  size: number,
  stride: number,
  outHeight: number,
  outWidth: number,
): void {
  let out = 0;
  for (let plane = 0; plane < batch * channels; plane++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++) {
        let sum = 0;
        for (let ky = 0; ky < size; ky++)
          for (let kx = 0; kx < size; kx++)
            sum = f(sum + x[(plane * height + oy * stride + ky) * width + ox * stride + kx]);
        y[out++] = f(sum / (size * size));
      }
}

/** Adjoint of the mean: dx = 0, then `dy / (size * size)` added over each window, outputs in order. */
export function averagePoolGradF32(
  dx: Float32Array,
  dy: Float32Array,
  batch: number,
  channels: number,
  height: number,
  width: number,
  size: number,
  stride: number,
  outHeight: number,
  outWidth: number,
): void {
  dx.fill(0);
  let out = 0;
  for (let plane = 0; plane < batch * channels; plane++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++) {
        const share = f(dy[out++] / (size * size));
        for (let ky = 0; ky < size; ky++)
          for (let kx = 0; kx < size; kx++)
            dx[(plane * height + oy * stride + ky) * width + ox * stride + kx] += share;
      }
}
