// Every flat golden case that has a recipe, on every back end and instruction set: values from the reference tool or from a float64
// evaluation of the formula (test/golden/merge/README.md).
import { describe, expect, it } from 'vitest';
import { mergeInMemory, type TensorContext } from '../../../src/combine/merge/method.js';
import { findMergeMethod } from '../../../src/combine/merge/registry.js';
import type { Kernels } from '../../../src/kernels/kernels.js';
import { availableBackends } from '../../../src/kernels/select.js';
import {
  type GoldenCase,
  goldenCases,
  has,
  type Model,
  readModel,
  readRecipe,
  roundTo,
  settle,
} from './golden.js';

const backends = await availableBackends();
const byRecipe = goldenCases.filter(({ name }) => has(`${name}/recipe.yml`));
const deterministic = byRecipe.filter(({ kind }) => kind !== 'statistical' && kind !== 'error');

function runCase(golden: GoldenCase, kernels: Kernels, strict: boolean): Model {
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

function expectClose(golden: GoldenCase, got: Model, want: Model): void {
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

describe('golden cases', () => {
  it('are there', () => expect(deterministic.length).toBeGreaterThan(45));
});

for (const kernels of backends)
  describe(`golden cases on ${kernels.backend} ${kernels.isa} ${kernels.profile}`, () => {
    for (const golden of deterministic)
      it(`${golden.name} in strict mode`, () => {
        expectClose(golden, runCase(golden, kernels, true), readModel(`${golden.name}/expected`));
      });
  });

export { expectClose, runCase };
