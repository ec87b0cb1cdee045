import { describe, expect, it } from 'vitest';
import { HeddleError } from '../../src/errors.js';
import { ModelDefinitionError, ModelShapeError } from '../../src/program/errors.js';
import { defineModel } from '../../src/program/model.js';
import type { Tensor, Tracer } from '../../src/program/tracer.js';

const image = (forward: (t: Tracer, x: Tensor) => Tensor) =>
  defineModel({ input: [3, 8, 8], classes: 10 }, forward);
const flat = (forward: (t: Tracer, x: Tensor) => Tensor) =>
  defineModel({ input: [20], classes: 10 }, forward);
const head = { units: 10, name: 'out' };

const tieTo = (name: string) => (t: Tracer, x: Tensor) => {
  t.tie('alias', name);
  return t.dense(x, head);
};

function errorOf(make: () => unknown): HeddleError {
  try {
    make();
  } catch (error) {
    if (error instanceof HeddleError) return error;
  }
  throw new Error('nothing was thrown');
}

describe('defineModel', () => {
  it('traces the example of the documentation', () => {
    const net = defineModel({ input: [784], classes: 10 }, (t, x) =>
      t.dense(t.relu(t.dense(x, { units: 200, name: 'fc1' })), { units: 10, name: 'out' }),
    );
    expect(net.spec.size).toBe(784 * 200 + 200 + 2000 + 10);
    expect(net.inputSize).toBe(784);
  });

  it('names the layer and the line of the caller when shapes do not fit', () => {
    const error = errorOf(() => image((t, x) => t.dense(x, head)));
    expect(error).toBeInstanceOf(ModelShapeError);
    expect(error.code).toBe('ERR_MODEL_SHAPE');
    expect(error.message).toMatch(
      /layer 'out' \(.*tracer\.test\.ts:\d+:\d+\): .*received \[batch, 3, 8, 8\]/,
    );
    expect(error.hint).toMatch(/t\.flatten/);
  });

  it('points at the very line of the layer', () => {
    const lineOf = (error: HeddleError) => Number(/test\.ts:(\d+):/.exec(error.message)?.[1]);
    const here = errorOf(() => image((t, x) => t.conv2d(x, { channels: 4, kernel: 9, name: 'c' })));
    const below = errorOf(() => image((t, x) => t.maxPool(x, { size: 9 })));
    expect(lineOf(below) - lineOf(here)).toBe(1);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a pool of flat features', () => flat((t, x) => t.maxPool(x)), /a pool wants images/],
    [
      'a convolution of flat features',
      () => flat((t, x) => t.conv2d(x, { channels: 1, kernel: 1, name: 'c' })),
      /'c'/,
    ],
    [
      'a sum of different widths',
      () => flat((t, x) => t.add(t.dense(x, { units: 4, name: 'a' }), t.dense(x, { units: 5, name: 'b' }))),
      /\[batch, 4\] and \[batch, 5\]/,
    ],
    [
      'a product of sizes that do not meet',
      () => flat((t, x) => t.matmul(x, t.param('w', [21, 10]))),
      /inner sizes of \[batch, 20\] and \[21, 10\] differ/,
    ],
    [
      'one name for two sizes',
      () => flat((t, x) => t.dense(t.dense(x, { units: 5, name: 'fc' }), { units: 10, name: 'fc' })),
      /5 outputs before and 10 here/,
    ],
    [
      'one name for two input sizes',
      () => flat((t, x) => t.dense(t.dense(x, { units: 10, name: 'fc' }), { units: 10, name: 'fc' })),
      /shape \[10, 20\] before and \[10, 10\] here/,
    ],
    [
      'logits of another width',
      () => flat((t, x) => t.dense(x, { units: 9, name: 'fc' })),
      /not logits \[batch, 10\]/,
    ],
    ['no logits', () => image((t, x) => t.conv2d(x, { channels: 10, kernel: 1, name: 'c' })), /not logits/],
    [
      'a bias of another width',
      () => flat((t, x) => t.addBias(t.dense(x, head), t.param('b', [9]))),
      /does not fit/,
    ],
    ['a parameter with a batch axis', () => flat((t, x) => t.mul(x, t.param('w', x.shape))), /batch axis/],
  ])('refuses %s', (_, make, message) => {
    expect(errorOf(make)).toBeInstanceOf(ModelShapeError);
    expect(make).toThrow(message);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a layer without a name', () => flat((t, x) => t.dense(x, { units: 10, name: '' })), /has no name/],
    ['a layer of no units', () => flat((t, x) => t.dense(x, { units: 0, name: 'fc' })), /units is 0/],
    [
      'same padding of an even kernel',
      () => image((t, x) => t.conv2d(x, { channels: 1, kernel: 2, padding: 'same', name: 'c' })),
      /padding 'same' with kernel 2/,
    ],
    ['a dropout of everything', () => flat((t, x) => t.dropout(x, 1)), /rate 1/],
    ['an alias of nothing', () => flat(tieTo('b')), /alias of 'b'/],
  ])('refuses %s', (_, make, message) => {
    expect(errorOf(make)).toBeInstanceOf(ModelDefinitionError);
    expect(make).toThrow(message);
  });

  it('refuses a model in which there is nothing to train', () => {
    const make = () => defineModel({ input: [10], classes: 10, name: 'identity' }, (_, x) => x);
    expect(errorOf(make)).toBeInstanceOf(ModelDefinitionError);
    expect(make).toThrow(/layer 'identity' \(.*tracer\.test\.ts.*no parameters/);
  });

  it('refuses impossible inputs', () => {
    for (const input of [[], [0], [2.5]])
      expect(() => defineModel({ input, classes: 10 }, (_, x) => x)).toThrow(/input/);
    expect(() => defineModel({ input: [4], classes: 0 }, (_, x) => x)).toThrow(/classes/);
  });
});

describe('unit groups', () => {
  it('joins the groups of tensors that are added', () => {
    const { spec, hiddenGroups } = flat((t, x) => {
      const a = t.dense(x, { units: 6, name: 'a', activation: 'relu' });
      const b = t.dense(a, { units: 6, name: 'b', activation: 'relu' });
      return t.dense(t.add(a, b), head);
    });
    expect(hiddenGroups).toEqual(['a.out']);
    expect(spec.get('b.weight').axes.map((axis) => axis.group)).toEqual(['a.out', 'a.out']);
    const narrow = spec.atWidths({ 'a.out': 2 });
    expect(narrow.entries.map((entry) => entry.shape)).toEqual([[2, 20], [2], [2, 2], [2], [10, 2], [10]]);
  });

  it('shares a layer that is applied twice', () => {
    const { spec } = flat((t, x) => {
      const a = t.dense(x, { units: 6, name: 'a' });
      return t.dense(t.dense(t.dense(a, { units: 6, name: 'b' }), { units: 6, name: 'b' }), head);
    });
    expect(spec.entries.map((entry) => entry.name)).toEqual([
      ...['a.weight', 'a.bias', 'b.weight', 'b.bias', 'out.weight', 'out.bias'],
    ]);
    expect(spec.groups).toEqual({ input: 20, 'a.out': 6, 'out.out': 10 });
  });

  it('gives free parameters the units of what they meet, and leaves the rest plain', () => {
    const { spec } = flat((t, x) => {
      const h = t.dense(x, { units: 6, name: 'a' });
      const low = t.matmul(h, t.param('down', [6, 3]));
      return t.matmul(low, t.param('up', [3, 10]));
    });
    expect(spec.get('down').axes).toEqual([
      { group: 'a.out', units: 6, inner: 1 },
      { units: 3, inner: 1 },
    ]);
    expect(spec.get('up').axes.map((axis) => axis.group)).toEqual([undefined, undefined]);
  });

  it('stores a tied tensor once, under both names', () => {
    const { spec } = flat((t, x) => {
      const y = t.dense(x, head);
      t.tie('decoder.weight', 'out.weight');
      return y;
    });
    expect(spec.size).toBe(210);
    expect(spec.get('decoder.weight')).toBe(spec.get('out.weight'));
  });
});
