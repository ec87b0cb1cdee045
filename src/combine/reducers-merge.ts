/** Merge methods as reductions of a cohort's updates: an update is a task vector on a base of zeros. */
import { currentKernels } from '../kernels/current.js';
import type { Kernels } from '../kernels/kernels.js';
import type { MergeMethod } from './merge/method.js';
import { mergeInMemory } from './merge/method.js';
import { modelStock as modelStockMethod } from './merge/model-stock.js';
import { sce as sceMethod } from './merge/sce.js';
import { ties as tiesMethod } from './merge/ties.js';
import type { GatheringReducer } from './reducers.js';

/** A tensor of the flat update: what `ParamSpec.entries` holds. */
export interface UpdateTensor {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly shape: readonly number[];
}

export interface MergeReducerOptions {
  /** Tensors of the update, as `model.spec.entries`: the rule is applied to each. Default: the whole update is one tensor. */
  tensors?: readonly UpdateTensor[];
  /** Default: the kernels of `init()`, else native where it is built. */
  kernels?: Kernels;
}

interface Rule {
  readonly name: string;
  readonly method: MergeMethod;
  /** Fewer updates than this are averaged by their weights. */
  readonly least: number;
  readonly global: Readonly<Record<string, number>>;
  readonly density?: number;
}

/**
 * A reducer that runs a merge method over whole updates. Its statistics need all coordinates of a tensor, so that each range is
 * computed from the whole; the caller that asks for one range pays once.
 */
function mergeReducer(rule: Rule, options: MergeReducerOptions): GatheringReducer {
  const mergeTensor = (
    out: Float32Array,
    updates: readonly Float32Array[],
    weights: readonly number[],
    { name, offset, size, shape }: UpdateTensor,
  ): void => {
    const kernels = options.kernels ?? currentKernels();
    const context = {
      kernels,
      tensor: name,
      shape,
      size,
      models: [...updates.map((_, k) => `update ${k}`), 'base'],
      base: updates.length,
      perModel: {
        weight: [...weights, 0],
        density: [...updates.map(() => rule.density ?? 1), 1],
      },
      global: rule.global,
      seed: 0,
      strict: false,
    };
    const inputs = updates.map((update) => update.subarray(offset, offset + size));
    mergeInMemory(
      rule.method,
      context,
      [...inputs, new Float32Array(size)],
      out.subarray(offset, offset + size),
    );
  };
  return {
    kind: 'gathering',
    name: rule.name,
    reduce(out, updates, weights, begin, end) {
      if (updates.length === 0) {
        out.fill(0, begin, end);
        return;
      }
      if (updates.length < rule.least) {
        out.set(updates[0].subarray(begin, end), begin);
        return;
      }
      const { length } = updates[0];
      const tensors = options.tensors ?? [{ name: 'update', offset: 0, size: length, shape: [length] }];
      const whole = begin === 0 && end === length ? out : new Float32Array(length);
      for (const tensor of tensors) {
        if (tensor.offset >= end || tensor.offset + tensor.size <= begin) continue;
        mergeTensor(whole, updates, weights, tensor);
      }
      if (whole !== out) out.set(whole.subarray(begin, end), begin);
    },
  };
}

/**
 * Model Stock of the clients around the global model: the mean update times t, from the mean angle between updates. A single update
 * comes back as it is; weights do not count.
 *
 * @see Jang et al. 2024, "Model Stock: All we need is just a few fine-tuned models" (arXiv 2403.19522), eq. 4.
 */
export const modelStock = (options: MergeReducerOptions & { filterWise?: boolean } = {}): GatheringReducer =>
  mergeReducer(
    {
      name: 'model-stock',
      method: modelStockMethod,
      least: 2,
      global: { filter_wise: options.filterWise ? 1 : 0 },
    },
    options,
  );

/**
 * TIES over client updates: trims each to its `density` largest entries, elects signs by weighted sum, and averages by weight what agrees.
 *
 * @param options.density - share kept of each tensor, in (0, 1], at least one entry. Default: 0.2.
 * @param options.lambda - scale of the result. Default: 1.
 * @see Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models" (arXiv 2306.01708).
 */
export const ties = (
  options: MergeReducerOptions & { density?: number; lambda?: number } = {},
): GatheringReducer =>
  mergeReducer(
    {
      name: 'ties',
      method: tiesMethod,
      least: 1,
      global: { lambda: options.lambda ?? 1, normalize: 1, min_keep: 1 },
      density: options.density ?? 0.2,
    },
    options,
  );

/**
 * SCE over client updates: keeps the share `selectTopk` of positions with the largest variance and weights clients by their energy there.
 *
 * @see Wan et al. 2024, "FuseChat" (arXiv 2408.07990).
 */
export const sce = (options: MergeReducerOptions & { selectTopk?: number } = {}): GatheringReducer =>
  mergeReducer(
    { name: 'sce', method: sceMethod, least: 1, global: { select_topk: options.selectTopk ?? 1 } },
    options,
  );
