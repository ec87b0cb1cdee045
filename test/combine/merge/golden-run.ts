/** Runs a golden case in memory, and compares models as its tolerance says. */
import { expect } from 'vitest';
import { mergeInMemory, type TensorContext } from '../../../src/combine/merge/method.js';
import { findMergeMethod } from '../../../src/combine/merge/registry.js';
import type { Kernels } from '../../../src/kernels/kernels.js';
import { type GoldenCase, type Model, readModel, readRecipe, roundTo, settle } from './golden.js';

export function runCase(golden: GoldenCase, kernels: Kernels, strict: boolean): Model {
  const recipe = readRecipe(golden.name);
  const method = findMergeMethod(recipe.merge_method);
  if (!method) throw new Error(`unknown method ${recipe.merge_method}`);
  const sources = [...(recipe.models ?? [])];
  if (recipe.base_model && !sources.some(({ model }) => model === recipe.base_model))
    sources.push({ model: recipe.base_model });
  const models = sources.map(({ model }) => readModel(`${golden.name}/${model.replace(/^\.\//, '')}`));
  const out: Model = new Map();
  for (const [tensor, { shape, dtype }] of models[0]) {
    const inputs = models.map((model) => model.get(tensor)?.values ?? new Float32Array(0));
    const perModel: Record<string, number[]> = {};
    const global: Record<string, number> = {};
    for (const { name, scope, default: fallback } of method.parameters) {
      const shared =
        settle(recipe.parameters?.[name], tensor) ?? (fallback === undefined ? undefined : Number(fallback));
      if (scope === 'model')
        perModel[name] = sources.map(
          ({ parameters }) => settle(parameters?.[name], tensor) ?? shared ?? Number.NaN,
        );
      else if (shared !== undefined) global[name] = shared;
    }
    const context: TensorContext = {
      kernels,
      tensor,
      shape,
      size: inputs[0].length,
      models: sources.map(({ model }) => model),
      base: sources.findIndex(({ model }) => model === recipe.base_model),
      perModel,
      global,
      seed: 1,
      strict,
    };
    const values = mergeInMemory(method, context, inputs);
    const stored =
      { bfloat16: 'BF16', float16: 'F16', float32: 'F32' }[recipe.out_dtype ?? recipe.dtype ?? ''] ?? dtype;
    out.set(tensor, { dtype: stored, shape, values: values.map((value) => roundTo(stored, value)) });
  }
  return out;
}

export function expectClose(golden: GoldenCase, got: Model, want: Model): void {
  const { rtol, atol } = golden.tolerance ?? { rtol: 0, atol: 0 };
  expect([...got.keys()].sort()).toEqual([...want.keys()].sort());
  for (const [tensor, expected] of want) {
    const received = got.get(tensor);
    expect(received?.dtype, tensor).toBe(expected.dtype);
    let outside = 0;
    expected.values.forEach((w, i) => {
      const g = received?.values[i] ?? Number.NaN;
      const close = Number.isFinite(w) ? Math.abs(g - w) <= atol + rtol * Math.abs(w) : !Number.isFinite(g);
      if (!close) outside++;
    });
    const allowed = golden.compare === 'allclose_97pct' ? 0.03 * expected.values.length : 0;
    expect(outside, `${golden.name}: elements of ${tensor} outside ${rtol}, ${atol}`).toBeLessThanOrEqual(
      allowed,
    );
  }
}
