import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  evaluateParameter,
  evaluateSetting,
  layerPosition,
} from '../../../src/merge/recipe/parameter-value.js';

const numbers = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 1, maxLength: 9 });

describe('gradients', () => {
  it('take the values written in the list at the positions of its elements', () => {
    fc.assert(
      fc.property(numbers, (list) => {
        list.forEach((value, i) => {
          const position = list.length === 1 ? 0 : i / (list.length - 1);
          expect(evaluateSetting(list, position)).toBeCloseTo(value, 9);
        });
      }),
    );
  });

  it('stay between the smallest and largest element, and a constant list is its element', () => {
    fc.assert(
      fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (list, t) => {
        const value = evaluateSetting(list, t);
        expect(value).toBeGreaterThanOrEqual(Math.min(...list) - 1e-9);
        expect(value).toBeLessThanOrEqual(Math.max(...list) + 1e-9);
        expect(evaluateSetting(list.fill(3), t)).toBeCloseTo(3, 12);
      }),
    );
  });

  it('of a straight line are the line', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (length, t) => {
          const line = Array.from({ length }, (_, i) => 2 - (5 * i) / (length - 1));
          expect(evaluateSetting(line, t)).toBeCloseTo(2 - 5 * t, 9);
        },
      ),
    );
  });

  it('run from the first layer to the last; a slice of one layer is at the end', () => {
    expect([0, 1, 2, 3, 4].map((layer) => layerPosition(layer, 5))).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(layerPosition(0, 1)).toBe(1);
    // numpy.interp([0, 1/3, 2/3, 1], [0, .25, .5, .75, 1], [0, .5, .3, .7, 1])
    const want = [0, 0.4333333333333333, 0.5666666666666667, 1];
    [0, 1, 2, 3].forEach((layer, i) => {
      expect(evaluateSetting([0, 0.5, 0.3, 0.7, 1], layerPosition(layer, 4))).toBeCloseTo(want[i], 12);
    });
  });
});

describe('conditionals', () => {
  const value = {
    kind: 'conditional',
    cases: [{ filter: 'mlp', value: [0, 1] }, { filter: 'Norm', value: 2 }, { value: 3 }],
  } as const;

  it('give the first case whose filter is a part of the name, letter by letter', () => {
    expect(evaluateParameter(value, 'layers.0.shared_mlp.weight', 0.25)).toBe(0.25);
    expect(evaluateParameter(value, 'model.Norm.weight', 0)).toBe(2);
    expect(evaluateParameter(value, 'model.norm.weight', 0)).toBe(3);
  });

  it('give nothing where no case applies', () => {
    expect(
      evaluateParameter({ kind: 'conditional', cases: [{ filter: 'x', value: 1 }] }, 'y', 0),
    ).toBeUndefined();
    expect(evaluateParameter({ kind: 'conditional', cases: [{ filter: '*', value: 1 }] }, 'y', 0)).toBe(1);
    // Plain substring: no regular expressions.
    expect(
      evaluateParameter({ kind: 'conditional', cases: [{ filter: 'a.b', value: 1 }] }, 'axb', 0),
    ).toBeUndefined();
  });
});
