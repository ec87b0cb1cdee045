import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadBackend } from '../../../src/kernels/select.js';
import { createMemoryMerger, type MemoryTensor } from '../../../src/merge/evolve/memory-merge.node.js';
import { mergeRecipe } from '../../../src/merge/merge.node.js';
import { ParamSpec } from '../../../src/tensor/param-spec.js';
import { encodeSafetensors } from '../../../src/tensor/safetensors/encode.js';

const root = await mkdtemp(join(tmpdir(), 'heddle-memory-merge-'));
afterAll(() => rm(root, { recursive: true, force: true }));

const spec = new ParamSpec([
  { name: 'a.weight', kind: 'weight', shape: [7, 5] },
  { name: 'b.weight', kind: 'weight', shape: [300] },
]);
for (const [k, name] of ['base', 'one', 'two'].entries()) {
  await mkdir(join(root, name));
  const values = Float32Array.from({ length: spec.size }, (_, i) =>
    Math.fround(((i * (k + 3)) % 17) / 7 - 1),
  );
  await writeFile(join(root, name, 'model.safetensors'), encodeSafetensors(spec, values));
}

const ties = (a: number, b: number): string => `merge_method: ties
base_model: ${join(root, 'base')}
models:
  - {model: ${join(root, 'one')}, parameters: {weight: [{filter: a.weight, value: ${a}}, {value: ${b}}], density: 0.5}}
  - {model: ${join(root, 'two')}, parameters: {weight: 0.4, density: 0.7}}
out_dtype: bfloat16
`;

/** The tensors of a one-shard file, by the rules of the format. */
async function fileBytes(folder: string): Promise<Record<string, Buffer>> {
  const bytes = await readFile(join(folder, 'model.safetensors'));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: _, ...header } = JSON.parse(bytes.toString('utf8', 8, start));
  return Object.fromEntries(
    Object.entries<{ data_offsets: [number, number] }>(header).map(
      ([
        name,
        {
          data_offsets: [begin, end],
        },
      ]) => [name, bytes.subarray(start + begin, start + end)],
    ),
  );
}

describe('createMemoryMerger', () => {
  it('gives the bytes of mergeRecipe, and merges again only what changed', async () => {
    const kernels = await loadBackend();
    const merger = createMemoryMerger(kernels);
    const copied = async (tensors: ReadonlyMap<string, MemoryTensor>) =>
      Object.fromEntries([...tensors].map(([name, { bytes }]) => [name, Buffer.from(bytes)]));
    const counts: number[] = [];
    // Both new, only b changed, nothing changed, both changed.
    for (const [k, recipe] of [ties(0.3, 0.3), ties(0.3, 0.9), ties(0.3, 0.9), ties(0.1, 0.2)].entries()) {
      const before = merger.merged;
      const inMemory = await merger.merge(recipe, copied);
      counts.push(merger.merged - before);
      await mergeRecipe(recipe, join(root, `out${k}`));
      expect(inMemory).toEqual(await fileBytes(join(root, `out${k}`)));
    }
    expect(counts).toEqual([2, 1, 0, 2]);
    // One after another, though asked for at once; a failure does not end the others.
    const [first, failed, last] = await Promise.allSettled([
      merger.merge(ties(0.3, 0.3), copied),
      merger.merge(ties(0.3, 0.3).replace('one', 'none'), copied),
      merger.merge(ties(0.3, 0.9), copied),
    ]);
    expect([first.status, failed.status, last.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(last.status === 'fulfilled' && last.value).toEqual(await fileBytes(join(root, 'out1')));
    await merger.dispose();
    kernels.dispose();
  });
});
