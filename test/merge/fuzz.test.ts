// Random recipes end in a model that can be read, or in an error of a listed class that says how to mend it; nothing else, and no half model.
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HeddleError } from '../../src/errors.js';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { openModel } from '../../src/tensor/safetensors/reader.node.js';
import { f32, raw, writeModelFolder } from './model-files.js';
import { recipeText } from './recipe-grammar.js';

/** Listed in the specification of merging, and those that are more exact: of a recipe's text, a tokenizer, an adapter, files of measurements. */
const CLASSES = new Set(
  [
    'config_exclusive unknown_key unknown_method bad_parameter_setting missing_parameter bad_dtype bad_model_reference',
    'bad_layer_range slice_length_mismatch missing_base_model too_few_models too_many_models missing_tensor',
    'shape_mismatch vocab_mismatch unsupported_dtype epsilon_out_of_range empty_density zero_weight_sum',
    'nonfinite_input nonfinite_output antipodal_cancellation singular_interpolation',
    'unassigned_tensor bad_recipe bad_tokenizer bad_adapter missing_sidecar bad_sidecar stale_sidecar',
  ].flatMap((line) => line.split(' ')),
);
/** A long run: HEDDLE_FUZZ_RUNS=20000 HEDDLE_FUZZ_SEED=7. */
const RUNS = Number(process.env.HEDDLE_FUZZ_RUNS ?? 250);
const SEED = Number(process.env.HEDDLE_FUZZ_SEED ?? 5);

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-fuzz-'));
  const values = (n: number, seed: number): number[] =>
    Array.from({ length: n }, (_, i) => ((i * 37 + seed * 11) % 23) / 10 - 1);
  const tensors = (seed: number) => ({
    'h.0.w': f32([3, 4], values(12, seed)),
    'h.1.w': f32([3, 4], values(12, seed + 1)),
    norm: f32([5], values(5, seed)),
    one: f32([], [seed]),
  });
  for (const [seed, name] of ['base', 'a', 'b', 'c'].entries())
    writeModelFolder(join(folder, name), tensors(seed));
  writeModelFolder(join(folder, 'wide'), { ...tensors(5), norm: f32([6], values(6, 1)) });
  writeModelFolder(join(folder, 'lacks'), { norm: f32([5], values(5, 9)) });
  writeModelFolder(join(folder, 'ints'), { ...tensors(6), one: raw('I64', [], [1, 0, 0, 0, 0, 0, 0, 0]) });
  writeModelFolder(join(folder, 'half'), { ...tensors(7), norm: raw('F16', [5], new Array(10).fill(0x3c)) });
  const golden = fileURLToPath(new URL('../golden/merge/llama-slices-precedence/', import.meta.url));
  for (const [from, to] of [
    ['a', 'llama'],
    ['b', 'llama2'],
  ] as const)
    cpSync(join(golden, from), join(folder, to), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ends = new Map<string, number>();

it('random recipes end in a model or in a listed error', { timeout: 30_000 + 200 * RUNS }, async () => {
  await fc.assert(
    fc.asyncProperty(recipeText, fc.boolean(), async (text, strict) => {
      const out = join(folder, 'out');
      rmSync(out, { recursive: true, force: true });
      let end = 'merged';
      try {
        await mergeRecipe(text, out, {
          baseFolder: folder,
          strict,
          workers: 0,
          sync: false,
          backend: 'reference',
        });
        const model = await openModel(out);
        for (const info of model.tensors.values()) await model.readBytes(info, 0, info.size);
        await model.close();
      } catch (error) {
        if (!(error instanceof HeddleError)) throw error;
        end = error.code.replace(/^ERR_(MERGE_)?/, '').toLowerCase();
        expect(CLASSES, error.message).toContain(end);
        expect(error.hint.length).toBeGreaterThan(8);
        expect(error.problem).not.toMatch(/undefined|\[object|NaN at/);
        for (const file of ['model.safetensors', 'model.safetensors.index.json', '.heddle-partial'])
          expect(existsSync(join(out, file)), file).toBe(false);
      }
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }),
    { numRuns: RUNS, seed: SEED },
  );
  if (RUNS > 1000) console.log(Object.fromEntries([...ends].sort((a, b) => b[1] - a[1])));
  // The grammar is not so wild that nothing is reached.
  expect(ends.get('merged')).toBeGreaterThan(RUNS / 20);
  expect(ends.size).toBeGreaterThan(10);
});
