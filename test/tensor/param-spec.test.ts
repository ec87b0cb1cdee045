import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParamSpec, ParamSpecError } from '../../src/tensor/param-spec.js';

/** A convolution behind which the image is flattened: 4 units of conv1 are 4 * 9 inputs of fc1. */
const spec = new ParamSpec(
  [
    {
      name: 'conv1.weight',
      kind: 'weight',
      shape: [4, 1, 3, 3],
      axes: [
        { group: 'conv1.out', units: 4, inner: 1 },
        { group: 'input', units: 1, inner: 1 },
        { units: 3, inner: 1 },
        { units: 3, inner: 1 },
      ],
    },
    { name: 'conv1.bias', kind: 'bias', shape: [4], axes: [{ group: 'conv1.out', units: 4, inner: 1 }] },
    {
      name: 'fc1.weight',
      kind: 'weight',
      shape: [10, 36],
      axes: [
        { group: 'fc1.out', units: 10, inner: 1 },
        { group: 'conv1.out', units: 4, inner: 9 },
      ],
    },
  ],
  { 'head.weight': 'fc1.weight' },
);

describe('ParamSpec', () => {
  it('lays tensors out one after another without padding', () => {
    expect(spec.entries.map((entry) => [entry.offset, entry.size])).toEqual([
      [0, 36],
      [36, 4],
      [40, 360],
    ]);
    expect(spec.size).toBe(400);
    expect(spec.groups).toEqual({ 'conv1.out': 4, input: 1, 'fc1.out': 10 });
  });

  it('slices views, by name and by alias, of any element type', () => {
    const flat = Float32Array.from({ length: 400 }, (_, i) => i);
    const bias = spec.slice(flat, 'conv1.bias');
    expect([...bias]).toEqual([36, 37, 38, 39]);
    bias[0] = -1;
    expect(flat[36]).toBe(-1);
    expect(spec.slice(new Float64Array(400), 'head.weight').length).toBe(360);
    expect(spec.get('head.weight')).toBe(spec.get('fc1.weight'));
    expect(spec.has('head.weight')).toBe(true);
    expect(spec.has('head.bias')).toBe(false);
    expect(() => spec.slice(new Float32Array(399), 'conv1.bias')).toThrow(
      /expected shape \[400\], received \[399\]/,
    );
  });

  it('shrinks every axis of a unit group, with inner elements, and lays out anew', () => {
    const narrow = spec.atWidths({ 'conv1.out': 2 });
    expect(narrow.entries.map(({ name, shape, offset }) => [name, shape, offset])).toEqual([
      ['conv1.weight', [2, 1, 3, 3], 0],
      ['conv1.bias', [2], 18],
      ['fc1.weight', [10, 18], 20],
    ]);
    expect(narrow.size).toBe(200);
    expect(narrow.aliases).toEqual(spec.aliases);
    expect(narrow.atWidths({ 'conv1.out': 4 }).toJSON()).toEqual(spec.toJSON());
  });

  it('refuses widths of unknown groups and widths that are no counts', () => {
    expect(() => spec.atWidths({ 'fc9.out': 2 })).toThrow(/conv1\.out, input, fc1\.out/);
    for (const width of [0, -1, 1.5, Number.NaN])
      expect(() => spec.atWidths({ 'fc1.out': width })).toThrow(/positive integer/);
  });

  it('comes back from its JSON text', () => {
    const copy = ParamSpec.fromJSON(JSON.parse(JSON.stringify(spec)));
    expect(copy.entries).toEqual(spec.entries);
    expect(copy.aliases).toEqual(spec.aliases);
    expect(copy.groups).toEqual(spec.groups);
  });

  it('comes back from JSON for any shapes, with offsets that add up', () => {
    const shapes = fc.array(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }), { maxLength: 6 });
    fc.assert(
      fc.property(shapes, (all) => {
        const made = new ParamSpec(all.map((shape, i) => ({ name: `t${i}`, kind: 'weight', shape })));
        const sizes = all.map((shape) => shape.reduce((product, n) => product * n, 1));
        expect(made.size).toBe(sizes.reduce((sum, n) => sum + n, 0));
        expect(ParamSpec.fromJSON(JSON.parse(JSON.stringify(made))).entries).toEqual(made.entries);
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  const weight = { name: 'w', kind: 'weight', shape: [2] } as const;
  it.each<[string, () => unknown, RegExp]>([
    ['a name that comes twice', () => new ParamSpec([weight, weight]), /defined twice/],
    ['an empty name', () => new ParamSpec([{ ...weight, name: '' }]), /has no name/],
    [
      'an unknown kind',
      () => ParamSpec.fromJSON({ entries: [{ ...weight, kind: 'wieght' }] }),
      /unknown kind/,
    ],
    ['an axis of length 0', () => new ParamSpec([{ ...weight, shape: [2, 0] }]), /has the shape \[2,0\]/],
    [
      'axes that do not multiply to the shape',
      () => new ParamSpec([{ ...weight, axes: [{ units: 3, inner: 1 }] }]),
      /do not multiply/,
    ],
    [
      'a unit group of two widths',
      () =>
        new ParamSpec([
          { ...weight, axes: [{ group: 'g', units: 2, inner: 1 }] },
          { ...weight, name: 'v', axes: [{ group: 'g', units: 1, inner: 2 }] },
        ]),
      /'g' has 1 units here and 2 before/,
    ],
    ['an alias of nothing', () => new ParamSpec([weight], { a: 'b' }), /alias of 'b'/],
    ['an alias that is a tensor', () => new ParamSpec([weight], { w: 'w' }), /both a tensor and an alias/],
    ['a name that is not there', () => spec.get('fc2.weight'), /names are conv1\.weight, conv1\.bias/],
  ])('refuses %s', (_, make, message) => {
    expect(make).toThrow(ParamSpecError);
    expect(make).toThrow(message);
  });

  it('refuses JSON that is something else', () => {
    for (const json of [null, 3, {}, { entries: 'x' }, { entries: [], aliases: 3 }])
      expect(() => ParamSpec.fromJSON(json)).toThrow(/fromJSON/);
  });
});

describe('names that JavaScript objects have of their own', () => {
  const axes = (group: string) => [{ group, units: 2, inner: 1 }];
  const odd = new ParamSpec(
    [
      { name: 'constructor', kind: 'weight', shape: [2], axes: axes('toString') },
      { name: '__proto__', kind: 'bias', shape: [2], axes: axes('__proto__') },
    ],
    { valueOf: 'constructor' },
  );

  it('are names like others', () => {
    expect(odd.get('constructor').size).toBe(2);
    expect(odd.get('valueOf').name).toBe('constructor');
    expect(odd.get('__proto__').offset).toBe(2);
    expect(odd.has('hasOwnProperty')).toBe(false);
    expect(() => odd.get('hasOwnProperty')).toThrow(ParamSpecError);
  });

  it('are unit groups like others', () => {
    expect(Object.entries(odd.groups)).toEqual([
      ['toString', 2],
      ['__proto__', 2],
    ]);
    expect(odd.atWidths({}).size).toBe(4);
    expect(odd.atWidths({ toString: 5 }).size).toBe(7);
    expect(ParamSpec.fromJSON(JSON.parse(JSON.stringify(odd))).entries).toEqual(odd.entries);
  });
});
