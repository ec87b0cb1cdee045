import { activate } from './elementary.js';
import { mulAddOf, type NumericProfile } from './muladd.js';
import { addOld, scaled } from './store.js';

const f = Math.fround;

/**
 * The convolution family in one numeric profile. Images are [batch, channels, height, width], weights
 * [outChannels, inChannels, kernelHeight, kernelWidth]; `padding` zeros stand on each side, and taps that fall into them
 * are skipped. outHeight = floor((height + 2 padding - kernelHeight) / stride) + 1, likewise the width.
 */
export function convKernels(profile: NumericProfile) {
  const mulAdd = mulAddOf(profile);

  /** Cross-correlation, as all frameworks call convolution. Chains over (ky, kx, inChannel), then bias and activation. */
  function conv2dF32(
    y: Float32Array,
    x: Float32Array,
    w: Float32Array,
    bias: Float32Array,
    batch: number,
    inChannels: number,
    height: number,
    width: number,
    outChannels: number,
    kernelHeight: number,
    kernelWidth: number,
    stride: number,
    padding: number,
    outHeight: number,
    outWidth: number,
    activation: number,
  ): void {
    let at = 0;
    for (let image = 0; image < batch; image++)
      for (let co = 0; co < outChannels; co++)
        for (let oy = 0; oy < outHeight; oy++)
          for (let ox = 0; ox < outWidth; ox++) {
            let acc = 0;
            for (let ky = 0; ky < kernelHeight; ky++)
              for (let kx = 0; kx < kernelWidth; kx++) {
                const iy = oy * stride + ky - padding;
                const ix = ox * stride + kx - padding;
                if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
                for (let ci = 0; ci < inChannels; ci++)
                  acc = mulAdd(
                    acc,
                    x[((image * inChannels + ci) * height + iy) * width + ix],
                    w[((co * inChannels + ci) * kernelHeight + ky) * kernelWidth + kx],
                  );
              }
            const v = bias.length > 0 ? f(acc + bias[co]) : acc;
            y[at++] = activate(activation, v);
          }
  }

  /** Gradient with respect to the images. Chains over (ky, kx, outChannel). */
  function conv2dDataGradF32(
    dx: Float32Array,
    dy: Float32Array,
    w: Float32Array,
    batch: number,
    inChannels: number,
    height: number,
    width: number,
    outChannels: number,
    kernelHeight: number,
    kernelWidth: number,
    stride: number,
    padding: number,
    outHeight: number,
    outWidth: number,
  ): void {
    let at = 0;
    for (let image = 0; image < batch; image++)
      for (let ci = 0; ci < inChannels; ci++)
        for (let iy = 0; iy < height; iy++)
          for (let ix = 0; ix < width; ix++) {
            let acc = 0;
            for (let ky = 0; ky < kernelHeight; ky++)
              for (let kx = 0; kx < kernelWidth; kx++) {
                const oy = (iy + padding - ky) / stride;
                const ox = (ix + padding - kx) / stride;
                if (oy < 0 || oy >= outHeight || ox < 0 || ox >= outWidth) continue;
                if (!Number.isInteger(oy) || !Number.isInteger(ox)) continue;
                for (let co = 0; co < outChannels; co++)
                  acc = mulAdd(
                    acc,
                    dy[((image * outChannels + co) * outHeight + oy) * outWidth + ox],
                    w[((co * inChannels + ci) * kernelHeight + ky) * kernelWidth + kx],
                  );
              }
            dx[at++] = acc;
          }
  }

  /** Gradient with respect to the weights: `dw = alpha * chain over (image, y, x) of dy * x + beta * dw`. */
  function conv2dWeightGradF32(
    dw: Float32Array,
    x: Float32Array,
    dy: Float32Array,
    batch: number,
    inChannels: number,
    height: number,
    width: number,
    outChannels: number,
    kernelHeight: number,
    kernelWidth: number,
    stride: number,
    padding: number,
    outHeight: number,
    outWidth: number,
    alpha: number,
    beta: number,
  ): void {
    let at = 0;
    for (let co = 0; co < outChannels; co++)
      for (let ci = 0; ci < inChannels; ci++)
        for (let ky = 0; ky < kernelHeight; ky++)
          for (let kx = 0; kx < kernelWidth; kx++) {
            let acc = 0;
            for (let image = 0; image < batch; image++)
              for (let oy = 0; oy < outHeight; oy++)
                for (let ox = 0; ox < outWidth; ox++) {
                  const iy = oy * stride + ky - padding;
                  const ix = ox * stride + kx - padding;
                  if (iy < 0 || iy >= height || ix < 0 || ix >= width) continue;
                  acc = mulAdd(
                    acc,
                    dy[((image * outChannels + co) * outHeight + oy) * outWidth + ox],
                    x[((image * inChannels + ci) * height + iy) * width + ix],
                  );
                }
            dw[at] = addOld(scaled(alpha, acc), beta, dw[at]);
            at++;
          }
  }

  /** `conv2dWeightGradF32` of every image by itself: `out` is [batch, outChannels, inChannels, kernelHeight, kernelWidth]. */
  function conv2dWeightGradRowsF32(
    out: Float32Array,
    x: Float32Array,
    dy: Float32Array,
    batch: number,
    inChannels: number,
    height: number,
    width: number,
    outChannels: number,
    kernelHeight: number,
    kernelWidth: number,
    stride: number,
    padding: number,
    outHeight: number,
    outWidth: number,
    beta: number,
  ): void {
    const row = (v: Float32Array, image: number) =>
      v.subarray((v.length / batch) * image, (v.length / batch) * (image + 1));
    for (let image = 0; image < batch; image++)
      conv2dWeightGradF32(
        row(out, image),
        row(x, image),
        row(dy, image),
        1,
        inChannels,
        height,
        width,
        outChannels,
        kernelHeight,
        kernelWidth,
        stride,
        padding,
        outHeight,
        outWidth,
        1,
        beta,
      );
  }

  return { conv2dF32, conv2dDataGradF32, conv2dWeightGradF32, conv2dWeightGradRowsF32 };
}
