import { cpSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeModel } from '../../src/tensor/safetensors/flat-model.node.js';
import { f32, raw, writeModelFolder } from '../merge/model-files.js';
import { errorOf, heddle, parsed, root, temporaryFolder } from './run-cli.js';

const sharded = join(root, 'test/golden/safetensors/sharded');
const folder = await temporaryFolder();
const a = join(folder, 'a');
const b = join(folder, 'b');

beforeAll(async () => {
  const values = (...numbers: number[]) => Float32Array.from(numbers);
  await writeModel(a, {
    tensors: new Map([
      ['layers.0.w', { dtype: 'F32', shape: [2, 2], values: values(3, 0, 0, -4) }],
      ['layers.1.w', { dtype: 'BF16', shape: [3], values: values(1, Number.NaN, Number.POSITIVE_INFINITY) }],
      ['same', { dtype: 'F16', shape: [], values: values(7) }],
      ['wide', { dtype: 'F32', shape: [2], values: values(1, 1) }],
      ['gone', { dtype: 'F32', shape: [1], values: values(1) }],
    ]),
    metadata: { someKey: 'F32 value' },
  });
  await writeModel(b, {
    tensors: new Map([
      ['layers.0.w', { dtype: 'F32', shape: [2, 2], values: values(3, 0, 1, -4) }],
      ['layers.1.w', { dtype: 'BF16', shape: [3], values: values(1, Number.NaN, Number.POSITIVE_INFINITY) }],
      ['same', { dtype: 'F32', shape: [], values: values(7) }],
      ['wide', { dtype: 'F32', shape: [1, 2], values: values(1, 1) }],
      ['new\u001b[31m', { dtype: 'F32', shape: [1], values: values(1) }],
    ]),
  });
});

describe('heddle inspect', () => {
  it('gives every tensor with its norm, and counts what is not finite', async () => {
    const result = await heddle(['inspect', a, '--json']);
    expect(result.code).toBe(0);
    const { tensors, totals, metadata } = parsed(result) as unknown as {
      tensors: { name: string }[];
      totals: object;
      metadata: object;
    };
    const named = Object.fromEntries(tensors.map((tensor) => [tensor.name, tensor]));
    expect(named['layers.0.w']).toMatchObject({
      dtype: 'F32',
      shape: [2, 2],
      norm: 5,
      min: -4,
      max: 3,
      zeros: 2,
      nans: 0,
    });
    expect(named['layers.1.w']).toMatchObject({ dtype: 'BF16', norm: 1, nans: 1, infinities: 1, bytes: 6 });
    expect(named.same).toMatchObject({ shape: [], parameters: 1, norm: 7 });
    expect(totals).toMatchObject({ tensors: 5, parameters: 11, nans: 1, infinities: 1 });
    expect(totals).toHaveProperty('dtypes', [
      { dtype: 'F32', parameters: 7 },
      { dtype: 'BF16', parameters: 3 },
      { dtype: 'F16', parameters: 1 },
    ]);
    expect(metadata).toContainEqual({ key: 'someKey', value: 'F32 value' });
  });

  it('prints a table for people, with totals and warnings about values', async () => {
    const { stdout, code } = await heddle(['inspect', a]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/layers\.0\.w +F32 +2 x 2 +5 /);
    expect(stdout).toMatch(/same +F16 +scalar/);
    expect(stdout).toContain('5 tensors, 11 parameters');
    expect(stdout).toContain('2 values not finite');
  });

  it('reads headers only where values are not wanted, and only the tensors asked for', async () => {
    const result = await heddle(['inspect', sharded, '--no-values', '--filter', '*layers.*.mlp.*', '--json']);
    const { tensors, files } = parsed(result) as unknown as {
      tensors: { name: string; norm?: number }[];
      files: object[];
    };
    expect(tensors).toHaveLength(9);
    expect(tensors.every(({ name, norm }) => name.includes('.mlp.') && norm === undefined)).toBe(true);
    expect(files).toHaveLength(2);
  });

  it('names what is wrong with a model', async () => {
    const cut = join(folder, 'cut');
    cpSync(a, cut, { recursive: true });
    truncateSync(join(cut, 'model.safetensors'), 500);
    const damaged = await heddle(['inspect', cut, '--json']);
    expect(damaged.code).toBe(3);
    expect(errorOf(damaged).code).toBe('ERR_INCOMPLETE_BUFFER');
    expect(errorOf(damaged).message).toContain(join(cut, 'model.safetensors'));
    const missing = await heddle(['inspect', join(folder, 'nowhere'), '--json']);
    expect(missing.code).toBe(3);
    expect(errorOf(missing).code).toBe('ERR_MODEL_NOT_FOUND');
    const nothing = await heddle(['inspect', a, '--filter', 'zzz', '--json']);
    expect(nothing.code).toBe(2);
    expect(errorOf(nothing).hint).toContain('look like gone');
  });
});

describe('eight-bit weights with scales', () => {
  it('are inspected and compared as the values that they stand for', async () => {
    // Bytes of E4M3: 1, 2, -4 and 0.5; scaled by rows.
    const bytes = [0x38, 0x40, 0xc8, 0x30];
    const scaled = writeModelFolder(join(folder, 'scaled'), {
      w: raw('F8_E4M3', [2, 2], bytes),
      w_scale: f32([2, 1], [3, 0.5]),
    });
    const floats = writeModelFolder(join(folder, 'floats'), { w: f32([2, 2], [3, 6, -2, 0.25]) });
    const { tensors } = parsed(await heddle(['inspect', scaled, '--json'])) as { tensors?: unknown };
    expect(tensors).toMatchObject([
      { name: 'w', dtype: 'F8_E4M3', scale: { name: 'w_scale', block: [1, 2] }, min: -2, max: 6 },
      { name: 'w_scale', dtype: 'F32' },
    ]);
    expect((await heddle(['inspect', scaled])).stdout).toMatch(/w +F8_E4M3 scaled by 1 x 2/);
    const compared = parsed(await heddle(['diff', scaled, floats, '--filter', 'w', '--json']));
    expect(compared.tensors).toMatchObject([
      { name: 'w', status: 'same', identical: false },
      { status: 'only-in-a' },
    ]);
  });
});

describe('heddle diff', () => {
  it('says of every tensor how it differs', async () => {
    const result = await heddle(['diff', a, b, '--json']);
    expect(result.code).toBe(0);
    const { tensors, totals } = parsed(result) as unknown as { tensors: { name: string }[]; totals: object };
    const named = Object.fromEntries(tensors.map((tensor) => [tensor.name, tensor]));
    expect(named['layers.0.w']).toMatchObject({
      status: 'different',
      different: 1,
      'max-absolute': 1,
      'max-relative': 1,
      'norm-a': 5,
      'norm-delta': 1,
      cosine: 25 / (5 * Math.sqrt(26)),
    });
    expect(named['layers.1.w']).toMatchObject({ status: 'same', identical: true, 'non-finite': 2 });
    expect(named.same).toMatchObject({
      status: 'same',
      identical: false,
      'dtype-a': 'F16',
      'dtype-b': 'F32',
    });
    expect(named.wide).toMatchObject({ status: 'shapes-differ', 'shape-a': [2], 'shape-b': [1, 2] });
    expect(named.gone).toMatchObject({ status: 'only-in-a' });
    expect(totals).toEqual({
      same: 2,
      different: 1,
      'shapes-differ': 1,
      'only-in-a': 1,
      'only-in-b': 1,
      'max-absolute': 1,
      'norm-a': Math.sqrt(25 + 1 + 49),
      'norm-delta': 1,
      'non-finite': 2,
    });
  });

  it('prints only what differs, without letting a name steer the terminal', async () => {
    const { stdout } = await heddle(['diff', a, b]);
    expect(stdout).toMatch(/layers\.0\.w +F32 +2 x 2 +1 +1 +1 +20\.00 %/);
    expect(stdout).not.toContain('layers.1.w');
    expect(stdout).toContain('wide: 2 in a, 1 x 2 in b');
    expect(stdout).toContain('gone: only in a');
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toContain('2 tensors same, 1 different, 1 of other shape, 1 only in a, 1 only in b');
    expect((await heddle(['diff', a, b, '--all'])).stdout).toContain('layers.1.w');
  });

  it('of a model with itself is nothing', async () => {
    const { stdout } = await heddle(['diff', sharded, sharded]);
    expect(stdout.trim()).toBe('30 tensors same, 0 different');
  });
});
