import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { modelSha256 } from '../../src/tensor/safetensors/model-hash.js';
import { openModel } from '../../src/tensor/safetensors/reader.node.js';
import { readBytes, recipeOf, writeFamily, writeText } from '../merge/stream/fixtures.js';
import { errorOf, heddle, parsed, temporaryFolder } from './run-cli.js';

let folder = '';
let recipe = '';

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFamily(folder, 2, 3);
  recipe = await writeText(join(folder, 'ties.yml'), recipeOf('ties', 2));
});

describe('heddle merge', () => {
  it('writes a model and says what changed most', async () => {
    const out = join(folder, 'out');
    const { code, stdout } = await heddle(['merge', recipe, out]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/ties of tune1, tune2, base/);
    expect(stdout).toMatch(/changed most/);
    expect(stdout).toMatch(/layers\.1/);
    expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
  });

  it('prints its summary as one object, and gives the same bytes with other workers and memory', async () => {
    const out = join(folder, 'json');
    const result = await heddle(['merge', recipe, out, '--json', '--workers', '2', '--memory', '256MB']);
    expect(parsed(result)).toMatchObject({ method: 'ties', tensors: 3, workers: 2 });
    expect((await readBytes(out)).equals(await readBytes(join(folder, 'out')))).toBe(true);
  });

  it('names the inputs by their content under --hash-inputs', async () => {
    const out = join(folder, 'hashed');
    const { code } = await heddle(['merge', recipe, out, '--hash-inputs', '--quiet']);
    expect(code).toBe(0);
    const { models } = JSON.parse(await readFile(join(out, 'merge_report.json'), 'utf8'));
    const source = await openModel(join(folder, 'tune1'));
    expect(models[0]['model-sha256']).toBe(await modelSha256(source));
    await source.close();
  });

  it('prints the plan and writes nothing under --dry-run', async () => {
    const out = join(folder, 'dry');
    const { code, stdout } = await heddle(['merge', recipe, out, '--dry-run']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/to read/);
    expect(existsSync(out)).toBe(false);
  });

  it('refuses a folder that holds a model', async () => {
    const result = await heddle(['merge', recipe, join(folder, 'out'), '--json']);
    expect(errorOf(result)).toMatchObject({ code: 'ERR_OUTPUT_EXISTS', class: 'output_exists' });
    expect(result.code).toBe(2);
  });

  it('names a misspelt key and its place, with its class', async () => {
    const wrong = await writeText(join(folder, 'wrong.yml'), recipeOf('ties', 2, 'paramters: {lambda: 2}\n'));
    const result = await heddle(['merge', wrong, join(folder, 'wrong'), '--json']);
    const error = errorOf(result);
    expect(error).toMatchObject({ code: 'ERR_MERGE_UNKNOWN_KEY', class: 'unknown_key' });
    expect(error.hint).toContain('parameters');
    expect(result.code).toBe(2);
    expect(existsSync(join(folder, 'wrong'))).toBe(false);
  });

  it('says which memory would do', async () => {
    const result = await heddle(['merge', recipe, join(folder, 'tiny'), '--json', '--memory', '1MB']);
    expect(errorOf(result)).toMatchObject({ class: 'out_of_memory_budget' });
    expect(result.code).toBe(5);
  });

  it('needs a size that is one', async () => {
    const result = await heddle(['merge', recipe, join(folder, 'x'), '--json', '--memory', 'much']);
    expect(errorOf(result).message).toContain('512MB');
    expect(result.code).toBe(2);
  });

  it("takes mergekit-yaml's options, and says which change nothing", async () => {
    const out = join(folder, 'familiar');
    const familiar = [
      ...['--cuda', '--lazy-unpickle', '--low-cpu-memory', '--trust-remote-code', '--clone-tensors'],
      ...['--lora-merge-cache', '/nowhere', '--async-write', '--write-threads', '2', '--safe-serialization'],
      ...['--copy-tokenizer', '--no-write-model-card', '--random-seed', '7', '--num-threads', '1'],
      ...['--out-shard-size', '2K'],
    ];
    const { code, stderr } = await heddle(['merge', recipe, out, ...familiar]);
    expect(code).toBe(0);
    const notes = stderr.split('\n').filter((line) => line.startsWith('note '));
    expect(notes).toHaveLength(8);
    expect(notes[0]).toBe('note --cuda has no effect: everything is computed on the CPU');
    expect(existsSync(join(out, 'README.md'))).toBe(false);
    expect(existsSync(join(out, 'model-00003-of-00003.safetensors'))).toBe(true);
    expect(JSON.parse(await readFile(join(out, 'merge_report.json'), 'utf8'))).toMatchObject({
      seed: '7',
      timings: { workers: 1 },
    });
    const quiet = await heddle(['merge', recipe, out, '--overwrite', '--cuda', '--quiet']);
    expect(quiet.stderr).toBe('');
    expect(existsSync(join(out, 'README.md'))).toBe(true);
  });

  it('refuses what cannot be both, and what is never done', async () => {
    const both = await heddle(['merge', recipe, 'x', '--seed', '1', '--random-seed', '2', '--json']);
    expect(errorOf(both).message).toContain('--random-seed is 2');
    const pickled = await heddle(['merge', recipe, 'x', '--no-safe-serialization', '--json']);
    expect(errorOf(pickled).message).toContain('pickled');
    expect([both.code, pickled.code]).toEqual([2, 2]);
  });

  it('explains itself', async () => {
    const { stdout } = await heddle(['merge', '--help']);
    expect(stdout).toMatch(/Options of mergekit-yaml:\n +--copy-tokenizer/);
    expect(stdout).toMatch(/without effect:\n {2}--cuda/);
    expect(stdout).not.toMatch(/--gpu-rich {2}/);
  });
});
