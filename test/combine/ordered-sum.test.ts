import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOrderedSum, kShardSlots } from '../../src/combine/ordered-sum.js';
import { createReference } from '../../src/kernels/reference.js';

const kernels = createReference();

/** The definition, as a recursion over the whole tree: undefined is the identity. */
function node(level: number, index: number, shards: ReadonlyMap<number, number>): number | undefined {
  if (level === 0) return shards.get(index);
  const left = node(level - 1, 2 * index, shards);
  const right = node(level - 1, 2 * index + 1, shards);
  if (left === undefined) return right;
  return right === undefined ? left : left + right;
}

function shardSums(updates: readonly { slot: number; value: number; weight: number }[]): Map<number, number> {
  const shards = new Map<number, number>();
  for (const { slot, value, weight } of updates) {
    const shard = Math.floor(slot / kShardSlots);
    shards.set(shard, (shards.get(shard) ?? 0) + weight * Math.fround(value));
  }
  return shards;
}

const updates = fc.uniqueArray(fc.nat(kShardSlots * 70), { minLength: 1, maxLength: 60 }).chain((slots) =>
  fc.tuple(
    ...slots
      .sort((a, b) => a - b)
      .map((slot) =>
        fc.record({
          slot: fc.constant(slot),
          value: fc.float({ noNaN: true, noDefaultInfinity: true }),
          weight: fc.integer({ min: 1, max: 1000 }),
        }),
      ),
  ),
);

describe('the ordered sum', () => {
  it('equals the fixed binary tree over shards, whichever slots are missing', () => {
    fc.assert(
      fc.property(updates, (list) => {
        const sum = createOrderedSum(kernels, 1);
        for (const { slot, value, weight } of list)
          sum.add(slot, (acc) => kernels.accumulateF64(acc, Float32Array.of(value), weight));
        expect(sum.finish().view()[0]).toBe(node(7, 0, shardSums(list)) ?? 0);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('is used again after reset with no trace of the round before', () => {
    const sum = createOrderedSum(kernels, 2);
    sum.add(40, (acc) => kernels.accumulateF64(acc, Float32Array.of(5, 6), 3));
    sum.finish();
    sum.reset();
    sum.add(0, (acc) => kernels.accumulateF64(acc, Float32Array.of(1, 2), 1));
    expect([...sum.finish().view()]).toEqual([1, 2]);
  });

  it('refuses slots that go back', () => {
    const sum = createOrderedSum(kernels, 1);
    sum.add(3, () => {});
    expect(() => sum.add(3, () => {})).toThrow(/slot must be an integer above 3/);
  });
});
