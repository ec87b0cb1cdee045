/** Memory that a merge uses again: left to the garbage collector it would come on top of the budget. */
import { beforeAll, describe, expect, it } from 'vitest';
import { blockedPass } from '../../../src/combine/merge/blocks.js';
import { recipeMethods } from '../../../src/combine/merge/registry.js';
import { loadBackend } from '../../../src/kernels/select.js';
import { sourcesOf } from '../../../src/merge/planned-run.js';
import { openModels } from '../../../src/merge/planner/models.node.js';
import { planMerge } from '../../../src/merge/planner/planner.js';
import { parseRecipe } from '../../../src/merge/recipe/parse.js';
import { runPlan } from '../../../src/merge/sidecars/run.js';
import { createInlineLane } from '../../../src/merge/stream/lane.js';
import { planMemory, SLOTS } from '../../../src/merge/stream/memory.js';
import { createScratch } from '../../../src/merge/stream/scratch.js';
import { createStoredInputs } from '../../../src/merge/stream/stored-inputs.js';
import type { ChunkCommand } from '../../../src/merge/stream/task.js';
import { createMemoryWriter } from '../../../src/tensor/safetensors/writer-memory.js';
import { recipeOf, temporaryFolder, writeFamily } from './fixtures.js';

let folder = '';

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFamily(folder, 2, 301);
});

describe('the memory of a merge', () => {
  it('is the same slots in the sweeps over whole models and in the merge', async () => {
    const recipe = parseRecipe(recipeOf('ties', 2, 'parameters: {trim_scope: model}\n'));
    const inputs = await openModels(recipe, { folder });
    const kernels = await loadBackend();
    const lane = createInlineLane(kernels);
    const made = new Set<ArrayBufferLike>();
    try {
      const plan = planMerge(recipe, inputs.models, { methods: recipeMethods });
      const slot = (k: number, bytes: number): Uint8Array => {
        const place = lane.slot(k, bytes);
        made.add(place.buffer);
        return place;
      };
      await runPlan({
        ...{ plan, kernels, sources: sourcesOf(plan, inputs), lanes: [{ ...lane, slot }] },
        writer: createMemoryWriter('merged', plan.outputs, async () => new Uint8Array(0)),
        memory: planMemory(plan, 256e6),
      });
    } finally {
      await lane.dispose();
      await inputs.close();
      kernels.dispose();
    }
    expect(made.size).toBeGreaterThan(0);
    expect(made.size).toBeLessThanOrEqual(SLOTS);
  });

  it('is the same blocks in the passes over one tensor after another', () => {
    const size = 100_003;
    const seen = [0, 1].map(() => {
      const held = new Set<ArrayBufferLike>();
      let sum = 0;
      const pass = blockedPass(size, ([x]) => {
        held.add(x.buffer);
        for (const value of x) sum += value;
      });
      // Two chunks that no block ends with.
      for (const [begin, end] of [
        [0, 50_001],
        [50_001, size],
      ])
        pass.accept([new Float32Array(end - begin).fill(1)], begin);
      expect(sum).toBe(size);
      return held;
    });
    expect([...seen[1]].filter((buffer) => seen[0].has(buffer))).toHaveLength(1);
  });

  it('is the same bytes for every block that is rounded', async () => {
    const kernels = await loadBackend();
    const scratch = createScratch(kernels);
    const handed = new Set<ArrayBufferLike>();
    const bytes = (k: number, length: number): Uint8Array => {
      const place = scratch.bytes(k, length);
      handed.add(place.buffer);
      return place;
    };
    const start = { inputs: ['F32'], tensor: 'w', rounding: 'BF16' } as const;
    const stored = createStoredInputs(start, kernels, { ...scratch, bytes });
    const values = Float32Array.of(1, 1 + 2 ** -9, 1 + 3 * 2 ** -8, -3);
    const inputs = [new Uint8Array(values.buffer)];
    const output = new Uint8Array(0);
    const command: ChunkCommand = { step: 'whole', offset: 0, count: 4, last: true, inputs, output };
    const rounded = [
      [0, 2],
      [2, 4],
    ].flatMap(([begin, end]) => [...stored.widened(command, 0, begin, end)]);
    // Eight bits of mantissa, ties to even.
    expect(rounded).toEqual([1, 1, 1 + 2 ** -6, -3]);
    expect(handed.size).toBe(1);
    scratch.dispose();
    kernels.dispose();
  });
});
