// Pooling over [planes, height, width]; offsets in bytes, sizes in elements.

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
      let corner = (plane * height + oy * stride) * width;
      for (let ox: u32 = 0; ox < outWidth; ox++, corner += stride, y += 4, argmax += 4) {
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
