import { describe, expect, it } from 'vitest';
import { ties } from '../../../src/combine/merge/functions.js';
import { SignConflicts } from '../../../src/combine/merge/sign-conflicts.js';

describe('sign conflicts', () => {
  it('are entries at which weighted vectors of both signs meet, of those that are kept', () => {
    const conflicts = new SignConflicts();
    const deltas = [Float32Array.of(1, 1, 0, 0, -2), Float32Array.of(-1, 2, 0, 3, -1)];
    conflicts.count(deltas, Float64Array.of(1, 0.5), 0);
    // Of four kept entries the first.
    expect(conflicts.share).toBe(1 / 4);
    const turned = new SignConflicts();
    turned.count(deltas, Float64Array.of(1, -0.5), 0);
    expect(turned.share).toBe(2 / 4);
    expect(new SignConflicts().share).toBe(0);
  });

  it('are looked for in one piece of sixteen', () => {
    const conflicts = new SignConflicts();
    const [one, other] = [Float32Array.of(1), Float32Array.of(-1)];
    conflicts.count([one, one], Float64Array.of(1, 1), 0);
    for (let index = 1; index < 16; index++) conflicts.count([one, other], Float64Array.of(1, 1), index);
    expect(conflicts.share).toBe(0);
    conflicts.count([one, other], Float64Array.of(1, 1), 16);
    expect(conflicts.share).toBe(1 / 2);
  });

  it('are told of a merge', () => {
    const told: Record<string, number>[] = [];
    ties([Float32Array.of(2, 1, -3, 0.1), Float32Array.of(-2, 1, -3, 0.2)], {
      base: new Float32Array(4),
      weight: 1,
      density: 0.75,
      onTensor: (_, statistics) => told.push(statistics),
    });
    // The last entry is trimmed from both; at one of the others they disagree.
    expect(told).toEqual([{ signConflicts: 1 / 3 }]);
  });
});
