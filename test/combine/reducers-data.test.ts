/** Fisher merging and RegMean of updates against what they minimise, and against golden merges. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClientStatistics, GatheringContext, ReceivedGram } from '../../src/combine/reducers.js';
import { fisher, regmean } from '../../src/combine/reducers-data.js';
import { lcg } from '../federation/fixtures.js';
import { backends } from '../support/backends.js';
import { goldenCases, type Model, readJson, readModel, readTensors } from './merge/golden.js';
import { expectClose } from './merge/golden-run.js';

const [kernels] = backends;

const contextOf = (
  statistics: readonly ClientStatistics[],
  size: number,
  changes: Partial<GatheringContext> = {},
): GatheringContext => ({
  kernels,
  tensors: [{ name: 'w', offset: 0, size, shape: [size] }],
  params: new Float32Array(size),
  seed: 0,
  round: 0,
  statistics,
  report() {},
  ...changes,
});

function reduce(
  reducer: ReturnType<typeof fisher>,
  updates: readonly Float32Array[],
  weights: readonly number[],
  context: GatheringContext,
): Float32Array {
  const out = new Float32Array(updates[0].length).fill(9);
  reducer.reduce(out, updates, weights, 0, out.length, context);
  return out;
}

const information = (...values: number[]): ClientStatistics => ({
  kind: 'fisher',
  values: Float32Array.from(values),
});

describe('fisher', () => {
  it('steps to the minimum of the sum of two quadratics', () => {
    // f_k(w) = 1/2 sum_i h_ki (w_i - m_ki)^2 around w = 0: the minimum is sum_k h_ki m_ki / sum_k h_ki.
    const updates = [Float32Array.of(1, 2, -4), Float32Array.of(3, -2, 0)];
    const curvatures = [information(3, 1, 0.5), information(1, 1, 1.5)];
    const step = reduce(fisher({ fisherFloor: 0 }), updates, [1, 1], contextOf(curvatures, 3));
    expect([...step]).toEqual([1.5, 0, -1]);
    // Weights scale a client's function: 2 f_1 + f_2.
    const weighted = reduce(fisher({ fisherFloor: 0 }), updates, [2, 1], contextOf(curvatures, 3));
    expect(weighted[0]).toBeCloseTo(9 / 7, 6);
    expect(weighted[1]).toBeCloseTo(2 / 3, 6);
    expect(weighted[2]).toBeCloseTo(-1.6, 6);
  });

  it('divides by norms, raises to the floor, and takes the mean where there is no information', () => {
    const updates = [Float32Array.of(1, 0), Float32Array.of(3, 2)];
    // Norms 5 and 10: 0.6 and 0.8 against 0.6 and 0.8.
    const proportional = contextOf([information(3, 4), information(6, 8)], 2);
    const even = reduce(fisher({ normalizeFishers: true }), updates, [1, 1], proportional);
    expect(even[0]).toBeCloseTo(2, 6);
    expect(even[1]).toBeCloseTo(1, 6);
    const faint = contextOf([information(1e-9, 3), information(2e-9, 1e-9)], 2);
    const raised = reduce(fisher({ fisherFloor: 1e-6 }), updates, [1, 1], faint);
    expect(raised[0]).toBeCloseTo(2, 6);
    expect(raised[1]).toBeCloseTo(0, 5);
    const none = contextOf([information(0, 0), information(0, 1)], 2);
    expect([...reduce(fisher({ fisherFloor: 0 }), updates, [1, 1], none)]).toEqual([2, 2]);
    const silent = reduce(
      fisher({ fisherFloor: 1, normalizeFishers: true }),
      updates,
      [1, 1],
      contextOf([information(0, 0), information(0, 0)], 2),
    );
    expect([...silent]).toEqual([2, 1]);
  });

  it('gives the same in ranges as at once', () => {
    const updates = [Float32Array.of(1, 2, -4), Float32Array.of(3, -2, 0)];
    const context = contextOf([information(3, 1, 0.5), information(1, 1, 1.5)], 3);
    for (const options of [{}, { normalizeFishers: true }]) {
      const whole = reduce(fisher(options), updates, [1, 2], context);
      const out = new Float32Array(3).fill(9);
      fisher(options).reduce(out, updates, [1, 2], 1, 3, context);
      expect([...out]).toEqual([9, whole[1], whole[2]]);
    }
  });

  it('gives the golden values of fisher-2-allfloor from updates', () => {
    const name = 'fisher-2-allfloor';
    const params = readJson<{ coefficients: number[]; fisher_floor: number; normalize_fishers: boolean }>(
      `${name}/params.json`,
    );
    const models = ['m0', 'm1'].map((m) => readModel(`${name}/${m}`));
    const measured = ['m0', 'm1'].map((m) => readTensors(`${name}/fisher/${m}.safetensors`));
    const reducer = fisher({ fisherFloor: params.fisher_floor, normalizeFishers: params.normalize_fishers });
    // Flat, in the order of the first model: the norm is that of the whole.
    const flat = (model: Model): Float32Array =>
      Float32Array.from([...models[0].keys()].flatMap((tensor) => [...(model.get(tensor)?.values ?? [])]));
    const base = flat(models[0]).map((x) => 0.5 * x);
    const updates = models.map((model) => flat(model).map((x, i) => x - base[i]));
    const statistics = measured.map((model): ClientStatistics => ({ kind: 'fisher', values: flat(model) }));
    const step = reduce(reducer, updates, params.coefficients, contextOf(statistics, base.length));
    const out: Model = new Map();
    let offset = 0;
    for (const [tensor, { shape, dtype, values }] of models[0]) {
      const from = offset;
      out.set(tensor, { shape, dtype, values: values.map((_, i) => base[from + i] + step[from + i]) });
      offset += values.length;
    }
    const golden = goldenCases.find((each) => each.name === name);
    if (golden) expectClose(golden, out, readModel(`${name}/expected`));
    expect(golden).toBeDefined();
  });
});

/** One client's data of a linear layer y = W x, W [out, in]. */
interface LinearData {
  readonly x: number[][];
  readonly y: number[][];
}

/** Solves a symmetric positive definite system by Gauss's elimination. */
function solve(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i]]);
  const n = b.length;
  for (let k = 0; k < n; k++)
    for (let i = k + 1; i < n; i++) {
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j <= n; j++) rows[i][j] -= factor * rows[k][j];
    }
  const x = new Array<number>(n).fill(0);
  for (let i = n - 1; i >= 0; i--)
    x[i] = (rows[i][n] - x.reduce((sum, v, j) => (j > i ? sum + rows[i][j] * v : sum), 0)) / rows[i][i];
  return x;
}

const productOf = (x: number[][], z: number[][]): number[][] =>
  x[0].map((_, i) => z[0].map((__, j) => x.reduce((sum, row, r) => sum + row[i] * z[r][j], 0)));

/** Least squares: W with rows (X^T X)^-1 X^T y. */
const leastSquares = ({ x, y }: LinearData): number[][] => {
  const gram = productOf(x, x);
  return y[0].map((_, o) =>
    solve(
      gram,
      productOf(
        x,
        y.map((row) => [row[o]]),
      ).map(([v]) => v),
    ),
  );
};

function clientData(seed: number, examples: number, width: number): LinearData {
  const random = lcg(seed);
  const draw = (): number => 2 * random() - 1;
  const x = Array.from({ length: examples }, () => Array.from({ length: width }, draw));
  return { x, y: x.map((row) => [row[0] - 2 * row[1] + draw(), draw()]) };
}

const gramOf = ({ x }: LinearData): Float32Array =>
  Float32Array.from(productOf(x, x).flat(), (sum) => sum / x.length);

const gramStatistics = (gram: Float32Array, changes: Partial<ReceivedGram> = {}): ClientStatistics => ({
  kind: 'input-grams',
  layers: new Map([['fc.weight', { layout: 'out-in', width: Math.sqrt(gram.length), gram, ...changes }]]),
});

describe('regmean', () => {
  const width = 5;
  const clients = [clientData(1, 40, width), clientData(2, 25, width), clientData(3, 60, width)];
  const pooled = leastSquares({
    x: clients.flatMap(({ x }) => x),
    y: clients.flatMap(({ y }) => y),
  }).flat();
  const counts = clients.map(({ x }) => x.length);
  const tensors = [
    { name: 'fc.weight', offset: 0, size: 2 * width, shape: [2, width] },
    { name: 'fc.bias', offset: 2 * width, size: 2, shape: [2] },
  ];
  /** Solutions on one client's data, seen from a global model, with a bias update of 1, 2 and 3. */
  const globalModel = Float32Array.from({ length: 2 * width + 2 }, (_, i) => (i % 3) - 1);
  const updates = clients.map((client, k) =>
    Float32Array.from([...leastSquares(client).flat(), 0, 0], (w, i) =>
      i < 2 * width ? w - globalModel[i] : k + 1,
    ),
  );
  const statistics = clients.map((client) => gramStatistics(gramOf(client)));
  const context = contextOf(statistics, globalModel.length, { tensors, params: globalModel });

  it('with alpha 1 and example counts is the least-squares solution on the pooled data', () => {
    const step = reduce(regmean({ alpha: 1 }), updates, counts, context);
    pooled.forEach((w, i) => {
      expect(globalModel[i] + step[i]).toBeCloseTo(w, 4);
    });
    // The mean of the solutions is another matrix.
    const mean = updates.map((update, k) => (update[0] * counts[k]) / 125).reduce((a, b) => a + b);
    expect(Math.abs(globalModel[0] + mean - pooled[0])).toBeGreaterThan(1e-3);
  });

  it('reads weights that lie [in, out]', () => {
    const turned = updates.map((update) =>
      Float32Array.from([
        ...Array.from({ length: 2 * width }, (_, i) => update[(i % 2) * width + Math.floor(i / 2)]),
        ...update.subarray(2 * width),
      ]),
    );
    const inOut = clients.map((client) => gramStatistics(gramOf(client), { layout: 'in-out' }));
    const step = reduce(regmean({ alpha: 1 }), turned, counts, { ...context, statistics: inOut });
    const straight = reduce(regmean({ alpha: 1 }), updates, counts, context);
    for (let i = 0; i < width; i++)
      for (let o = 0; o < 2; o++) expect(step[2 * i + o]).toBeCloseTo(straight[o * width + i], 5);
  });

  it('with alpha 0 weighs every input by its power', () => {
    const step = reduce(regmean({ alpha: 0 }), updates, counts, context);
    const power = clients.map((client, k) => counts[k] * gramOf(client)[0]);
    const expected = updates.reduce((sum, update, k) => sum + power[k] * update[0], 0);
    expect(step[0]).toBeCloseTo(expected / power.reduce((a, b) => a + b), 5);
  });

  it('takes the weighted mean of what has no Gram matrix', () => {
    const step = reduce(regmean(), updates, [1, 1, 2], context);
    expect([...step.subarray(2 * width)]).toEqual([2.25, 2.25]);
  });

  it('tells the ridge of a singular system, and leaves directions without inputs alone', () => {
    const told: Record<string, number> = {};
    const report: GatheringContext['report'] = (tensor, { ridge }) => {
      told[tensor] = ridge;
    };
    reduce(regmean({ alpha: 1 }), updates, counts, { ...context, report });
    expect(told).toEqual({ 'fc.weight': 0 });
    const dark = clients.map((client) =>
      gramStatistics(gramOf(client).map((g, at) => (at % width === 4 || at >= 4 * width ? 0 : g))),
    );
    const step = reduce(regmean(), updates, counts, { ...context, statistics: dark, report });
    expect(told['fc.weight']).toBeGreaterThan(0);
    expect(step[4]).toBe(0);
  });

  it('gives back a single update, and the common one of clients that agree', () => {
    const alone = reduce(regmean(), [updates[0]], [3], { ...context, statistics: statistics.slice(0, 1) });
    expect(alone).toEqual(updates[0]);
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 9 }),
        (alpha, weight) => {
          const same = clients.map(() => updates[0]);
          const step = reduce(regmean({ alpha }), same, [weight, 1, 1], context);
          step.forEach((value, i) => {
            expect(value).toBeCloseTo(updates[0][i], 4);
          });
        },
      ),
      { numRuns: 20 },
    );
  });

  it('gives the same in ranges as at once', () => {
    const whole = reduce(regmean(), updates, counts, context);
    const out = new Float32Array(whole.length).fill(9);
    regmean().reduce(out, updates, counts, 3, 11, context);
    expect([...out]).toEqual([9, 9, 9, ...whole.subarray(3, 11), 9]);
  });

  for (const name of ['regmean-2', 'regmean-3-alpha1'])
    it(`gives the golden values of ${name} from updates`, () => {
      const { alpha, coefficients } = readJson<{ alpha: number; coefficients: number[] }>(
        `${name}/params.json`,
      );
      const models = coefficients.map((_, k) => readModel(`${name}/m${k}`));
      const grams = coefficients.map((_, k) => readTensors(`${name}/grams/m${k}.safetensors`));
      const out: Model = new Map();
      for (const [tensor, { shape, dtype, values }] of models[0]) {
        const measured = grams.map(
          (each): ClientStatistics => ({
            kind: 'input-grams',
            layers: new Map(
              [...each].map(([module, gram]): [string, ReceivedGram] => [
                `${module}.weight`,
                { layout: 'out-in', width: gram.shape[0], gram: gram.values },
              ]),
            ),
          }),
        );
        const own = models.map((model) => model.get(tensor)?.values ?? new Float32Array(0));
        const step = reduce(
          regmean({ alpha }),
          own.map((w) => w.map((x, i) => x - 0.5 * values[i])),
          coefficients,
          {
            ...contextOf(measured, values.length),
            tensors: [{ name: tensor, offset: 0, size: values.length, shape }],
          },
        );
        out.set(tensor, { shape, dtype, values: step.map((d, i) => d + 0.5 * values[i]) });
      }
      const golden = goldenCases.find((each) => each.name === name);
      if (golden) expectClose(golden, out, readModel(`${name}/expected`));
      expect(golden).toBeDefined();
    });
});

it('both refuse options out of range, and updates without what was measured', () => {
  expect(() => fisher({ fisherFloor: -1 })).toThrow('fisherFloor must be a finite number of at least 0');
  expect(() => regmean({ alpha: 1.5 })).toThrow('alpha must be a factor from 0 to 1');
  expect(() => fisher({ examples: 0 })).toThrow('examples must be an integer of at least 1');
  const updates = [Float32Array.of(1), Float32Array.of(2)];
  for (const reducer of [fisher(), regmean()]) {
    const out = new Float32Array(1);
    expect(() => reducer.reduce(out, updates, [1, 1], 0, 1)).toThrow('statistics of the context');
    reducer.reduce(out.fill(9), [], [], 0, 1);
    expect(out[0]).toBe(0);
  }
});
