import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { mergeRecipe } from '../../../src/merge/merge.node.js';
import type { MergeOptions } from '../../../src/merge/merge-options.node.js';
import { openModel } from '../../../src/tensor/safetensors/reader.node.js';
import {
  readBytes,
  recipeOf,
  temporaryFolder,
  uniform,
  writeFamily,
  writeModel,
  writeText,
} from './fixtures.js';

const binary = fileURLToPath(new URL('../../../bin/heddle.js', import.meta.url));
let folder = '';

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFamily(folder, 2, 3001, 20);
});

const merge = (recipe: string, out: string, options: MergeOptions = {}) =>
  mergeRecipe(recipe, join(folder, out), { baseFolder: folder, workers: 0, sync: false, ...options });

async function expectNothing(out: string): Promise<void> {
  await expect(openModel(join(folder, out))).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
}

/** A merge that is stopped when it has finished a tensor. */
async function stoppedAfterOne(recipe: string, out: string): Promise<void> {
  const stop = new AbortController();
  const stopped = new Error('stopped');
  await expect(
    merge(recipe, out, {
      signal: stop.signal,
      onProgress: ({ tensorsDone }) => tensorsDone === 1 && stop.abort(stopped),
    }),
  ).rejects.toBe(stopped);
}

describe('an interrupted merge', () => {
  it('killed at any moment leaves no model or the whole one, and is resumed to the same bytes', async () => {
    const recipe = await writeText(join(folder, 'ties.yml'), recipeOf('ties', 2));
    await merge(recipe, 'whole');
    const whole = await readBytes(join(folder, 'whole'));
    const out = join(folder, 'killed');
    for (const after of [150, 300, 450, 600, 750, 900]) {
      const child = spawn(process.execPath, [
        binary,
        'merge',
        recipe,
        out,
        '--resume',
        '--overwrite',
        '--quiet',
      ]);
      const ended = new Promise((resolve) => child.on('exit', resolve));
      setTimeout(() => child.kill('SIGKILL'), after);
      await ended;
      const loads = await openModel(out).then(
        (model) => model.close().then(() => true),
        () => false,
      );
      if (loads) expect((await readBytes(out)).equals(whole)).toBe(true);
    }
    await merge(recipe, 'killed', { resume: true, overwrite: true });
    expect((await readBytes(out)).equals(whole)).toBe(true);
  });

  it('goes on from the tensors that are finished', async () => {
    const whole = await merge(recipeOf('ties', 2), 'unbroken');
    await stoppedAfterOne(recipeOf('ties', 2), 'broken');
    await expectNothing('broken');
    const summary = await merge(recipeOf('ties', 2), 'broken', { resume: true });
    expect(summary.resumedTensors).toBeGreaterThanOrEqual(1);
    // Also of what the interrupted run finished.
    expect(summary.layers).toEqual(whole.layers);
    const unbroken = await readBytes(join(folder, 'unbroken'));
    expect((await readBytes(join(folder, 'broken'))).equals(unbroken)).toBe(true);
  });

  it.each([
    ['method', 'ties', 'task_arithmetic', {}],
    ['seed', 'dare_ties', 'dare_ties', { seed: 2 }],
  ])('is not resumed as a merge of another %s', async (what, first, second, more) => {
    const out = `other-${what}`;
    await stoppedAfterOne(recipeOf(first, 2), out);
    const summary = await merge(recipeOf(second, 2), out, { ...more, resume: true });
    expect(summary.resumedTensors).toBe(0);
    const anew = `anew-${what}`;
    await merge(recipeOf(second, 2), anew, more);
    expect((await readBytes(join(folder, out))).equals(await readBytes(join(folder, anew)))).toBe(true);
  });

  it('keeps what is finished where a thread dies, and is resumed to the same bytes', async () => {
    // The last tensors of a lane, so that others are finished.
    const { postMessage } = Worker.prototype;
    let runs = 0;
    vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, message) {
      postMessage.call(this, message);
      if (message.type === 'run' && ++runs === 20) void this.terminate();
    });
    await expect(merge(recipeOf('ties', 2), 'crashed', { workers: 1 })).rejects.toMatchObject({
      code: 'ERR_WORKER_CRASHED',
      hint: expect.stringContaining('--resume'),
    });
    vi.restoreAllMocks();
    await expectNothing('crashed');
    const summary = await merge(recipeOf('ties', 2), 'crashed', { resume: true });
    expect(summary.resumedTensors).toBeGreaterThan(0);
    await merge(recipeOf('ties', 2), 'uncrashed');
    const [resumed, whole] = ['crashed', 'uncrashed'].map((out) => readBytes(join(folder, out)));
    expect((await resumed).equals(await whole)).toBe(true);
  });

  it('keeps what is finished where the memory given to go on is too little', async () => {
    await stoppedAfterOne(recipeOf('ties', 2), 'starved');
    await expect(merge(recipeOf('ties', 2), 'starved', { resume: true, memory: 1 })).rejects.toMatchObject({
      code: 'ERR_OUT_OF_MEMORY_BUDGET',
    });
    const summary = await merge(recipeOf('ties', 2), 'starved', { resume: true });
    expect(summary.resumedTensors).toBeGreaterThanOrEqual(1);
  });
});

describe('inputs', () => {
  it('that are truncated are refused by name', async () => {
    await writeModel(join(folder, 'short'), { w: { shape: [1000], values: uniform(1000, 1) } });
    await truncate(join(folder, 'short', 'model.safetensors'), 2000);
    const recipe = 'merge_method: linear\nmodels:\n  - model: short\n    parameters: {weight: 1}\n';
    await expect(merge(recipe, 'from-short')).rejects.toMatchObject({
      code: 'ERR_INCOMPLETE_BUFFER',
      message: expect.stringContaining('short'),
    });
    await expectNothing('from-short');
  });

  it('that change while they are read end the merge', async () => {
    const changed = join(folder, 'tune2', 'model.safetensors');
    let touched = Promise.resolve();
    await expect(
      merge(recipeOf('ties', 2), 'from-changed', {
        onProgress: () => {
          touched = utimes(changed, new Date(), new Date(Date.now() + 5000));
        },
      }),
    ).rejects.toMatchObject({ code: 'ERR_INPUT_CHANGED', message: expect.stringContaining('tune2') });
    await touched;
    await expectNothing('from-changed');
  });

  it('with a NaN are named with tensor, element and model, unless the merge is strict', async () => {
    const values = uniform(70_000, 1);
    values[66_000] = Number.NaN;
    await writeModel(join(folder, 'nan'), { w: { shape: [70_000], values } });
    const recipe = 'merge_method: linear\nmodels:\n  - model: nan\n    parameters: {weight: 1}\n';
    await expect(merge(recipe, 'from-nan')).rejects.toMatchObject({
      ...{ code: 'ERR_NONFINITE_INPUT', tensor: 'w', model: 'nan', index: 66_000, count: 1 },
    });
    await expectNothing('from-nan');
    expect((await merge(recipe, 'from-nan', { strict: true })).nonFinite).toBe(1);
  });

  it('whose sum overflows float16 are refused with the place', async () => {
    const values = Float32Array.of(1, 65_519, 65_520, -70_000);
    await writeModel(join(folder, 'large'), { w: { shape: [4], values } });
    const recipe =
      'merge_method: linear\nout_dtype: float16\nmodels:\n  - model: large\n    parameters: {weight: 1}\n';
    await expect(merge(recipe, 'overflow')).rejects.toMatchObject({
      ...{ code: 'ERR_NONFINITE_OUTPUT', tensor: 'w', index: 2, count: 2 },
    });
  });

  it('in threads fail with the same error as in place', async () => {
    const recipe = 'merge_method: linear\nmodels:\n  - model: nan\n    parameters: {weight: 1}\n';
    await expect(merge(recipe, 'thread-nan', { workers: 1 })).rejects.toMatchObject({
      code: 'ERR_NONFINITE_INPUT',
    });
  });
});

describe('the output', () => {
  it('does not fit a budget below a chunk, and says what would', async () => {
    await expect(merge(recipeOf('ties', 2), 'tiny', { memory: 1e6 })).rejects.toMatchObject({
      code: 'ERR_OUT_OF_MEMORY_BUDGET',
      hint: expect.stringMatching(/--memory \d+MB/),
    });
    await expectNothing('tiny');
  });

  it('is never written over an input', async () => {
    await expect(merge(recipeOf('ties', 2), 'tune1', { overwrite: true })).rejects.toMatchObject({
      code: 'ERR_OUTPUT_IS_INPUT',
    });
  });

  it('below a file is refused', async () => {
    await writeText(join(folder, 'a-file'), 'text');
    await expect(merge(recipeOf('ties', 2), 'a-file/out')).rejects.toMatchObject({
      code: 'ERR_OUTPUT_FOLDER',
    });
  });

  it('on a disk that is full leaves no model, and is resumed once there is room', async () => {
    const recipe = await writeText(join(folder, 'full.yml'), recipeOf('linear', 2));
    const out = join(folder, 'full');
    // The shell's limit on the size of a file stands in for the disk: 4 MB of the 8 MB that are needed.
    const child = spawn('sh', [
      '-c',
      `ulimit -f 8000; exec "$@"`,
      'sh',
      process.execPath,
      binary,
      'merge',
      recipe,
      out,
      '--json',
    ]);
    let printed = '';
    child.stdout.on('data', (text: Buffer) => (printed += text.toString()));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).not.toBe(0);
    expect(JSON.parse(printed)).toMatchObject({ error: { code: 'ERR_DISK_FULL' } });
    await expectNothing('full');
    await merge(recipe, 'full', { resume: true });
    await merge(recipe, 'roomy');
    expect((await readBytes(out)).equals(await readBytes(join(folder, 'roomy')))).toBe(true);
  });

  it('holds nothing hidden once it is whole', async () => {
    expect((await readdir(join(folder, 'roomy'))).sort()).toEqual([
      'README.md',
      'merge_report.json',
      'model.safetensors',
    ]);
    expect(existsSync(join(folder, 'roomy', '.heddle-partial'))).toBe(false);
  });
});
