import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParamSpec } from '../../src/tensor/param-spec.js';
import {
  croppableGroups,
  embedSubModel,
  extractSubModel,
  holderMask,
  subModelSpec,
} from '../../src/update/sub-model.js';
import { backends } from '../support/backends.js';
import { bitsOf, convSpec, distinct, mlp, mlpSpec } from './fixtures.js';

const units = (...list: number[]): Uint32Array => Uint32Array.from(list);

/** A random non-empty subset of the units of every croppable group. */
const keptOf = (spec: ParamSpec) =>
  fc
    .tuple(
      ...croppableGroups(spec).map((group) =>
        fc
          .uniqueArray(fc.nat(spec.groups[group] - 1), { minLength: 1 })
          .map((list) => [group, units(...list.sort((a, b) => a - b))] as const),
      ),
    )
    .map((entries) => new Map(entries));

describe('croppable groups', () => {
  it('are the hidden layers: no inputs, no outputs, none with fewer than four units', () => {
    expect(croppableGroups(mlpSpec)).toEqual(['fc1.out', 'fc2.out']);
    expect(croppableGroups(mlp(8, 3, 5, 4))).toEqual(['fc2.out']);
    expect(croppableGroups(convSpec)).toEqual(['conv.out']);
  });

  it('leave a normalised input and the width of an embedding whole', () => {
    const spec = new ParamSpec([
      {
        name: 'emb',
        kind: 'embedding',
        shape: [9, 8],
        axes: [
          { units: 9, inner: 1 },
          { units: 8, inner: 1, group: 'd' },
        ],
      },
      { name: 'ln', kind: 'norm-weight', shape: [8], axes: [{ units: 8, inner: 1, group: 'd' }] },
      { name: 'in', kind: 'norm-weight', shape: [6], axes: [{ units: 6, inner: 1, group: 'input' }] },
      {
        name: 'fc.weight',
        kind: 'weight',
        shape: [8, 6],
        axes: [
          { units: 8, inner: 1, group: 'd' },
          { units: 6, inner: 1, group: 'input' },
        ],
      },
    ]);
    expect(croppableGroups(spec)).toEqual([]);
  });
});

for (const kernels of backends)
  describe(`sub-models on ${kernels.backend}`, () => {
    it('hold rows, columns, biases and norm parameters of the kept units, and whole channels behind a flatten', () => {
      const kept = new Map([['conv.out', units(1, 4)]]);
      const subSpec = subModelSpec(convSpec, kept);
      const full = distinct(convSpec.size);
      const sub = new Float32Array(subSpec.size);
      extractSubModel(kernels, convSpec, subSpec, kept, full, sub);
      const [inFull, inSub] = [
        (name: string) => convSpec.slice(full, name),
        (name: string) => subSpec.slice(sub, name),
      ];
      expect(subSpec.get('fc.weight').shape).toEqual([3, 12]);
      // Filter c of a 6 x 2 x 3 x 3 convolution is elements 18 c to 18 c + 17.
      expect([...inSub('conv.weight')]).toEqual([
        ...inFull('conv.weight').subarray(18, 36),
        ...inFull('conv.weight').subarray(72, 90),
      ]);
      for (const name of ['conv.bias', 'bn.weight', 'bn.running_mean'])
        expect([...inSub(name)]).toEqual([inFull(name)[1], inFull(name)[4]]);
      // Row r of 36 columns: channel 1 is columns 6 to 11, channel 4 columns 24 to 29 (H W = 6).
      const rows = [0, 1, 2].flatMap((r) => [
        ...inFull('fc.weight').subarray(36 * r + 6, 36 * r + 12),
        ...inFull('fc.weight').subarray(36 * r + 24, 36 * r + 30),
      ]);
      expect([...inSub('fc.weight')]).toEqual(rows);
      expect([...inSub('fc.bias')]).toEqual([...inFull('fc.bias')]);
    });

    it.each([
      ['an MLP', mlp(5, 7, 6, 3)],
      ['a convolution before a dense layer', convSpec],
    ])('go back to where they came from: %s is unchanged to the bit', (_name, spec) => {
      const full = distinct(spec.size);
      full[0] = -0;
      full[1] = Number.NaN;
      full[2] = 1e-45;
      fc.assert(
        fc.property(keptOf(spec), (kept) => {
          const subSpec = subModelSpec(spec, kept);
          const sub = new Float32Array(subSpec.size);
          const back = full.slice();
          extractSubModel(kernels, spec, subSpec, kept, full, sub);
          embedSubModel(kernels, spec, subSpec, kept, sub, back);
          expect(bitsOf(back)).toEqual(bitsOf(full));
        }),
        { seed: 7, numRuns: 40 },
      );
    });

    it('touch their own places alone: as many as the sub-model has, as the mask says', () => {
      const spec = mlp(5, 7, 6, 3);
      fc.assert(
        fc.property(keptOf(spec), (kept) => {
          const subSpec = subModelSpec(spec, kept);
          const full = new Float32Array(spec.size).fill(-1);
          embedSubModel(kernels, spec, subSpec, kept, new Float32Array(subSpec.size).fill(2), full);
          const mask = holderMask(kernels, spec, subSpec, kept);
          expect([...full]).toEqual([...mask].map((held) => (held === 1 ? 2 : -1)));
          expect(mask.reduce((sum, held) => sum + held, 0)).toBe(subSpec.size);
        }),
        { seed: 8, numRuns: 40 },
      );
    });

    it('compute what the full model computes with the dropped units silenced', () => {
      const spec = mlp(4, 6, 5, 3);
      const kept = new Map([
        ['fc1.out', units(0, 2, 5)],
        ['fc2.out', units(1, 3)],
      ]);
      const subSpec = subModelSpec(spec, kept);
      const full = distinct(spec.size, 0.01);
      const sub = new Float32Array(subSpec.size);
      extractSubModel(kernels, spec, subSpec, kept, full, sub);
      const x = [0.3, -1, 0.5, 2];
      const silenced = forward(
        spec,
        full,
        x,
        (layer, unit) => kept.get(`${layer}.out`)?.includes(unit) ?? true,
      );
      const cut = forward(subSpec, sub, x, () => true);
      expect(cut).toHaveLength(3);
      cut.forEach((value, i) => {
        expect(value).toBeCloseTo(silenced[i], 6);
      });
    });

    it('keep whole heads where a unit stands for several rows', () => {
      const spec = new ParamSpec([
        {
          name: 'q',
          kind: 'weight',
          shape: [8, 2],
          axes: [
            { units: 4, inner: 2, group: 'heads' },
            { units: 2, inner: 1 },
          ],
        },
        {
          name: 'out',
          kind: 'weight',
          shape: [2, 8],
          axes: [
            { units: 2, inner: 1 },
            { units: 4, inner: 2, group: 'heads' },
          ],
        },
      ]);
      const kept = new Map([['heads', units(1, 3)]]);
      const subSpec = subModelSpec(spec, kept);
      const full = Float32Array.from({ length: 32 }, (_, i) => i);
      const sub = new Float32Array(subSpec.size);
      extractSubModel(kernels, spec, subSpec, kept, full, sub);
      // Rows 2, 3 and 6, 7 of q; the same columns of out, which starts at 16.
      expect([...sub]).toEqual([4, 5, 6, 7, 12, 13, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31]);
      const back = full.slice();
      embedSubModel(kernels, spec, subSpec, kept, sub, back);
      expect([...back]).toEqual([...full]);
    });
  });

it('a sub-model without a cut is the model itself', () => {
  expect(subModelSpec(mlpSpec, new Map())).toBe(mlpSpec);
});

/** Dense layers with rectifiers, in plain loops; `on` says which hidden units speak. */
function forward(
  spec: ParamSpec,
  params: Float32Array,
  input: readonly number[],
  on: (layer: string, unit: number) => boolean,
): number[] {
  return ['fc1', 'fc2', 'fc3'].reduce<number[]>(
    (x, layer) => {
      const weight = spec.slice(params, `${layer}.weight`);
      const bias = spec.slice(params, `${layer}.bias`);
      return [...bias].map((b, o) => {
        const sum = x.reduce((total, value, i) => total + value * weight[o * x.length + i], b);
        if (layer === 'fc3') return sum;
        return on(layer, o) ? Math.max(0, sum) : 0;
      });
    },
    [...input],
  );
}
