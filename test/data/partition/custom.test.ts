import { describe, expect, it } from 'vitest';
import { dataset } from '../../../src/data/dataset.js';
import { EmptyClientError, PartitionError } from '../../../src/data/errors.js';
import { partition } from '../../../src/data/partition/index.js';

const data = dataset({ x: new Uint8Array(6), shape: [1], y: [0, 1, 0, 1, 0, 1], classes: 2 });

describe('a custom partition', () => {
  it('is taken as given, and what nobody got is leftover', async () => {
    const made = await partition(data, { type: 'custom', clients: [[4, 0], [1]] }, 0);
    expect(made.clients.map((mine) => [...mine])).toEqual([[0, 4], [1]]);
    expect([...made.leftover]).toEqual([2, 3, 5]);
    expect([...made.report.sizes]).toEqual([2, 1]);
  });

  it('refuses an example that two clients have, naming both', async () => {
    const made = partition(
      data,
      {
        type: 'custom',
        clients: [
          [0, 1],
          [2, 1],
        ],
      },
      0,
    );
    await expect(made).rejects.toThrow(PartitionError);
    await expect(made).rejects.toThrow(/example 1 belongs to clients 0 and 1/);
  });

  it.each([6, -1, 0.5, Number.NaN])('refuses the index %s', async (index) => {
    await expect(partition(data, { type: 'custom', clients: [[index]] }, 0)).rejects.toThrow(
      /is not among the 6 examples/,
    );
  });

  it('refuses an empty client', async () => {
    await expect(partition(data, { type: 'custom', clients: [[0], []] }, 0)).rejects.toThrow(
      EmptyClientError,
    );
  });
});
