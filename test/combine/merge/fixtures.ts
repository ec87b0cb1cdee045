/** Tensors and contexts for tests of merge methods. */
import type { MergeMethod, TensorContext } from '../../../src/combine/merge/method.js';
import { mergeInMemory } from '../../../src/combine/merge/method.js';
import { currentKernels } from '../../../src/kernels/current.js';
import type { Kernels } from '../../../src/kernels/kernels.js';
import { philox4x32 } from '../../../src/kernels/reference/philox.js';

/** n values in about [-2, 2], a function of seed and index. */
export function randomTensor(n: number, seed: number, scale = 1): Float32Array {
  const out = new Float32Array(n);
  for (let i = 0; i < n; i += 4) {
    const words = philox4x32(i / 4, seed, 0, 0, 0x5eed, 0x7e57);
    for (let j = 0; j < 4 && i + j < n; j++) out[i + j] = (words[j] / 2 ** 31 - 1) * 2 * scale;
  }
  return out;
}

/** A fine-tune of a base: small differences in four fifths of the elements. */
export const tunedTensor = (base: Float32Array, seed: number): Float32Array => {
  const step = randomTensor(base.length, seed, 0.01);
  return base.map((b, i) => ((i * 7 + seed) % 5 === 0 ? b : b + step[i]));
};

export interface MergeSetup {
  inputs: readonly Float32Array[];
  base?: number;
  shape?: readonly number[];
  perModel?: Record<string, readonly number[]>;
  global?: Record<string, number>;
  seed?: number;
  strict?: boolean;
  tensor?: string;
  kernels?: Kernels;
}

export function contextOf(setup: MergeSetup): TensorContext {
  const size = setup.inputs[0].length;
  return {
    kernels: setup.kernels ?? currentKernels(),
    tensor: setup.tensor ?? 'layer.weight',
    shape: setup.shape ?? [size],
    size,
    models: setup.inputs.map((_, k) => `model-${k}`),
    base: setup.base ?? -1,
    perModel: setup.perModel ?? {},
    global: setup.global ?? {},
    seed: setup.seed ?? 7,
    strict: setup.strict ?? false,
  };
}

export const merge = (method: MergeMethod, setup: MergeSetup): Float32Array =>
  mergeInMemory(method, contextOf(setup), setup.inputs);

/** The same in chunks that end at `cuts`, as a stream would hand them over. */
export function mergeInChunks(method: MergeMethod, setup: MergeSetup, cuts: readonly number[]): Float32Array {
  const plan = method.plan(contextOf(setup));
  const size = setup.inputs[0].length;
  const alignment = plan.alignment ?? 1;
  const ends = [...new Set([...cuts.map((cut) => Math.floor(cut / alignment) * alignment), size])]
    .filter((end) => end > 0 && end <= size)
    .sort((a, b) => a - b);
  const out = new Float32Array(size);
  const each = (use: (begin: number, end: number) => void): void => {
    let begin = 0;
    for (const end of ends) {
      use(begin, end);
      begin = end;
    }
  };
  for (const pass of plan.passes) {
    each((begin, end) => {
      pass.accept(
        setup.inputs.map((x) => x.subarray(begin, end)),
        begin,
      );
    });
    pass.end?.();
  }
  each((begin, end) => {
    // A copy: a method may not reach beyond its chunk.
    const chunk = new Float32Array(end - begin);
    plan.combine(
      chunk,
      setup.inputs.map((x) => x.slice(begin, end)),
      begin,
    );
    out.set(chunk, begin);
  });
  return out;
}

/** One setting of every method that reads its statistics, its masks and its rows. */
export const settings: readonly {
  name: string;
  base: boolean;
  models?: number;
  perModel?: number[];
  density?: number;
  extra?: Record<string, number>;
  global?: Record<string, number>;
}[] = [
  { name: 'linear', base: false },
  { name: 'uniform_soup', base: false },
  { name: 'slerp', base: true, models: 1, global: { t: 0.3 } },
  { name: 'nuslerp', base: true, models: 2 },
  { name: 'nuslerp', base: false, models: 2, global: { nuslerp_flatten: 0 } },
  { name: 'nuslerp', base: true, models: 2, global: { nuslerp_flatten: 0, nuslerp_row_wise: 1 } },
  { name: 'multislerp', base: true },
  { name: 'karcher', base: false },
  { name: 'task_arithmetic', base: true },
  { name: 'ties', base: true, density: 0.3 },
  { name: 'ties', base: true, density: 0.3, global: { rescale: 1 } },
  { name: 'dare_linear', base: true, density: 0.3 },
  { name: 'dare_ties', base: true, density: 0.6, global: { rescale: 0 } },
  { name: 'della', base: true, density: 0.4 },
  { name: 'della_linear', base: true, density: 0.4 },
  { name: 'breadcrumbs', base: true, density: 0.2 },
  { name: 'breadcrumbs_ties', base: true, density: 0.2 },
  { name: 'sce', base: true },
  { name: 'sce', base: true, global: { select_topk: 0.2 } },
  { name: 'ram', base: true, global: { epsilon: 1e-3 } },
  { name: 'ramplus_tl', base: true, global: { epsilon: 1e-3 } },
  { name: 'model_stock', base: true },
  { name: 'model_stock', base: true, global: { filter_wise: 1 } },
  { name: 'nearswap', base: true, models: 1, global: { t: 1e-3 } },
  { name: 'arcee_fusion', base: true, models: 1 },
  { name: 'passthrough', base: false, models: 1 },
];

/** Inputs (fine-tunes first, the base last) and parameters of a setting. */
export function setupOf(
  setting: (typeof settings)[number],
  shape: readonly number[],
  kernels?: Kernels,
): MergeSetup {
  const size = shape.reduce((product, n) => product * n, 1);
  const count = setting.models ?? 3;
  const base = randomTensor(size, 99);
  const tuned = Array.from({ length: count }, (_, k) => tunedTensor(base, k + 1));
  const inputs = setting.base ? [...tuned, base] : tuned;
  return {
    inputs,
    shape,
    base: setting.base ? count : -1,
    perModel: {
      ...(setting.name === 'passthrough'
        ? { scale: [0.5] }
        : { weight: inputs.map((_, k) => 0.4 + 0.3 * k) }),
      ...(setting.density === undefined ? {} : { density: inputs.map(() => setting.density ?? 1) }),
    },
    global: setting.global,
    kernels,
  };
}
