/** `examples/browser-merge`, as a person uses it, and `heddle/merge` in a plain bundle. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { taskVector } from '../../src/combine/merge/task-vector-algebra.js';
import { philox4x32 } from '../../src/kernels/reference/philox.js';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { encodeModel, type FlatModel, type FlatTensor } from '../../src/tensor/safetensors/flat-model.js';
import { readModel } from '../../src/tensor/safetensors/flat-model.node.js';
import { bundle, example, launchChromium, openPage, root } from './chromium.js';

type MergeLibrary = typeof import('../../src/merge/index.web.js') & typeof import('../../src/index.web.js');

const { buildPage } = (await import(join(root, 'examples/browser-merge/build.mjs'))) as {
  buildPage(outDir: string): Promise<void>;
};

const folder = mkdtempSync(join(tmpdir(), 'heddle-merge-page-'));
const site = join(folder, 'site');
const pathOf = (name: string): string => join(folder, name);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let server: Awaited<ReturnType<typeof example.serveFolder>>;
let browser: Browser;
let page: Page;
let said: string[];

/** Uniform in [-0.5, 0.5) by (seed, element). */
const uniform = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => philox4x32(i, 0, 0, 0, seed, 3)[0] / 2 ** 32 - 0.5);

/** A base (0) or a tune of it, with a tensor of more than one block of the sum rule, other types, and an integer. */
function model(tune: number): FlatModel {
  const tensor = (seed: number, shape: readonly number[], dtype: FlatTensor['dtype']): FlatTensor => {
    const size = shape.reduce((product, n) => product * n, 1);
    const change = uniform(size, 100 * tune + seed);
    const values = uniform(size, seed).map((value, i) => (tune === 0 ? value : value + 0.2 * change[i]));
    return { dtype, shape, values };
  };
  const tensors: [string, FlatTensor][] = [
    ['layers.0.weight', tensor(1, [301, 223], 'F32')],
    ['layers.1.weight', tensor(2, [64, 33], 'BF16')],
    ['layers.2.bias', tensor(3, [33], 'F16')],
    ['norm', tensor(4, [], 'F32')],
    [
      'position_ids',
      { dtype: 'I64', shape: [1], values: Float32Array.of(3), stored: Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0) },
    ],
  ];
  return { tensors: new Map(tensors) };
}

const names = ['base.safetensors', 'a.safetensors', 'b.safetensors'];

beforeAll(async () => {
  mkdirSync(site);
  browser = await launchChromium();
  await buildPage(site);
  await bundle(
    "import * as heddle from 'heddle'; import * as merge from 'heddle/merge'; globalThis.heddle = { ...heddle, ...merge };",
    join(site, 'library.js'),
  );
  writeFileSync(
    join(site, 'library.html'),
    '<!doctype html><title>library</title><link rel="icon" href="data:,"><script type="module" src="library.js"></script>',
  );
  for (const [tune, name] of names.entries()) writeFileSync(pathOf(name), await encodeModel(model(tune)));
  server = await example.serveFolder(site);
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  said = [];
  page = await openPage(browser, server.url, said);
});
afterEach(async () => {
  await page.close();
  expect(said).toEqual([]);
});

const state = (key: 'plan' | 'merge', value: string): Promise<unknown> =>
  page.waitForFunction(([k, v]) => document.body.dataset[k] === v, [key, value] as const, {
    timeout: 15_000,
  });

const choose = (...files: readonly string[]): Promise<void> =>
  page.setInputFiles('#files', files.map(pathOf));

const text = async (selector: string): Promise<string> => (await page.locator(selector).textContent()) ?? '';

/** Sets the form, and waits for the plan of what was set. */
async function set(method: string, fields: Readonly<Record<string, string>> = {}): Promise<void> {
  await page.selectOption('#method', method);
  for (const [label, value] of Object.entries(fields))
    await page.getByLabel(label, { exact: true }).fill(value);
  await state('plan', 'ready');
}

/** Merges in the page, and the recipe that it shows on Node; gives both digests. */
async function mergeInBoth(seed = 0): Promise<{ page: string; node: string }> {
  await page.getByRole('button', { name: 'Merge' }).click();
  await state('merge', 'done');
  const recipe = pathOf('recipe.yml');
  writeFileSync(recipe, await text('#recipe'));
  const out = pathOf('out');
  await mergeRecipe(recipe, out, { seed, overwrite: true, sync: false });
  return { page: await text('#sha256'), node: sha256(readFileSync(join(out, 'model.safetensors'))) };
}

describe('the merge page', () => {
  test('takes dropped files and says what they are', async () => {
    const dropped = await page.evaluateHandle(
      (files) => {
        const transfer = new DataTransfer();
        for (const { name, bytes } of files)
          transfer.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name));
        return transfer;
      },
      names.map((name) => ({ name, bytes: readFileSync(pathOf(name), 'base64') })),
    );
    await page.dispatchEvent('#drop', 'drop', { dataTransfer: dropped });
    await page.waitForFunction(() => document.body.textContent.match(/norm \d/g)?.length === 3);
    const facts = await text('[data-model="base.safetensors"] .facts');
    expect(facts).toMatch(/^5 tensors · 69.3 thousand parameters · /);
    for (const dtype of ['F32', 'BF16', 'F16', 'I64']) expect(facts).toContain(dtype);
    let squares = 0;
    for (const { values } of model(0).tensors.values()) squares += values.reduce((sum, v) => sum + v * v, 0);
    const shown = Number(/norm ([\d.e+]+)/.exec(facts)?.[1]);
    expect(Math.abs(shown / Math.sqrt(squares) - 1)).toBeLessThan(1e-3);
    await state('plan', 'ready');
    expect(await text('#plan')).toContain('5 tensors with 69.3 thousand parameters from 3 models, read once');
  });

  test('merges to the bytes of Node, whatever the method', { timeout: 120_000 }, async () => {
    await choose(...names);
    await set('linear', { 'weight of a.safetensors': '2' });
    const linear = await mergeInBoth();
    expect(linear.page).toMatch(/^[0-9a-f]{64}$/);
    expect(linear.page).toBe(linear.node);

    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#download').click()]);
    expect(download.suggestedFilename()).toBe('merged-linear.safetensors');
    expect(sha256(readFileSync(await download.path()))).toBe(linear.node);

    const digests = new Set([linear.page]);
    const settings: [string, Record<string, string>][] = [
      ['ties', { 'density of b.safetensors': '0.2, 0.9', 'Strength (lambda)': '0.7' }],
      ['dare_ties', {}],
      ['model_stock', {}],
      ['multislerp', {}],
      ['sce', { 'Share of weights kept': '0.3' }],
    ];
    for (const [method, fields] of settings) {
      await set(method, fields);
      const both = await mergeInBoth();
      expect(both.page, method).toBe(both.node);
      digests.add(both.page);
    }
    expect(digests.size).toBe(1 + settings.length);
    // The most changed layer comes first, with its bar.
    const shares = (await page.locator('.changes .value').allTextContents()).map(Number.parseFloat);
    expect(shares.length).toBeGreaterThan(2);
    expect(shares).toEqual(shares.toSorted((x, y) => y - x));
  });

  test('takes a seed, a type and a list over the layers', { timeout: 60_000 }, async () => {
    await choose(...names.slice(0, 2));
    await set('slerp', { 't, or a list over the layers': '0, 0.5, 1' });
    await page.getByText('More', { exact: true }).click();
    await page.selectOption('#dtype', 'bfloat16');
    await state('plan', 'ready');
    const slerp = await mergeInBoth();
    expect(await text('#recipe')).toContain('parameters: {t: [0,0.5,1]}\nout_dtype: bfloat16\n');
    expect(slerp.page).toBe(slerp.node);
    await set('dare_linear', { Seed: '5' });
    const dare = await mergeInBoth(5);
    expect(dare.page).toBe(dare.node);
    expect(await text('#result')).toContain('npx heddle merge recipe.yml merged --seed 5');
  });

  test('takes file names as they are, and tells two of one name apart', async () => {
    const odd = pathOf('my <b>tune @2 + "more".safetensors');
    writeFileSync(odd, readFileSync(pathOf('a.safetensors')));
    mkdirSync(pathOf('other'));
    writeFileSync(join(pathOf('other'), 'base.safetensors'), readFileSync(pathOf('b.safetensors')));
    await page.setInputFiles('#files', [pathOf('base.safetensors'), odd]);
    await set('slerp');
    const { page: here, node } = await mergeInBoth();
    expect(here).toBe(node);
    await page.setInputFiles('#files', join(pathOf('other'), 'base.safetensors'));
    await set('task_arithmetic');
    await page.getByRole('button', { name: 'Merge' }).click();
    await page.waitForFunction(() => document.body.textContent?.includes('call this one base-2.safetensors'));
  });

  test('shows what is wrong with a file, and goes on without it', async () => {
    const bytes = readFileSync(pathOf('a.safetensors'));
    writeFileSync(pathOf('cut.safetensors'), bytes.subarray(0, 1000));
    writeFileSync(pathOf('huge.safetensors'), Buffer.concat([Buffer.alloc(7), Buffer.from([0x7f]), bytes]));
    writeFileSync(pathOf('text.safetensors'), 'hello');
    await choose(
      'base.safetensors',
      'a.safetensors',
      'cut.safetensors',
      'huge.safetensors',
      'text.safetensors',
    );
    await page.waitForFunction(() => document.querySelectorAll('#models .bad').length === 3);
    expect(await text('[data-model="cut.safetensors"]')).toMatch(
      /header of \d+ bytes and has|describes .* bytes/,
    );
    expect(await text('[data-model="huge.safetensors"]')).toContain('at most 100000000 are allowed');
    expect(await text('[data-model="huge.safetensors"] .hint')).toContain('download it again');
    expect(await text('[data-model="text.safetensors"]')).toContain('it has 5 bytes, fewer than 8');
    await state('plan', 'none');
    expect(await text('#plan')).toContain('Remove the files that cannot be read');
    expect(await page.getByRole('button', { name: 'Merge' }).isDisabled()).toBe(true);
    for (const name of ['cut', 'huge', 'text'])
      await page.getByRole('button', { name: `Remove ${name}.safetensors` }).click();
    await state('plan', 'ready');
  });

  test('names the tensors that do not fit before anything is merged', async () => {
    const { tensors } = model(1);
    const other = new Map(tensors);
    other.delete('layers.2.bias');
    other.set('layers.1.weight', { dtype: 'F32', shape: [2, 3], values: new Float32Array(6) });
    writeFileSync(pathOf('other.safetensors'), await encodeModel({ tensors: other }));
    await choose('base.safetensors', 'other.safetensors');
    await state('plan', 'refused');
    expect(await text('#plan .complaint')).toContain('2 problems');
    await page.getByText('More', { exact: true }).click();
    await page.selectOption('#lacking', 'union');
    await page.waitForFunction(() => document.body.textContent.includes('layers.1.weight: shapes differ'));
    expect(await text('#plan .complaint')).toContain(
      '[64,33] in base.safetensors, [2,3] in other.safetensors',
    );
    expect(await text('#plan .hint')).toContain('one architecture and size');
    expect(await page.getByRole('button', { name: 'Merge' }).isDisabled()).toBe(true);
    // Too many for a method of two.
    await page.getByRole('button', { name: 'Remove other.safetensors' }).click();
    await choose('a.safetensors', 'b.safetensors');
    await page.selectOption('#method', 'slerp');
    await state('plan', 'refused');
    expect(await text('#plan .complaint')).toMatch(/slerp .*2/);
  });

  test('tells of values that are not finite, and makes nothing of them', async () => {
    const { tensors } = model(1);
    const broken = new Map(tensors);
    broken.set('norm', { dtype: 'F32', shape: [], values: Float32Array.of(Number.NaN) });
    writeFileSync(pathOf('nan.safetensors'), await encodeModel({ tensors: broken }));
    await choose('base.safetensors', 'nan.safetensors');
    await page.waitForSelector('[data-model="nan.safetensors"] .warning');
    expect(await text('[data-model="nan.safetensors"] .warning')).toContain('1 value not finite');
    await state('plan', 'ready');
    await page.getByRole('button', { name: 'Merge' }).click();
    await state('merge', 'failed');
    expect(await text('#plan .complaint')).toContain('tensor norm: 1 value is not finite');
    expect(await text('#plan .complaint')).toContain('nan.safetensors');
    expect(await page.locator('#result-card').isHidden()).toBe(true);
  });

  test('says that a file was changed after it was chosen', async () => {
    writeFileSync(pathOf('fleeting.safetensors'), readFileSync(pathOf('a.safetensors')));
    await choose('base.safetensors', 'fleeting.safetensors');
    await page.waitForSelector('[data-model="fleeting.safetensors"] .facts:has-text("norm")');
    await state('plan', 'ready');
    writeFileSync(pathOf('fleeting.safetensors'), readFileSync(pathOf('b.safetensors')).subarray(0, 5000));
    await page.getByRole('button', { name: 'Merge' }).click();
    await state('merge', 'failed');
    expect(await text('#plan .complaint')).toContain('fleeting.safetensors cannot be read any more');
    expect(await text('#plan .hint')).toContain('choose the file again');
    expect(await page.locator('#result-card').isHidden()).toBe(true);
  });

  test('stops when it is told to, and merges again', async () => {
    await page.getByRole('button', { name: 'Use three small samples' }).click();
    await set('task_arithmetic');
    await page.evaluate(() => {
      document.getElementById('merge')?.click();
      document.getElementById('stop')?.click();
    });
    await state('merge', 'stopped');
    expect(await text('#plan')).toBe('Stopped; nothing was made.');
    await page.getByRole('button', { name: 'Merge' }).click();
    await state('merge', 'done');
    expect(await text('#sha256')).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('heddle/merge in a bundle', () => {
  test('asks nothing of the bundler and reaches no Node module', async () => {
    const { outputFiles, metafile, warnings } = await bundle(
      "import { mergeRecipeBlobs, ties } from 'heddle/merge'; globalThis.app = { mergeRecipeBlobs, ties };",
    );
    expect(warnings).toEqual([]);
    const [{ imports }] = Object.values(metafile.outputs);
    expect(imports).toEqual([]);
    const [{ text: code, contents }] = outputFiles ?? [];
    expect(code).not.toMatch(/["'`]node:/);
    expect(Object.keys(metafile.inputs).filter((path) => path.includes('.node.'))).toEqual([]);
    // The engine, the recipe language and the methods: no trainer, no federation.
    expect(Object.keys(metafile.inputs).filter((path) => /dist\/(federation|train|nn)\//.test(path))).toEqual(
      [],
    );
    expect(gzipSync(contents).byteLength).toBeLessThan(195_000);
  });

  test('merges models in memory, by name and by function', async () => {
    await page.goto(`${server.url}library.html`);
    const bytes = names.map((name) => readFileSync(pathOf(name), 'base64'));
    const digests = await page.evaluate(async (files) => {
      const { encodeModel, init, mergeModels, readModelBlobs, slerp, taskVector, ties } = (
        globalThis as unknown as { heddle: MergeLibrary }
      ).heddle;
      await init({ backend: 'wasm' });
      const [base, a, b] = await Promise.all(
        files.map((file) =>
          readModelBlobs(
            'm',
            Uint8Array.from(atob(file), (c) => c.charCodeAt(0)),
          ),
        ),
      );
      const made = [
        slerp(base, a, { t: 0.4 }),
        ties([a, b], { base, density: 0.3, minKeep: 1 }),
        mergeModels([a, b], { method: 'ties', base, density: 0.3, minKeep: 1 }),
        taskVector(a, base),
      ];
      return Promise.all(
        made.map(async (one) => {
          const file = (await encodeModel(one)) as Uint8Array<ArrayBuffer>;
          const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', file));
          return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
        }),
      );
    }, bytes);
    const inNode = async (recipe: string): Promise<string> => {
      await mergeRecipe(recipe, pathOf('out'), { baseFolder: folder, overwrite: true, sync: false });
      return sha256(readFileSync(join(pathOf('out'), 'model.safetensors')));
    };
    const [slerp, byFunction, byName, vector] = digests;
    const slerpRecipe =
      'merge_method: slerp\nbase_model: base.safetensors\nmodels: [{model: a.safetensors}]\nparameters: {t: 0.4}\n';
    const tiesRecipe =
      'merge_method: ties\nbase_model: base.safetensors\nmodels: [{model: a.safetensors}, {model: b.safetensors}]\nparameters: {weight: 1, density: 0.3, min_keep: 1}\n';
    expect(slerp).toBe(await inNode(slerpRecipe));
    expect(byFunction).toBe(await inNode(tiesRecipe));
    expect(byName).toBe(byFunction);
    // Metadata too: the hash of the base is that of Node.
    const models = await Promise.all(names.map((name) => readModel(pathOf(name))));
    expect(vector).toBe(sha256(await encodeModel(taskVector(models[1], models[0]))));
  });
});
