// Every flat golden case that has a recipe, on every back end and instruction set: values from the reference tool or from a float64
// evaluation of the formula (test/golden/merge/README.md).
import { describe, expect, it } from 'vitest';
import { availableBackends } from '../../../src/kernels/select.js';
import { goldenCases, has, readModel } from './golden.js';
import { expectClose, runCase } from './golden-run.js';

const backends = await availableBackends();
const byRecipe = goldenCases.filter(({ name }) => has(`${name}/recipe.yml`));
const deterministic = byRecipe.filter(({ kind }) => kind !== 'statistical' && kind !== 'error');

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
