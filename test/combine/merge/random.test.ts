// DARE and DELLA: the oracles of the statistical golden cases, with fixed seeds, and keep rates over many seeds.
import { describe, expect, it } from 'vitest';
import { hashName } from '../../../src/combine/merge/mask-address.js';
import type { MergeMethod } from '../../../src/combine/merge/method.js';
import { parameterChoices } from '../../../src/combine/merge/parameters.js';
import { findMergeMethod } from '../../../src/combine/merge/registry.js';
import { merge, randomTensor, tunedTensor } from './fixtures.js';
import { readModel, readRecipe } from './golden.js';

function method(name: string): MergeMethod {
  const found = findMergeMethod(name);
  if (!found) throw new Error(`no method ${name}`);
  return found;
}

interface Drawn {
  kept: boolean[];
  factor: number;
  out: Float32Array;
}

/** Which elements differ from the base, and the common factor by which they do; checks that there is one. */
function draw(
  name: string,
  x: Float32Array,
  base: Float32Array,
  shape: number[],
  seed: number,
  global = {},
  density = 0.3,
): Drawn {
  const out = merge(method(name), {
    inputs: [x, base],
    base: 1,
    shape,
    seed,
    perModel: { weight: [1, 0], density: [density, 1], epsilon: [0.15, 0.15] },
    global,
  });
  const kept = Array.from(out, (v, i) => v !== base[i]);
  let [moved, whole] = [0, 0];
  for (let i = 0; i < out.length; i++)
    if (kept[i]) {
      moved += Math.abs(out[i] - base[i]);
      whole += Math.abs(x[i] - base[i]);
    }
  const factor = moved / whole;
  for (let i = 0; i < out.length; i++)
    if (kept[i]) expect(Math.abs(out[i] - base[i] - factor * (x[i] - base[i]))).toBeLessThan(1e-6);
  return { kept, factor, out };
}

for (const [name, golden] of [
  ['dare_linear', 'dare-linear-random'],
  ['dare_linear', 'dare-norescale-random'],
  ['della_linear', 'della-random'],
])
  describe(`${golden}`, () => {
    const a = readModel(`${golden}/a`);
    const base = readModel(`${golden}/base`);
    const recipe = readRecipe(golden);
    const density = Number(recipe.models?.[0].parameters?.density);
    const rescale = recipe.parameters?.rescale === false ? 0 : 1;
    for (const [tensor, { values: b, shape }] of base) {
      const x = a.get(tensor)?.values ?? b;
      const n = x.filter((v, i) => v !== b[i]).length;
      it(`keeps the density, the L1 norm and one factor in ${tensor}`, () => {
        const { kept, factor, out } = draw(name, x, b, shape, 5, { rescale }, density);
        // Five standard errors: a false alarm in two million.
        const error = 5 * Math.sqrt((density * (1 - density)) / n);
        expect(Math.abs(kept.filter(Boolean).length / n - density)).toBeLessThan(error);
        const l1 = (v: Float32Array): number => v.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0);
        if (rescale) expect(Math.abs(l1(out) / l1(x) - 1)).toBeLessThan(1e-4);
        else expect(factor).toBeCloseTo(1, 4);
      });
      it(`is the same for the same seed and another for another seed in ${tensor}`, () => {
        const once = draw(name, x, b, shape, 5, { rescale }, density).out;
        expect(draw(name, x, b, shape, 5, { rescale }, density).out).toEqual(once);
        expect(draw(name, x, b, shape, 6, { rescale }, density).out).not.toEqual(once);
      });
    }
  });

describe('masks', () => {
  const base = new Float32Array(64);
  const x = randomTensor(64, 3).map((v) => v + Math.sign(v) * 0.1);

  it('differ between models, tensors and seeds, and not with what else is merged', () => {
    const run = (tensor: string, inputs: Float32Array[]) =>
      merge(method('dare_linear'), {
        inputs,
        base: inputs.length - 1,
        tensor,
        perModel: { weight: inputs.map(() => 1), density: inputs.map(() => 0.5) },
        global: { rescale: 0 },
      });
    const alone = run('a', [x, base]);
    expect(run('b', [x, base])).not.toEqual(alone);
    const both = run('a', [x, x, base]);
    const second = both.map((v, i) => v - alone[i]);
    expect(Array.from(second, (v) => v !== 0)).not.toEqual(Array.from(alone, (v) => v !== 0));
    // A first model of zeros leaves the second's mask where it was.
    expect(run('a', [base, x, base])).toEqual(second);
  });

  it('of DELLA keep each rank at its own rate', () => {
    const m = 16;
    const row = Float32Array.from({ length: m }, (_, i) => (i % 2 ? -1 : 1) * (1 + ((i * 5) % m)));
    const rank = (i: number): number => (i * 5) % m;
    const seeds = 2000;
    const counts = new Array<number>(m).fill(0);
    for (let seed = 0; seed < seeds; seed++) {
      const out = merge(method('della_linear'), {
        inputs: [row, new Float32Array(m)],
        base: 1,
        seed,
        perModel: { weight: [1, 0], density: [0.5, 1], epsilon: [0.3, 0] },
        global: { rescale: 0 },
      });
      for (let i = 0; i < m; i++) if (out[i] !== 0) counts[rank(i)]++;
    }
    // Five standard errors over 16 ranks: a false alarm in a hundred thousand.
    for (let j = 0; j < m; j++) {
      const p = 0.2 + (0.6 * j) / (m - 1);
      expect(Math.abs(counts[j] / seeds - p), `rank ${j}`).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / seeds));
    }
  });

  it('of DELLA keep a row of one element at its density', () => {
    let kept = 0;
    for (let seed = 0; seed < 2000; seed++) {
      const out = merge(method('della'), {
        inputs: [Float32Array.of(1), Float32Array.of(0)],
        base: 1,
        seed,
        perModel: { weight: [1, 0], density: [0.5, 1], epsilon: [0.3, 0] },
      });
      kept += out[0];
    }
    expect(Math.abs(kept / 2000 - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / 2000));
  });

  it('are dropped whole at density 0', () => {
    const tuned = tunedTensor(base, 1);
    for (const name of ['dare_linear', 'della'])
      expect(
        merge(method(name), {
          inputs: [tuned, base],
          base: 1,
          perModel: { weight: [1, 0], density: [0, 1] },
        }),
      ).toEqual(base);
  });
});

describe('rescale_norm', () => {
  const expectation = parameterChoices.rescale_norm.indexOf('expectation');
  const none = parameterChoices.rescale_norm.indexOf('none');

  it('expectation divides what DARE keeps by the density, none leaves it', () => {
    const base = new Float32Array(400);
    const x = randomTensor(400, 3).map((v) => v + Math.sign(v) * 0.1);
    for (const [norm, factor] of [
      [expectation, 1 / 0.3],
      [none, 1],
    ]) {
      const { kept, out } = draw('dare_linear', x, base, [400], 5, { rescale_norm: norm });
      expect(kept.filter(Boolean).length).toBeGreaterThan(50);
      out.forEach((v, i) => {
        expect(v).toBe(kept[i] ? Math.fround(factor * x[i]) : 0);
      });
    }
  });

  it('expectation leaves every entry of DELLA at its value in the mean', () => {
    const m = 12;
    const row = Float32Array.from({ length: m }, (_, i) => (i % 2 ? -1 : 1) * (1 + ((i * 5) % m)));
    const seeds = 2000;
    const sums = new Float64Array(m);
    for (let seed = 0; seed < seeds; seed++) {
      const out = merge(method('della_linear'), {
        inputs: [row, new Float32Array(m)],
        base: 1,
        seed,
        perModel: { weight: [1, 0], density: [0.5, 1], epsilon: [0.3, 0] },
        global: { rescale_norm: expectation },
      });
      for (let i = 0; i < m; i++) {
        const p = 0.2 + (0.6 * ((i * 5) % m)) / (m - 1);
        if (out[i] !== 0)
          expect(out[i]).toBe(Math.fround(row[i] / (0.5 - 0.3 + (0.6 / (m - 1)) * ((i * 5) % m))));
        sums[i] += out[i] / row[i] / Math.sqrt((1 - p) / p / seeds);
      }
    }
    // Standard scores of the means; five of them over 12 entries: a false alarm in a hundred thousand.
    for (let i = 0; i < m; i++) {
      const p = 0.2 + (0.6 * ((i * 5) % m)) / (m - 1);
      const error = Math.sqrt((1 - p) / p / seeds);
      expect(Math.abs(sums[i] / seeds - 1 / error), `entry ${i}`).toBeLessThan(5);
    }
  });
});

describe('hashName', () => {
  // Published test vectors of FNV-1a, 64 bits.
  it('is FNV-1a', () => {
    expect(hashName('')).toBe(0xcbf29ce484222325n);
    expect(hashName('a')).toBe(0xaf63dc4c8601ec8cn);
    expect(hashName('foobar')).toBe(0x85944171f73967e8n);
  });
});
