/** Convolutions and pools of the float64 interpreter, from their definitions. */
import type { Attributes, Window } from './graph.js';
import type { Evaluation, Rule } from './interpret-rule.js';
import { windowOf } from './primitives/conv.js';

/** Calls back for every (output, input, tap) that a convolution multiplies; indices are flat. */
function eachTap(
  window: Window,
  batch: number,
  inChannels: number,
  outChannels: number,
  visit: (y: number, x: number, w: number) => void,
): void {
  const { kernel, stride, padding, height, width, outHeight, outWidth } = window;
  for (let image = 0; image < batch; image++)
    for (let o = 0; o < outChannels; o++)
      for (let oy = 0; oy < outHeight; oy++)
        for (let ox = 0; ox < outWidth; ox++)
          for (let c = 0; c < inChannels; c++)
            for (let ky = 0; ky < kernel; ky++)
              for (let kx = 0; kx < kernel; kx++) {
                const iy = oy * stride + ky - padding;
                const ix = ox * stride + kx - padding;
                if (iy < 0 || ix < 0 || iy >= height || ix >= width) continue;
                const y = ((image * outChannels + o) * outHeight + oy) * outWidth + ox;
                const x = ((image * inChannels + c) * height + iy) * width + ix;
                visit(y, x, ((o * inChannels + c) * kernel + ky) * kernel + kx);
              }
}

/** Calls back for every (output, input) of a pool. */
function eachCell({ node, shape }: Evaluation, planes: number, visit: (y: number, x: number) => void): void {
  const { kernel, stride, height, width, outHeight, outWidth } = windowOf(node.attributes);
  if (shape.length !== 4) throw new RangeError('a pool wants images');
  for (let plane = 0; plane < planes; plane++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++)
        for (let ky = 0; ky < kernel; ky++)
          for (let kx = 0; kx < kernel; kx++)
            visit(
              (plane * outHeight + oy) * outWidth + ox,
              (plane * height + oy * stride + ky) * width + ox * stride + kx,
            );
}

const cellsOf = (attributes: Attributes): number => {
  const { kernel } = windowOf(attributes);
  return kernel * kernel;
};

const zeros = (shape: readonly number[]): Float64Array =>
  new Float64Array(shape.reduce((product, n) => product * n, 1));

export const imageRules: Readonly<Record<string, Rule>> = {
  conv2d: ({ inputs: [x, w], shapes: [[batch, channels]], shape, node }) => {
    const y = zeros(shape);
    eachTap(windowOf(node.attributes), batch, channels, shape[1], (at, from, tap) => {
      y[at] += x[from] * w[tap];
    });
    return y;
  },
  conv2dDataGrad: ({ inputs: [dy, w], shapes: [[batch, outChannels]], shape, node }) => {
    const dx = zeros(shape);
    eachTap(windowOf(node.attributes), batch, shape[1], outChannels, (from, at, tap) => {
      dx[at] += dy[from] * w[tap];
    });
    return dx;
  },
  conv2dWeightGrad: ({ inputs: [x, dy], shapes: [[batch]], shape, node }) => {
    const dw = zeros(shape);
    eachTap(windowOf(node.attributes), batch, shape[1], shape[0], (out, from, tap) => {
      dw[tap] += dy[out] * x[from];
    });
    return dw;
  },
  maxPool: (evaluation) => {
    const { inputs, shape, keepPlaces } = evaluation;
    const y = zeros(shape).fill(Number.NEGATIVE_INFINITY);
    const places = new Int32Array(y.length);
    eachCell(evaluation, shape[0] * shape[1], (at, from) => {
      if (inputs[0][from] <= y[at]) return;
      y[at] = inputs[0][from];
      places[at] = from;
    });
    keepPlaces(places);
    return y;
  },
  maxPoolGrad: ({ inputs: [dy], shape, places }) => {
    const dx = zeros(shape);
    for (const [i, at] of places(1).entries()) dx[at] += dy[i];
    return dx;
  },
  maxPoolGather: ({ inputs: [x], places }) => Float64Array.from(places(1), (at) => x[at]),
  averagePool: (evaluation) => {
    const { inputs, shape, node } = evaluation;
    const cells = cellsOf(node.attributes);
    const y = zeros(shape);
    eachCell(evaluation, shape[0] * shape[1], (at, from) => {
      y[at] += inputs[0][from] / cells;
    });
    return y;
  },
  averagePoolGrad: (evaluation) => {
    const { inputs, shape, node } = evaluation;
    const cells = cellsOf(node.attributes);
    const dx = zeros(shape);
    eachCell(evaluation, shape[0] * shape[1], (from, at) => {
      dx[at] += inputs[0][from] / cells;
    });
    return dx;
  },
};
