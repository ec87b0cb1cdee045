// Where a formula gives the base or an input back, the merged file holds their bytes: no rounding, in float32, float16 and bfloat16, in
// tensors of all ranks. Through files, in default mode; the inputs' bit patterns are made here, without the library.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { philox4x32 } from '../../src/kernels/reference/philox.js';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { type RawTensor, raw, writeModelFolder } from './model-files.js';

const SHAPES: readonly (readonly number[])[] = [[40, 50], [77], [2], [], [0], [3, 1], [70, 1000]];
const DTYPES = ['F32', 'F16', 'BF16'] as const;
type Dtype = (typeof DTYPES)[number];

const word = (i: number, seed: number): number => philox4x32(i, 0, 0, 0, seed, 21)[0];
const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** Values of both signs over several binades. */
function baseBits(dtype: Dtype, n: number, seed: number): Uint8Array {
  if (dtype === 'F32')
    return new Uint8Array(Float32Array.from({ length: n }, (_, i) => word(i, seed) / 2 ** 32 - 0.5).buffer);
  const [least, range] = dtype === 'F16' ? [0x2000, 0x1fff] : [0x3c00, 0x3ff];
  return new Uint8Array(
    Uint16Array.from({ length: n }, (_, i) => (word(i, seed) & 0x8000) | (least + (word(i, seed) & range)))
      .buffer,
  );
}

/** A fine-tune: values near those of the base, and equal to them in one element of five. */
function tunedBits(dtype: Dtype, base: Uint8Array, seed: number): Uint8Array {
  const bits = new Uint16Array(base.buffer);
  const tuned =
    dtype === 'F32'
      ? new Float32Array(base.buffer).map((v, i) => (i % 5 ? v * (1 + (word(i, seed) % 200) / 1000) : v))
      : bits.map((v, i) => (i % 5 ? v + (word(i, seed) % 61) - 30 : v));
  return new Uint8Array(tuned.buffer);
}

let folder = '';
const models = new Map<string, Record<string, RawTensor>>();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-degenerate-'));
  const tensors = DTYPES.flatMap((dtype) => SHAPES.map((shape, s) => ({ dtype, shape, s })));
  for (const [m, model] of ['base', 'a', 'b'].entries()) {
    const made = Object.fromEntries(
      tensors.map(({ dtype, shape, s }) => {
        const base = baseBits(dtype, sizeOf(shape), s + 1);
        const bytes = m === 0 ? base : tunedBits(dtype, base, 100 * m + s);
        return [`${dtype}.${shape.join('x')}`, raw(dtype, shape, bytes)];
      }),
    );
    models.set(model, made);
    writeModelFolder(join(folder, model), made);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function expectModel(recipe: string, wanted: string): Promise<void> {
  const out = join(folder, 'out');
  await mergeRecipe(recipe, out, { baseFolder: folder, workers: 0, sync: false, overwrite: true });
  const file = readFileSync(join(out, 'model.safetensors'));
  const begin = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, begin));
  const differing: string[] = [];
  for (const [name, { dtype, shape, bytes }] of Object.entries(models.get(wanted) ?? {})) {
    const [first, end] = header[name].data_offsets;
    expect(header[name]).toMatchObject({ dtype, shape });
    if (!file.subarray(begin + first, begin + end).equals(bytes)) differing.push(name);
  }
  expect(differing).toEqual([]);
}

const model = (name: string, parameters = ''): string =>
  `  - {model: ${name}, parameters: {${parameters}}}\n`;
const recipe = (method: string, entries: string, parameters = ''): string =>
  `merge_method: ${method}\nmodels:\n${entries}parameters: {${parameters}}\n`;
const withBase = (method: string, entries: string, parameters = ''): string =>
  `base_model: base\n${recipe(method, entries, parameters)}`;

const WEIGHTS = [0.1, 0.7, 3, -2];
/** Without an election: sums of differences that are rounded once. */
const EXACT_TASK = ['task_arithmetic', 'dare_linear', 'della_linear', 'breadcrumbs'];
const TASK = [...EXACT_TASK, 'ties', 'dare_ties', 'della', 'breadcrumbs_ties'];

describe('bytes of an input come back', () => {
  it.each<[string, string, string]>([
    ['slerp at t = 0: the base', withBase('slerp', model('base') + model('a'), 't: 0'), 'base'],
    ['slerp at t = 1: the other', withBase('slerp', model('base') + model('a'), 't: 1'), 'a'],
    ['slerp of a model with itself', withBase('slerp', model('base') + model('base'), 't: 0.3'), 'base'],
    ['uniform_soup of one', recipe('uniform_soup', model('a')), 'a'],
    ['uniform_soup of three alike', recipe('uniform_soup', model('a').repeat(3)), 'a'],
    ['karcher of one', recipe('karcher', model('a')), 'a'],
    ['karcher of three alike', recipe('karcher', model('a').repeat(3)), 'a'],
    ['passthrough', recipe('passthrough', model('a')), 'a'],
    ['passthrough with scale 1', recipe('passthrough', model('a', 'scale: 1')), 'a'],
    ['model_stock of two alike', withBase('model_stock', model('a') + model('a')), 'a'],
    [
      'model_stock by rows of three alike',
      withBase('model_stock', model('a').repeat(3), 'filter_wise: true'),
      'a',
    ],
    ['nearswap with a large t', withBase('nearswap', model('base') + model('a'), 't: 1e9'), 'a'],
    ['nearswap with t = 0', withBase('nearswap', model('base') + model('a'), 't: 0'), 'base'],
    ['arcee_fusion of a model with itself', withBase('arcee_fusion', model('base') + model('base')), 'base'],
    ['sce with select_topk = 0', withBase('sce', model('a') + model('b'), 'select_topk: 0'), 'base'],
    ['ram that finds no change', withBase('ram', model('a') + model('b'), 'epsilon: 1e9'), 'base'],
    ...WEIGHTS.flatMap((w): [string, string, string][] => [
      [`linear of one, weight ${w}`, recipe('linear', model('a', `weight: ${w}`)), 'a'],
      [
        `linear with the other at weight 0, weight ${w}`,
        recipe('linear', model('b', 'weight: 0') + model('a', `weight: ${w}`)),
        'a',
      ],
      [
        `linear of three alike, weight ${w}`,
        recipe(
          'linear',
          model('a', `weight: ${w}`) + model('a', 'weight: 0.37') + model('a', 'weight: 0.11'),
        ),
        'a',
      ],
      [`multislerp of one, weight ${w}`, recipe('multislerp', model('a', `weight: ${w}`)), 'a'],
    ]),
    ...['true', 'false'].flatMap((flat): [string, string, string][] => [
      [
        `nuslerp at t = 0, flatten ${flat}`,
        recipe('nuslerp', model('a', 'weight: 0.7') + model('b', 'weight: 0'), `nuslerp_flatten: ${flat}`),
        'a',
      ],
      [
        `nuslerp at t = 1, flatten ${flat}`,
        recipe('nuslerp', model('b', 'weight: 0') + model('a', 'weight: 0.7'), `nuslerp_flatten: ${flat}`),
        'a',
      ],
    ]),
    ...TASK.flatMap((method): [string, string, string][] => {
      const some = method === 'task_arithmetic' ? '' : ', density: 0.5';
      const least = method === 'ties' ? ', min_keep: 1' : '';
      const two = model('a', `weight: 0.6${some}`) + model('b', `weight: 0.3${some}`);
      const none = model('a', `weight: 0${some}`) + model('b', `weight: 0${some}`);
      return [
        [`${method} with lambda = 0`, withBase(method, two, `lambda: 0${least}`), 'base'],
        [`${method} with weights of 0`, withBase(method, none, `normalize: true${least}`), 'base'],
        [`${method} of the base`, withBase(method, model('base', 'weight: 1')), 'base'],
      ];
    }),
    ...TASK.flatMap((method): [string, string, string][] => {
      const whole = method.startsWith('breadcrumbs') ? 'density: 1, gamma: 0' : 'density: 1';
      return [
        [`${method} of one at density 1`, withBase(method, model('a', `weight: 1, ${whole}`)), 'a'],
        [
          `${method} of one, normalised`,
          withBase(method, model('a', `weight: 0.4, ${whole}`), 'normalize: true'),
          'a',
        ],
      ];
    }),
    ...EXACT_TASK.map((method): [string, string, string] => {
      const whole = method === 'breadcrumbs' ? 'density: 1, gamma: 0' : 'density: 1';
      return [
        `${method} of a model added and taken away`,
        withBase(
          method,
          model('a', `weight: 1, ${whole}`) + model('a', `weight: -1, ${whole}`),
          'normalize: false',
        ),
        'base',
      ];
    }),
  ])('%s', (_, text, wanted) => expectModel(text, wanted));
});

describe('at density 1 the mask is whole', () => {
  it.each([
    ['dare_linear', 'task_arithmetic'],
    ['della_linear', 'task_arithmetic'],
    ['breadcrumbs', 'task_arithmetic'],
    ['dare_ties', 'ties'],
    ['della', 'ties'],
    ['breadcrumbs_ties', 'ties'],
  ])('%s is %s', async (method, plain) => {
    const merged = async (name: string, more: string): Promise<Buffer> => {
      const out = join(folder, 'out');
      const entries =
        model('a', `weight: 0.6, density: 1${more}`) + model('b', `weight: 0.3, density: 1${more}`);
      const text = withBase(name, entries, 'normalize: true, lambda: 0.8');
      await mergeRecipe(text, out, { baseFolder: folder, workers: 0, sync: false, overwrite: true });
      return readFileSync(join(out, 'model.safetensors'));
    };
    const more = method.startsWith('breadcrumbs') ? ', gamma: 0' : '';
    expect((await merged(method, more)).equals(await merged(plain, ''))).toBe(true);
  });
});
