import { expF, logF, reluF, sigmoidF, tanhF } from './elementary.js';
import { wordsOf } from './stream.js';

const f = Math.fround;

const elementwise = (fn: (x: number) => number) => (y: Float32Array, x: Float32Array) => {
  for (let i = 0; i < y.length; i++) y[i] = fn(x[i]);
};
const gradient =
  (fn: (dy: number, y: number) => number) => (dx: Float32Array, dy: Float32Array, y: Float32Array) => {
    for (let i = 0; i < dx.length; i++) dx[i] = fn(dy[i], y[i]);
  };

/** y = x < 0 ? 0 : x; a NaN stays NaN. */
export const reluF32 = elementwise(reluF);
/** dx = y > 0 ? dy : 0, where y is the output (or the input) of the rectifier. */
export const reluGradF32 = gradient((dy, y) => (y > 0 ? dy : 0));
/** Hyperbolic tangent, see `tanhF`. */
export const tanhF32 = elementwise(tanhF);
/** dx = dy * (1 - y * y), y being the output. */
export const tanhGradF32 = gradient((dy, y) => f(dy * f(1 - f(y * y))));
/** Logistic function, see `sigmoidF`. */
export const sigmoidF32 = elementwise(sigmoidF);
/** dx = dy * (y * (1 - y)), y being the output. */
export const sigmoidGradF32 = gradient((dy, y) => f(dy * f(y * f(1 - y))));
/** e^x, see `expF`. */
export const expF32 = elementwise(expF);
/** Natural logarithm, see `logF`. */
export const logF32 = elementwise(logF);

/**
 * Inverted dropout: element i is kept if its 24-bit uniform is at least `rate`, and then multiplied by
 * fround(1 / (1 - rate)); else it is 0. Applied to a delta under the same address it is its own gradient.
 * Element i uses word i & 3 of block i >> 2 from (blockLow, blockHigh), as `uniformF32` does.
 */
export function dropoutF32(
  y: Float32Array,
  x: Float32Array,
  rate: number,
  key0: number,
  key1: number,
  blockLow: number,
  blockHigh: number,
  step: number,
  site: number,
): void {
  const scale = f(1 / (1 - rate));
  let i = 0;
  for (const word of wordsOf({ key0, key1, blockLow, blockHigh, step, site }, y.length)) {
    y[i] = (word >>> 8) / 0x1000000 >= rate ? f(x[i] * scale) : 0;
    i++;
  }
}
