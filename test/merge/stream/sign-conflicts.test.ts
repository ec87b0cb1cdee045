import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mergeRecipe } from '../../../src/merge/merge.node.js';
import { readJson } from '../model-files.js';
import { temporaryFolder, writeModel } from './fixtures.js';

it('are looked for all over a tensor, also where its rows are no part of a block', async () => {
  const folder = await temporaryFolder();
  // Rows of 1000: chunks begin at multiples of 65,000 elements, which pieces of 17,000 do not divide.
  const shape = [1040, 1000];
  const family = { base: [0, 0], one: [1, 1], two: [1, -1] };
  for (const [name, [first, others]] of Object.entries(family)) {
    const values = new Float32Array(1_040_000).fill(others);
    await writeModel(join(folder, name), { w: { shape, values: values.fill(first, 0, 65_000) } });
  }
  const models = ['one', 'two'].map(
    (name) => `  - model: ${name}\n    parameters: {weight: 1, density: 0.5}\n`,
  );
  const recipe = `merge_method: della\nbase_model: base\nmodels:\n${models.join('')}parameters: {epsilon: 0.1}\n`;
  const out = join(folder, 'out');
  await mergeRecipe(recipe, out, { baseFolder: folder, workers: 0, sync: false });
  const report = readJson(out, 'merge_report.json') as {
    tensors: { statistics: { signConflicts: number } }[];
  };
  // Where signs differ, a third of what one of two masks of a half keeps is kept by both.
  const share = report.tensors[0].statistics.signConflicts;
  expect(share).toBeGreaterThan(0.2);
  expect(share).toBeLessThan(0.36);
});
