import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidArgumentError } from '../../../src/errors.js';
import { intoBounds } from '../../../src/merge/evolve/bounds.js';
import { cmaCoefficients } from '../../../src/merge/evolve/cma-coefficients.js';
import { askCma, type CmaState, createCma, rank, tellCma } from '../../../src/merge/evolve/cma-es.js';
import { symmetricEigen } from '../../../src/merge/evolve/eigen.js';

interface Trajectory {
  N: number;
  x0: number[];
  sigma0: number;
  params: Record<'lambda' | 'mu' | 'mueff' | 'cc' | 'cs' | 'c1' | 'cmu' | 'damps' | 'chiN', number> & {
    weights: number[];
  };
  generations: {
    X: number[][];
    f: number[];
    after: { mean: number[]; sigma: number; pc: number[]; ps: number[]; C: number[][] };
  }[];
}

const golden = (name: string): Trajectory =>
  JSON.parse(readFileSync(new URL(`../../golden/merge/${name}/trajectory.json`, import.meta.url), 'utf8'));

function expectClose(got: readonly number[], want: readonly number[]): void {
  expect(got.length).toBe(want.length);
  want.forEach((value, i) => {
    expect(Math.abs(got[i] - value)).toBeLessThanOrEqual(1e-9 + 1e-6 * Math.abs(value));
  });
}

/** Minimises to `target` or to `budget` evaluations. */
function minimise(start: CmaState, f: (x: Float64Array) => number, target: number, budget: number) {
  let state = start;
  let best = Number.POSITIVE_INFINITY;
  while (best > target && state.evaluations < budget) {
    const candidates = askCma(state);
    const costs = candidates.map(f);
    best = Math.min(best, ...costs);
    state = tellCma(state, candidates, costs);
  }
  return { state, best };
}

const sphere = (x: Float64Array): number => x.reduce((sum, v) => sum + v * v, 0);
/** An axis-parallel ellipsoid of condition 1e4. */
const ellipsoid = (x: Float64Array): number =>
  x.reduce((sum, v, i) => sum + 10 ** ((4 * i) / (x.length - 1)) * v * v, 0);

describe('CMA-ES', () => {
  for (const name of ['cmaes-sphere-4', 'cmaes-elli-6'])
    it(`follows the trajectory of pycma's purecma: ${name}`, () => {
      const { x0, sigma0, params, generations } = golden(name);
      let state = createCma({ mean: x0, sigma: sigma0, seed: 1, variant: 'purecma', eigen: 'always' });
      expect(state.shape.lambda).toBe(params.lambda);
      const c = cmaCoefficients(state.shape);
      expect(c.mu).toBe(params.mu);
      expectClose(
        [...c.weights, c.muEff, c.cC, c.cSigma, c.c1, c.cMu, c.dSigma, c.chi],
        [
          ...params.weights,
          params.mueff,
          params.cc,
          params.cs,
          params.c1,
          params.cmu,
          params.damps,
          params.chiN,
        ],
      );
      for (const { X, f, after } of generations) {
        state = tellCma(state, X, f);
        expectClose(state.mean, after.mean);
        expectClose([state.sigma], [after.sigma]);
        expectClose(state.pC, after.pc);
        expectClose(state.pSigma, after.ps);
        expectClose(state.C, after.C.flat());
      }
    });

  it('brings the sphere in 10 dimensions to 1e-10 within 3000 evaluations', () => {
    const mean = new Array<number>(10).fill(Math.sqrt(0.1));
    for (const variant of ['tutorial', 'purecma'] as const)
      for (const seed of [1, 2, 3]) {
        const { best } = minimise(createCma({ mean, sigma: 0.3, seed, variant }), sphere, 1e-10, 3000);
        expect(best).toBeLessThanOrEqual(1e-10);
      }
  });

  it('learns an ellipsoid of condition 1e4, with active weights, without, and with a diagonal covariance', () => {
    const mean = new Array<number>(8).fill(1);
    for (const options of [{}, { active: false }, { diagonal: true }]) {
      const { best } = minimise(createCma({ mean, sigma: 0.5, seed: 4, ...options }), ellipsoid, 1e-8, 8000);
      expect(best).toBeLessThanOrEqual(1e-8);
    }
  });

  it('needs fewer evaluations on the ellipsoid with active weights than without', () => {
    const mean = new Array<number>(8).fill(1);
    const evaluations = (active: boolean): number =>
      [1, 2, 3, 4].reduce((sum, seed) => {
        const start = createCma({ mean, sigma: 0.5, seed, active });
        return sum + minimise(start, ellipsoid, 1e-8, 8000).state.evaluations;
      }, 0);
    expect(evaluations(true)).toBeLessThan(evaluations(false));
  });

  it('works in one dimension', () => {
    expect(
      minimise(createCma({ mean: [3], sigma: 1, seed: 1 }), sphere, 1e-12, 1000).best,
    ).toBeLessThanOrEqual(1e-12);
  });

  it('goes on with the same bits after a way through JSON, at any generation', () => {
    const f = ellipsoid;
    const start = createCma({ mean: [1, 2, 3, 4, 5], sigma: 0.7, seed: '12345678901234567890' });
    const step = (state: CmaState): CmaState => {
      const candidates = askCma(state);
      return tellCma(state, candidates, candidates.map(f));
    };
    let plain = start;
    let stored = start;
    for (let g = 0; g < 25; g++) {
      plain = step(plain);
      stored = step(JSON.parse(JSON.stringify(stored)));
      expect(JSON.stringify(stored)).toBe(JSON.stringify(plain));
    }
  });

  it('depends on ranks alone: a monotone change of the costs changes nothing', () => {
    const start = createCma({ mean: [1, 2, 3], sigma: 0.5, seed: 9 });
    const candidates = askCma(start);
    const costs = candidates.map(sphere);
    expect(
      tellCma(
        start,
        candidates,
        costs.map((c) => 7 * c * c * c - 3),
      ),
    ).toEqual(tellCma(start, candidates, costs));
  });

  it('draws other candidates for another seed, generation or restart, and the same for the same', () => {
    const base = { mean: [0, 0, 0], sigma: 1, seed: 5 };
    const first = askCma(createCma(base));
    expect(askCma(createCma(base))).toEqual(first);
    expect(askCma(createCma({ ...base, seed: 6 }))).not.toEqual(first);
    expect(askCma(createCma({ ...base, restart: 1 }))).not.toEqual(first);
    expect(askCma({ ...createCma(base), generation: 1 })).not.toEqual(first);
  });

  it('draws from N(m, sigma^2 C)', () => {
    // 4000 draws: the standard error of a mean is 0.03, of a variance 0.04 (in units of the true one 2%).
    const state = createCma({ mean: [1, -2], sigma: 2, seed: 3, populationSize: 4000 });
    const draws = askCma(state);
    for (const axis of [0, 1]) {
      const mean = draws.reduce((sum, x) => sum + x[axis], 0) / 4000;
      const variance = draws.reduce((sum, x) => sum + (x[axis] - mean) ** 2, 0) / 4000;
      expect(Math.abs(mean - state.mean[axis])).toBeLessThan(0.13);
      expect(Math.abs(variance / 4 - 1)).toBeLessThan(0.1);
    }
  });

  it('holds the path of the covariance back when the step is too long for its generation', () => {
    // In the first generation p_sigma = sqrt(c (2 - c) muEff) y, and the test of h reads muEff |y|^2 / D < 2 + 4 / (D + 1).
    const start = createCma({ mean: [0, 0, 0], sigma: 1, seed: 1 });
    const { muEff } = cmaCoefficients(start.shape);
    for (const [factor, held] of [
      [0.99, false],
      [1.01, true],
    ] as const) {
      const x = [Math.sqrt((factor * 3 * 3) / muEff), 0, 0];
      const candidates = Array.from({ length: start.shape.lambda }, () => x);
      const next = tellCma(
        start,
        candidates,
        candidates.map(() => 0),
      );
      expect(next.pC[0] === 0).toBe(held);
    }
  });

  it('ranks NaN last and keeps the order of ties', () => {
    expect(rank([2, Number.NaN, 1, 2, Number.POSITIVE_INFINITY, 1])).toEqual([2, 5, 0, 3, 1, 4]);
  });

  it('keeps weights whose negative part leaves the covariance positive definite', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 2, max: 80 }), (dimension, lambda) => {
        const shape = { dimension, lambda, variant: 'tutorial', active: true, diagonal: false } as const;
        const { weights, mu, c1, cMu } = cmaCoefficients(shape);
        const positive = weights.slice(0, mu).reduce((a, b) => a + b, 0);
        const negative = weights.slice(mu).reduce((a, b) => a + b, 0);
        expect(positive).toBeCloseTo(1, 12);
        expect(negative).toBeLessThanOrEqual(0);
        // Tutorial, eq. 46: the decay of C and the negative updates take no more than all of it.
        expect(1 - c1 - cMu + cMu * dimension * negative).toBeGreaterThanOrEqual(-1e-9);
      }),
    );
  });

  it('refuses what cannot be searched', () => {
    for (const options of [
      { mean: [], sigma: 1 },
      { mean: [Number.NaN], sigma: 1 },
      { mean: [1], sigma: 0 },
      { mean: [1], sigma: 1, populationSize: 1 },
      { mean: [1], sigma: 1, variant: 'purecma' as const, active: true },
    ])
      expect(() => createCma({ seed: 1, ...options })).toThrow(InvalidArgumentError);
    expect(() => tellCma(createCma({ mean: [1], sigma: 1, seed: 1 }), [[1]], [1])).toThrow(
      InvalidArgumentError,
    );
  });
});

describe('symmetricEigen', () => {
  it('reconstructs the matrix from an orthonormal basis', () => {
    const size = fc.integer({ min: 1, max: 12 });
    const matrices = size.chain((n) =>
      fc.tuple(
        fc.constant(n),
        fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: n * n, maxLength: n * n }),
      ),
    );
    fc.assert(
      fc.property(matrices, ([n, raw]) => {
        const a = raw.map((_, i) => (raw[i] + raw[(i % n) * n + Math.floor(i / n)]) / 2);
        const { values, vectors: V } = symmetricEigen(a, n);
        for (let k = 1; k < n; k++) expect(values[k]).toBeGreaterThanOrEqual(values[k - 1]);
        for (let i = 0; i < n; i++)
          for (let j = 0; j < n; j++) {
            let product = 0;
            let dot = 0;
            for (let k = 0; k < n; k++) {
              product += V[i * n + k] * values[k] * V[j * n + k];
              dot += V[k * n + i] * V[k * n + j];
            }
            expect(Math.abs(product - a[i * n + j])).toBeLessThan(1e-11);
            expect(Math.abs(dot - (i === j ? 1 : 0))).toBeLessThan(1e-12);
          }
      }),
      { numRuns: 60 },
    );
  });

  it('finds the eigenvalues of the second difference matrix: 2 - 2 cos(k pi / (n + 1))', () => {
    const n = 20;
    const a = Array.from({ length: n * n }, (_, i) => {
      const distance = Math.abs(Math.floor(i / n) - (i % n));
      return distance === 0 ? 2 : distance === 1 ? -1 : 0;
    });
    symmetricEigen(a, n).values.forEach((value, k) => {
      expect(value).toBeCloseTo(2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)), 12);
    });
  });
});

describe('intoBounds', () => {
  const bounds = fc
    .tuple(fc.double({ min: -50, max: 50, noNaN: true }), fc.double({ min: 0.01, max: 50, noNaN: true }))
    .map(([lower, width]) => ({ lower, upper: lower + width }));

  it('always lands in the interval', () => {
    fc.assert(
      fc.property(bounds, fc.double({ min: -1e6, max: 1e6, noNaN: true }), (box, g) => {
        const x = intoBounds(g, box);
        expect(x).toBeGreaterThanOrEqual(box.lower);
        expect(x).toBeLessThanOrEqual(box.upper);
      }),
    );
  });

  it('is the identity away from the ends, reaches both, and is symmetric about the fold', () => {
    const box = { lower: 0, upper: 1 };
    for (const g of [0.05, 0.3, 0.5, 0.95]) expect(intoBounds(g, box)).toBe(g);
    expect(intoBounds(-0.05, box)).toBe(0);
    expect(intoBounds(1.05, box)).toBe(1);
    // a = 0.05 on both sides: the period is 2 (1 + 0.1), the mirrors stand at -0.05 and 1.05.
    for (const g of [-0.8, -0.2, 0.4, 0.99, 1.2]) {
      expect(intoBounds(g + 2.2, box)).toBeCloseTo(intoBounds(g, box), 12);
      expect(intoBounds(2.1 - g, box)).toBeCloseTo(intoBounds(g, box), 12);
    }
  });

  it('has a continuous slope', () => {
    const box = { lower: -1, upper: 2 };
    const h = 1e-5;
    const slope = (g: number): number => (intoBounds(g + h, box) - intoBounds(g - h, box)) / (2 * h);
    for (let g = -3; g < 4; g += 0.01) expect(Math.abs(slope(g + 1e-3) - slope(g))).toBeLessThan(0.03);
  });
});
