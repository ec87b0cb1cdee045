import { existsSync, statSync } from 'node:fs';
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { claimFolder } from '../../src/tensor/safetensors/claim.node.js';
import { recipeOf, temporaryFolder, writeFamily } from './stream/fixtures.js';

let folder = '';

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFamily(folder, 2, 301, 20);
});

const step = (weight: number): string =>
  `name: mixed\n${recipeOf('linear', 2).replace('weight: 0.3', `weight: ${weight}`)}`;
const final = (method: string): string =>
  `merge_method: ${method}\nbase_model: base\nmodels:\n  - model: mixed\nparameters: {t: 0.5, weight: 1}\n`;

/** Merges until the last document has begun, and stops there. Returns the intermediate model's file and when it was made. */
async function interrupted(out: string, text: string) {
  const stop = new AbortController();
  let beforeLast = false;
  await expect(
    mergeRecipe(text, join(folder, out), {
      ...{ baseFolder: folder, workers: 0, sync: false, signal: stop.signal },
      onProgress: ({ tensorsDone, tensors }) => {
        if (beforeLast) stop.abort(new Error('stopped'));
        beforeLast ||= tensorsDone === tensors;
      },
    }),
  ).rejects.toThrow('stopped');
  const file = join(folder, out, '.heddle-intermediates', 'mixed', 'model.safetensors');
  return { file, ino: (await stat(file)).ino };
}

/** Number of the file behind the intermediate model while the last document is merged. */
async function resumed(out: string, text: string, file: string): Promise<number> {
  let ino = 0;
  await mergeRecipe(text, join(folder, out), {
    ...{ baseFolder: folder, workers: 0, sync: false, resume: true },
    onProgress: () => {
      ino = statSync(file, { throwIfNoEntry: false })?.ino ?? ino;
    },
  });
  return ino;
}

describe('an intermediate model of an interrupted recipe', () => {
  it('is used again, to the same bytes', async () => {
    const text = `${step(0.3)}---\n${final('slerp')}`;
    await mergeRecipe(text, join(folder, 'whole'), { baseFolder: folder, workers: 0, sync: false });
    const { file, ino } = await interrupted('again', text);
    expect(await resumed('again', text, file)).toBe(ino);
    const bytes = (out: string) => readFile(join(folder, out, 'model.safetensors'));
    expect((await bytes('again')).equals(await bytes('whole'))).toBe(true);
    expect(await readdir(join(folder, 'again'))).not.toContain('.heddle-intermediates');
  });

  it('is made anew for another document, for inputs that changed, and where it was cut', async () => {
    const text = `${step(0.3)}---\n${final('slerp')}`;
    const other = await interrupted('other', text);
    expect(await resumed('other', `${step(0.6)}---\n${final('slerp')}`, other.file)).not.toBe(other.ino);
    const changed = await interrupted('changed', text);
    await utimes(join(folder, 'tune1', 'model.safetensors'), new Date(), new Date(1e12));
    expect(await resumed('changed', text, changed.file)).not.toBe(changed.ino);
    const cut = await interrupted('cut', text);
    await writeFile(cut.file, (await readFile(cut.file)).subarray(0, 1000));
    expect(await resumed('cut', text, cut.file)).not.toBe(cut.ino);
  });

  it('is left alone by a second merge into the same folder, which is refused', async () => {
    const text = `${step(0.3)}---\n${final('slerp')}`;
    const { file, ino } = await interrupted('twice', text);
    const out = join(folder, 'twice');
    const first = await claimFolder(join(out, '.heddle-intermediates'));
    for (const resume of [false, true])
      await expect(
        mergeRecipe(text, out, { ...{ baseFolder: folder, workers: 0, sync: false }, resume }),
      ).rejects.toMatchObject({ code: 'ERR_OUTPUT_BUSY' });
    expect(statSync(file).ino).toBe(ino);
    await first.release();
    expect(await resumed('twice', text, file)).toBe(ino);
    expect((await readdir(out)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('stays where the memory given to go on is too little', async () => {
    const text = `${step(0.3)}---\n${final('slerp')}`;
    const { file, ino } = await interrupted('starved', text);
    const options = { baseFolder: folder, workers: 0, sync: false, memory: 1 };
    const starved = (out: string, resume: boolean) =>
      expect(mergeRecipe(text, join(folder, out), { ...options, resume })).rejects.toMatchObject({
        code: 'ERR_OUT_OF_MEMORY_BUDGET',
      });
    await starved('starved', true);
    expect(await resumed('starved', text, file)).toBe(ino);
    await starved('never', true);
    expect(existsSync(join(folder, 'never'))).toBe(false);
  });

  it.each(['.', '..'])('named %s stays in the folder of such models', async (name) => {
    const out = join(folder, `dots${name.length}`);
    const options = { baseFolder: folder, workers: 0, sync: false };
    await mergeRecipe(recipeOf('linear', 2), out, options);
    const before = await readFile(join(out, 'model.safetensors'));
    const text = `${step(0.6)}---\n${final('slerp')}`.replaceAll('mixed', `"${name}"`);
    await expect(mergeRecipe(text, out, options)).rejects.toMatchObject({ code: 'ERR_OUTPUT_EXISTS' });
    expect((await readFile(join(out, 'model.safetensors'))).equals(before)).toBe(true);
  });

  it('leaves no folder behind where it cannot be used, nor those around it', async () => {
    const text = `${step(0.3)}---\nmerge_method: linear\nmodels:\n  - model: mixed\n    parameters: {weight: 1.0e+39}\nout_dtype: float16\nparameters: {normalize: false}\n`;
    await expect(
      mergeRecipe(text, join(folder, 'outer', 'inner'), { baseFolder: folder, workers: 0, sync: false }),
    ).rejects.toMatchObject({ code: 'ERR_NONFINITE_OUTPUT' });
    expect(existsSync(join(folder, 'outer'))).toBe(false);
  });

  it('is removed where the last document fails by its inputs', async () => {
    const out = join(folder, 'failed');
    const text = `${step(0.3)}---\nmerge_method: linear\nmodels:\n  - model: mixed\n    parameters: {weight: 1.0e+39}\nout_dtype: float16\nparameters: {normalize: false}\n`;
    await expect(
      mergeRecipe(text, out, { baseFolder: folder, workers: 0, sync: false }),
    ).rejects.toMatchObject({ code: 'ERR_NONFINITE_OUTPUT' });
    expect(existsSync(join(out, '.heddle-intermediates'))).toBe(false);
  });
});
