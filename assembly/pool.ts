// Pooling over [planes, height, width]; offsets in bytes, sizes in elements.

// One output of any window.
// @ts-ignore: decorator
@inline
function poolWindow(y: usize, argmax: usize, x: usize, corner: u32, width: u32, size: u32): void {
  let best = corner;
  let max = load<f32>(x + (<usize>corner << 2));
  for (let ky: u32 = 0; ky < size; ky++)
    for (let kx: u32 = 0; kx < size; kx++) {
      const at = corner + ky * width + kx;
      const v = load<f32>(x + (<usize>at << 2));
      const wins = v > max;
      max = select<f32>(v, max, wins);
      best = select<u32>(at, best, wins);
    }
  store<f32>(y, max);
  store<u32>(argmax, best);
}

// Four windows of 2 x 2 side by side, two columns apart.
function poolPairs(y: usize, argmax: usize, x: usize, corner: u32, width: u32): void {
  const top = x + (<usize>corner << 2);
  const bottom = top + (<usize>width << 2);
  const t0 = v128.load(top);
  const t1 = v128.load(top, 16);
  const b0 = v128.load(bottom);
  const b1 = v128.load(bottom, 16);
  let max = v128.shuffle<f32>(t0, t1, 0, 2, 4, 6);
  let best = i32x4.add(i32x4.splat(corner), i32x4(0, 2, 4, 6));
  let at = i32x4.add(best, i32x4.splat(1));
  let v = v128.shuffle<f32>(t0, t1, 1, 3, 5, 7);
  let wins = f32x4.gt(v, max);
  max = v128.bitselect(v, max, wins);
  let chosen = v128.bitselect(at, best, wins);
  v = v128.shuffle<f32>(b0, b1, 0, 2, 4, 6);
  wins = f32x4.gt(v, max);
  max = v128.bitselect(v, max, wins);
  best = i32x4.add(best, i32x4.splat(width));
  chosen = v128.bitselect(best, chosen, wins);
  v = v128.shuffle<f32>(b0, b1, 1, 3, 5, 7);
  wins = f32x4.gt(v, max);
  at = i32x4.add(at, i32x4.splat(width));
  v128.store(y, v128.bitselect(v, max, wins));
  v128.store(argmax, v128.bitselect(at, chosen, wins));
}

export function maxPoolF32(
  y: usize,
  argmax: usize,
  x: usize,
  batch: u32,
  channels: u32,
  height: u32,
  width: u32,
  size: u32,
  stride: u32,
  outHeight: u32,
  outWidth: u32,
): void {
  const planes = batch * channels;
  for (let plane: u32 = 0; plane < planes; plane++)
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      const corner = (plane * height + oy * stride) * width;
      if (size == 2 && stride == 2 && outWidth >= 4) {
        // The last four windows may take up some of those before.
        for (let ox: u32 = 0; ox < outWidth; ox += 4) {
          const first = min(ox, outWidth - 4);
          const at = <usize>first << 2;
          poolPairs(y + at, argmax + at, x, corner + 2 * first, width);
        }
      } else
        for (let ox: u32 = 0; ox < outWidth; ox++) {
          const at = <usize>ox << 2;
          poolWindow(y + at, argmax + at, x, corner + ox * stride, width, size);
        }
      y += <usize>outWidth << 2;
      argmax += <usize>outWidth << 2;
    }
}

export function maxPoolGradF32(dx: usize, dy: usize, argmax: usize, inputs: usize, outputs: usize): void {
  memory.fill(dx, 0, inputs << 2);
  const end = dy + (outputs << 2);
  for (; dy < end; dy += 4, argmax += 4) {
    const at = dx + (<usize>load<u32>(argmax) << 2);
    store<f32>(at, load<f32>(at) + load<f32>(dy));
  }
}

export function maxPoolGatherF32(y: usize, x: usize, argmax: usize, outputs: usize, _inputs: usize): void {
  const end = y + (outputs << 2);
  for (; y < end; y += 4, argmax += 4) store<f32>(y, load<f32>(x + (<usize>load<u32>(argmax) << 2)));
}

export function averagePoolF32(
  y: usize,
  x: usize,
  batch: u32,
  channels: u32,
  height: u32,
  width: u32,
  size: u32,
  stride: u32,
  outHeight: u32,
  outWidth: u32,
): void {
  const count = <f32>(size * size);
  const planes = batch * channels;
  for (let plane: u32 = 0; plane < planes; plane++)
    for (let oy: u32 = 0; oy < outHeight; oy++)
      for (let ox: u32 = 0; ox < outWidth; ox++, y += 4) {
        const corner = x + (<usize>((plane * height + oy * stride) * width + ox * stride) << 2);
        let sum: f32 = 0;
        for (let ky: u32 = 0; ky < size; ky++)
          for (let kx: u32 = 0; kx < size; kx++) sum += load<f32>(corner + (<usize>(ky * width + kx) << 2));
        store<f32>(y, sum / count);
      }
}

export function averagePoolGradF32(
  dx: usize,
  dy: usize,
  batch: u32,
  channels: u32,
  height: u32,
  width: u32,
  size: u32,
  stride: u32,
  outHeight: u32,
  outWidth: u32,
): void {
  const count = <f32>(size * size);
  const planes = batch * channels;
  memory.fill(dx, 0, <usize>(planes * height * width) << 2);
  for (let plane: u32 = 0; plane < planes; plane++)
    for (let oy: u32 = 0; oy < outHeight; oy++)
      for (let ox: u32 = 0; ox < outWidth; ox++, dy += 4) {
        const share = load<f32>(dy) / count;
        const corner = dx + (<usize>((plane * height + oy * stride) * width + ox * stride) << 2);
        for (let ky: u32 = 0; ky < size; ky++)
          for (let kx: u32 = 0; kx < size; kx++) {
            const at = corner + (<usize>(ky * width + kx) << 2);
            store<f32>(at, load<f32>(at) + share);
          }
      }
}
