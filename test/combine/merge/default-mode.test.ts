// Where the default mode differs from the reference tool: corrected corner cases, and typed errors instead of wrong tensors.
import { describe, expect, it } from 'vitest';
import { MergeMethodError, NonFiniteInputError } from '../../../src/combine/merge/errors.js';
import type { MergeMethod } from '../../../src/combine/merge/method.js';
import { findMergeMethod } from '../../../src/combine/merge/registry.js';
import { currentKernels } from '../../../src/kernels/current.js';
import { merge, randomTensor, tunedTensor } from './fixtures.js';
import { type GoldenCase, goldenCases, has, readModel } from './golden.js';
import { expectClose, runCase } from './golden-run.js';

const kernels = currentKernels();
function method(name: string): MergeMethod {
  const found = findMergeMethod(name);
  if (!found) throw new Error(`no method ${name}`);
  return found;
}
function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof MergeMethodError) {
      expect(error.message).toContain(`${error.method}, tensor ${error.tensor}`);
      return error.code;
    }
    throw error;
  }
  return 'no error';
}

/** Cases whose strict and default results differ; all others must agree with the golden values in both modes. */
const differing = new Set([
  'linear-zero-weight-sum',
  'breadcrumbs-small-tensor-quirk',
  'model-stock-degenerate',
  'model-stock-2',
  'model-stock-3',
  'model-stock-4',
  'model-stock-filterwise-3',
]);
const same = (golden: GoldenCase): boolean =>
  has(`${golden.name}/recipe.yml`) &&
  !['statistical', 'error'].includes(golden.kind) &&
  !differing.has(golden.name);

describe('golden cases in default mode', () => {
  for (const golden of goldenCases.filter(same))
    it(golden.name, () =>
      expectClose(golden, runCase(golden, kernels, false), readModel(`${golden.name}/expected`)),
    );

  it('breadcrumbs-small-tensor-quirk gives the corrected values', () => {
    const golden = goldenCases.find(({ name }) => name === 'breadcrumbs-small-tensor-quirk');
    if (!golden) throw new Error('the case is missing');
    expectClose(golden, runCase(golden, kernels, false), readModel(`${golden.name}/corrected`));
  });

  const failing = (name: string, strict: boolean): string =>
    codeOf(() => runCase({ name, kind: 'error', method: '' }, kernels, strict));
  it('linear-zero-weight-sum is an error', () => {
    expect(failing('linear-zero-weight-sum', false)).toBe('ERR_ZERO_WEIGHT_SUM');
  });
  it('della-epsilon-range-error is an error in both modes', () => {
    expect(failing('della-epsilon-range-error', false)).toBe('ERR_EPSILON_OUT_OF_RANGE');
    expect(failing('della-epsilon-range-error', true)).toBe('ERR_EPSILON_OUT_OF_RANGE');
  });
  it('multislerp-base-unchanged-quirk aborts in strict mode alone', () => {
    expect(failing('multislerp-base-unchanged-quirk', true)).toBe('ERR_ANTIPODAL_CANCELLATION');
    const name = 'multislerp-base-unchanged-quirk';
    const merged = runCase({ name, kind: 'error', method: '' }, kernels, false);
    const [a, base] = [readModel(`${name}/a`), readModel(`${name}/base`)];
    let unchanged = 0;
    for (const [tensor, { values }] of base)
      if (a.get(tensor)?.values.every((v, i) => v === values[i])) {
        expect(merged.get(tensor)?.values).toEqual(values);
        unchanged++;
      }
    expect(unchanged).toBeGreaterThan(0);
  });
});

describe('errors', () => {
  const base = randomTensor(8, 1);
  const tuned = tunedTensor(base, 2);
  const perModel = { weight: [1, 0], density: [0.05, 1] };

  it('SCE weighs small changes by their energy where its bound is relative to the base', () => {
    // Mean squares 1e-8 and 9e-8: equal weights below the fixed bound of 1e-6, else 1 to 9.
    const base = Float32Array.of(1, 1);
    const inputs = [Float32Array.of(1.0001, 1.0001), Float32Array.of(1.0003, 1.0003), base];
    const run = (global: Record<string, number>) => merge(method('sce'), { inputs, base: 2, global })[0];
    expect(run({})).toBeCloseTo(1.0002, 6);
    expect(run({ relative_eps: 1e-9 })).toBeCloseTo(1.00028, 6);
    expect(run({ relative_eps: 1e-3 })).toBeCloseTo(1.0002, 6);
  });

  it('TIES that keeps nothing says so, unless min_keep is set', () => {
    const setup = { inputs: [tuned, base], base: 1, perModel };
    expect(codeOf(() => merge(method('ties'), setup))).toBe('ERR_EMPTY_DENSITY');
    const kept = merge(method('ties'), { ...setup, global: { min_keep: 1 } });
    expect(kept.filter((v, i) => v !== base[i]).length).toBe(1);
  });

  for (const name of ['ties', 'breadcrumbs', 'della', 'sce', 'arcee_fusion'])
    it(`${name} names the model and the element that is not finite, and goes on in strict mode`, () => {
      const broken = tuned.slice();
      broken[5] = Number.NaN;
      const setup = {
        inputs: [broken, base],
        base: 1,
        perModel: { weight: [1, 0], density: [0.5, 1] },
        global: { select_topk: 0.5 },
      };
      const run = (): Float32Array => merge(method(name), setup);
      expect(run).toThrow(NonFiniteInputError);
      expect(run).toThrow(/model-0 .* element 5/);
      expect(() => merge(method(name), { ...setup, strict: true })).not.toThrow();
    });

  it('multislerp of directions that cancel has no mean', () => {
    const inputs = [
      Float32Array.of(1, 0),
      Float32Array.of(-0.5, Math.fround(Math.sqrt(3) / 2)),
      Float32Array.of(-0.5, -Math.fround(Math.sqrt(3) / 2)),
    ];
    const weighted = { inputs, perModel: { weight: [1, 1, 1] }, global: { eps: 1e-6 } };
    expect(codeOf(() => merge(method('multislerp'), weighted))).toBe('ERR_ANTIPODAL_CANCELLATION');
  });

  it('model_stock of task vectors that cancel has no ratio, and no mean of one', () => {
    const zero = new Float32Array(2);
    const opposite = [Float32Array.of(1, 1), Float32Array.of(-1, -1), zero];
    expect(codeOf(() => merge(method('model_stock'), { inputs: opposite, base: 2 }))).toBe(
      'ERR_SINGULAR_INTERPOLATION',
    );
    expect(codeOf(() => merge(method('model_stock'), { inputs: [zero, zero], base: 1 }))).toBe(
      'ERR_TOO_FEW_MODELS',
    );
  });
});
