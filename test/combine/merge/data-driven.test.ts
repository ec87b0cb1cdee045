// Fisher averaging, RegMean and the greedy soup: golden values are float64 evaluations in numpy (test/golden/merge/README.md).
import { describe, expect, it } from 'vitest';
import { fisherMean, fisherNorm } from '../../../src/combine/merge/fisher.js';
import { greedySoup, type SoupTrace } from '../../../src/combine/merge/greedy-soup.js';
import { InputGram, regMean } from '../../../src/combine/merge/regmean.js';
import { InvalidArgumentError } from '../../../src/errors.js';
import { backends } from '../../support/backends.js';
import { goldenCases, type Model, readJson, readModel, readTensors } from './golden.js';
import { expectClose } from './golden-run.js';

const caseOf = (name: string) => {
  const found = goldenCases.find((each) => each.name === name);
  if (!found) throw new Error(`no golden case ${name}`);
  return found;
};
const valuesOf = (model: Model, tensor: string): Float32Array =>
  model.get(tensor)?.values ?? new Float32Array(0);

describe('fisherMean', () => {
  for (const kernels of backends)
    for (const name of ['fisher-2', 'fisher-2-allfloor'])
      it(`gives the golden values of ${name} on ${kernels.backend}`, () => {
        const params = readJson<{
          coefficients: number[];
          fisher_floor: number;
          favor_target_model: boolean;
          normalize_fishers: boolean;
        }>(`${name}/params.json`);
        const models = [readModel(`${name}/m0`), readModel(`${name}/m1`)];
        const fishers = ['m0', 'm1'].map((m) => readTensors(`${name}/fisher/${m}.safetensors`));
        const norms = fishers.map((f) =>
          fisherNorm(
            [...f.values()].map(({ values }) => values),
            kernels,
          ),
        );
        const out: Model = new Map();
        for (const [tensor, { shape, dtype }] of models[0])
          out.set(tensor, {
            shape,
            dtype,
            values: fisherMean(
              models.map((m) => valuesOf(m, tensor)),
              fishers.map((f) => valuesOf(f, tensor)),
              {
                coefficients: params.coefficients,
                floor: params.fisher_floor,
                favorTarget: params.favor_target_model,
                norms: params.normalize_fishers ? norms : undefined,
                kernels,
              },
            ),
          });
        expectClose(caseOf(name), out, readModel(`${name}/expected`));
      });

  it('takes the plain mean where no model has information', () => {
    const models = [Float32Array.of(1, 2), Float32Array.of(3, 6)];
    const fishers = [Float32Array.of(0, 1), Float32Array.of(0, 3)];
    expect([...fisherMean(models, fishers, { floor: 0 })]).toEqual([2, 5]);
  });

  it('refuses coefficients below 0', () => {
    const x = [Float32Array.of(1)];
    expect(() => fisherMean(x, x, { coefficients: [-1] })).toThrow(InvalidArgumentError);
  });
});

describe('regMean', () => {
  for (const name of ['regmean-2', 'regmean-3-alpha1', 'regmean-diag'])
    it(`gives the golden values of ${name}`, () => {
      const { alpha, coefficients } = readJson<{ alpha: number; coefficients: number[] }>(
        `${name}/params.json`,
      );
      const models = coefficients.map((_, k) => readModel(`${name}/m${k}`));
      const grams = coefficients.map((_, k) => readTensors(`${name}/grams/m${k}.safetensors`));
      const want = readModel(`${name}/expected`);
      let layers = 0;
      for (const [module, { shape }] of grams[0]) {
        const [outFeatures, inFeatures] = models[0].get(`${module}.weight`)?.shape ?? [];
        expect(shape).toEqual([inFeatures, inFeatures]);
        const given = {
          grams: grams.map((g) => valuesOf(g, module)),
          inFeatures,
          outFeatures,
          alpha,
          coefficients,
        };
        const weights = models.map((m) => valuesOf(m, `${module}.weight`));
        const { values, ridge } = regMean({ ...given, weights });
        expect(ridge).toBe(0);
        const expected: Model = new Map([
          [module, { dtype: 'F32', shape, values: valuesOf(want, `${module}.weight`) }],
        ]);
        expectClose(caseOf(name), new Map([[module, { dtype: 'F32', shape, values }]]), expected);
        const turn = (w: Float32Array): Float32Array =>
          w.map((_, at) => w[(at % outFeatures) * inFeatures + Math.floor(at / outFeatures)]);
        const turned = regMean({ ...given, weights: weights.map(turn), layout: 'in-out' });
        expect(turned.values).toEqual(turn(values));
        layers++;
      }
      expect(layers).toBeGreaterThan(0);
    });

  it('is the common layer when all models have the same', () => {
    const w = Float32Array.of(1, -2, 3, 0.5, 4, -1);
    const gram = Float64Array.of(2, 0.5, 0.1, 0.5, 1, 0.2, 0.1, 0.2, 3);
    const { values } = regMean({ weights: [w, w], grams: [gram, gram], inFeatures: 3, outFeatures: 2 });
    values.forEach((v, i) => {
      expect(v).toBeCloseTo(w[i], 6);
    });
  });

  it('adds and tells a ridge where the Gram matrices are singular', () => {
    const gram = Float64Array.of(1, 1, 1, 1);
    const w = Float32Array.of(1, 1);
    const result = regMean({ weights: [w], grams: [gram], inFeatures: 2, outFeatures: 1, alpha: 1 });
    expect(result.ridge).toBeGreaterThan(0);
    expect(result.values[0]).toBeCloseTo(1, 4);
  });
});

describe('InputGram', () => {
  it('is the mean of x x^T however the inputs are cut into batches', () => {
    const x = Float32Array.of(1, 2, 3, -1, 0.5, 4);
    const whole = new InputGram(2);
    whole.add(x);
    const parts = new InputGram(2);
    parts.add(x.subarray(0, 2));
    parts.add(x.subarray(2));
    // ((1, 2), (3, -1), (0.5, 4)): sums of products 10.25, 1, 21.
    expect([...whole.mean()]).toEqual([10.25 / 3, 1 / 3, 1 / 3, 7]);
    expect(parts.mean()).toEqual(whole.mean());
    expect(parts.count).toBe(3);
  });
});

describe('greedySoup', () => {
  const name = 'greedy-soup-6';
  const trace = readJson<{
    individual_accuracy: Record<string, number>;
    steps: { model: string; candidate_accuracy: number; accepted: boolean }[];
    ingredients: string[];
    final_accuracy: number;
  }>(`${name}/trace.json`);
  const models = [0, 1, 2, 3, 4, 5].map((k) => readModel(`${name}/m${k}`));
  const flat = models.map((m) =>
    Float32Array.from([...valuesOf(m, 'head.bias'), ...valuesOf(m, 'head.weight')]),
  );
  const validation = readTensors(`${name}/val.safetensors`);
  const [x, y] = [valuesOf(validation, 'X'), valuesOf(validation, 'y')];
  const accuracy = (w: Float32Array): number => {
    let correct = 0;
    for (let n = 0; n < y.length; n++) {
      const logits = [0, 1, 2, 3].map((c) => {
        let sum = w[c];
        for (let j = 0; j < 6; j++) sum += w[4 + c * 6 + j] * x[n * 6 + j];
        return sum;
      });
      if (logits.indexOf(Math.max(...logits)) === y[n]) correct++;
    }
    return correct / y.length;
  };
  const load = (k: number): Float32Array => flat[k];

  it('takes the golden decisions and gives the golden soup', async () => {
    const soup = await greedySoup({ count: 6, load, score: accuracy });
    soup.trace.scores.forEach((s, k) => {
      expect(s).toBeCloseTo(trace.individual_accuracy[`m${k}`], 10);
    });
    expect(soup.trace.steps.map(({ model, accepted }) => [`m${model}`, accepted])).toEqual(
      trace.steps.map(({ model, accepted }) => [model, accepted]),
    );
    expect(soup.ingredients.map((k) => `m${k}`)).toEqual(trace.ingredients);
    expect(soup.score).toBeCloseTo(trace.final_accuracy, 10);
    const want = readModel(`${name}/expected`);
    const expected = [...valuesOf(want, 'head.bias'), ...valuesOf(want, 'head.weight')];
    soup.weights.forEach((v, i) => {
      expect(Math.abs(v - expected[i])).toBeLessThanOrEqual(1e-6 + 1e-5 * Math.abs(expected[i]));
    });
  });

  it('goes on from a stored trace to the same bits, without scoring again', async () => {
    const traces: SoupTrace[] = [];
    const whole = await greedySoup({ count: 6, load, score: accuracy, onStep: (t) => void traces.push(t) });
    for (const cut of [0, 3, 6, 8, traces.length - 1]) {
      let scored = 0;
      const score = (w: Float32Array): number => {
        scored++;
        return accuracy(w);
      };
      const resumed = await greedySoup({
        count: 6,
        load,
        score,
        trace: JSON.parse(JSON.stringify(traces[cut])),
      });
      expect(resumed).toEqual(whole);
      expect(scored).toBe(traces.length - 1 - cut);
    }
  });

  it('refuses the trace of other models', async () => {
    const stored: SoupTrace = { scores: [1, 2], steps: [{ model: 1, score: 1, accepted: false }] };
    const run = greedySoup({ count: 2, load: () => Float32Array.of(1), score: () => 1, trace: stored });
    await expect(run).rejects.toThrow(InvalidArgumentError);
  });
});
