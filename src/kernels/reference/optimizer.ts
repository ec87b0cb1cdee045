/** Parameter updates and terms added to a gradient. Every step rounds to float32; divisions and roots are IEEE ones. */
import { clipFactor } from './clip.js';

const f = Math.fround;

/**
 * One SGD step as PyTorch has it (dampening 0): `g' = g + weightDecay * w` (not when 0), `v = momentum * v + g'`,
 * `w -= lr * d` with d = g' + momentum * v (Nesterov) or v. Without a velocity (length 0), d = g'.
 */
export function sgdStepF32(
  w: Float32Array,
  velocity: Float32Array,
  g: Float32Array,
  lr: number,
  momentum: number,
  nesterov: number,
  weightDecay: number,
): void {
  for (let i = 0; i < w.length; i++) {
    let d = weightDecay === 0 ? g[i] : f(g[i] + f(weightDecay * w[i]));
    if (velocity.length > 0) {
      const v = f(f(momentum * velocity[i]) + d);
      velocity[i] = v;
      d = nesterov ? f(d + f(momentum * v)) : v;
    }
    w[i] = f(w[i] - f(lr * d));
  }
}

/**
 * One Adam step (Kingma and Ba 2015, algorithm 1, with L2 decay added to the gradient as in PyTorch's Adam).
 *
 * @param beta1Power, beta2Power - beta1^t and beta2^t of this step t = 1, 2, ...; corrections are formed in float64:
 *   `w -= fround(lr / (1 - beta1Power)) * (m / (sqrt(v) / fround(sqrt(1 - beta2Power)) + epsilon))`.
 */
export function adamStepF32(
  w: Float32Array,
  m: Float32Array,
  v: Float32Array,
  g: Float32Array,
  lr: number,
  beta1: number,
  beta2: number,
  epsilon: number,
  weightDecay: number,
  beta1Power: number,
  beta2Power: number,
): void {
  const rest1 = f(1 - beta1);
  const rest2 = f(1 - beta2);
  const rate = f(lr / (1 - beta1Power));
  const root = f(Math.sqrt(1 - beta2Power));
  for (let i = 0; i < w.length; i++) {
    const d = weightDecay === 0 ? g[i] : f(g[i] + f(weightDecay * w[i]));
    const first = f(f(beta1 * m[i]) + f(rest1 * d));
    const second = f(f(beta2 * v[i]) + f(rest2 * f(d * d)));
    m[i] = first;
    v[i] = second;
    const denominator = f(f(f(Math.sqrt(second)) / root) + epsilon);
    w[i] = f(w[i] - f(rate * f(first / denominator)));
  }
}

/** g += a * (w - center) + v; an empty `center` or `v` is left out (FedProx, FedDyn, SCAFFOLD as one affine term). */
export function addAffineTermF32(
  g: Float32Array,
  w: Float32Array,
  center: Float32Array,
  v: Float32Array,
  a: number,
): void {
  for (let i = 0; i < g.length; i++) {
    let term = f(a * (center.length > 0 ? f(w[i] - center[i]) : w[i]));
    if (v.length > 0) term = f(term + v[i]);
    g[i] = f(g[i] + term);
  }
}

/** g += a * (w - center), elementwise (a Fisher-weighted pull towards `center`). */
export function addAffineVectorF32(
  g: Float32Array,
  a: Float32Array,
  w: Float32Array,
  center: Float32Array,
): void {
  for (let i = 0; i < g.length; i++) g[i] = f(g[i] + f(a[i] * f(w[i] - center[i])));
}

/** Global gradient clipping: x *= clipFactor(max(sqrt(norm2[0]), 1e-6), maxNorm). A NaN norm makes everything NaN. */
export function clipByNormF32(x: Float32Array, norm2: Float64Array, maxNorm: number): void {
  const root = Math.sqrt(norm2[0]);
  const factor = clipFactor(root < 1e-6 ? 1e-6 : root, maxNorm);
  for (let i = 0; i < x.length; i++) x[i] = f(x[i] * factor);
}
