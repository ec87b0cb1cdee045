import { cpSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeModel } from '../../src/tensor/safetensors/flat-model.node.js';
import { f32, raw, writeModelFolder } from '../merge/model-files.js';
import { wide } from '../tensor/safetensors/stored-tensors.js';
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
    expect(stdout).toMatch(/layers\.0\.w +F32 +2 x 2 +1 +1 +1 +1 +20\.00 %/);
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

describe('values of 64 bits', () => {
  const wideA = join(folder, 'wide-a');
  const wideB = join(folder, 'wide-b');

  beforeAll(() => {
    const two53 = 2n ** 53n;
    writeModelFolder(wideA, {
      huge: wide('F64', Float64Array.of(3e200, 0, -0.1)),
      'huge.too': wide('F64', Float64Array.of(-4e200, 1e-300)),
      long: wide('I64', BigInt64Array.of(two53, -(2n ** 62n) + 1n, 5n)),
      mixed: wide('I64', BigInt64Array.of(two53 + 1n, two53)),
      packed: wide('U16', Uint16Array.of(1, 2)),
      zero: wide('F64', Float64Array.of(0, Number.NaN, 1)),
    });
    const zero = Float64Array.of(-0, Number.NaN, 1);
    new BigUint64Array(zero.buffer)[1] = 0x7ff8_0000_0000_0001n;
    writeModelFolder(wideB, {
      huge: wide('F64', Float64Array.of(6e200, 0, -0.1)),
      'huge.too': wide('F64', Float64Array.of(-8e200, 1e-300)),
      long: wide('I64', BigInt64Array.of(two53 + 1n, -(2n ** 62n), 5n)),
      mixed: wide('F64', Float64Array.of(2 ** 53, 2 ** 53)),
      packed: wide('U16', Uint16Array.of(1, 3)),
      zero: wide('F64', zero),
    });
  });

  it('are inspected with norms whose squares are beyond float64, and so are their totals', async () => {
    const { tensors, totals } = parsed(
      await heddle(['inspect', wideA, '--filter', 'huge*', '--json']),
    ) as unknown as { tensors: object[]; totals: { norm: number } };
    expect(tensors).toMatchObject([
      { name: 'huge', dtype: 'F64', norm: 3e200, mean: 1e200, min: -0.1, max: 3e200 },
      { name: 'huge.too', norm: 4e200, mean: -2e200, min: -4e200, max: 1e-300 },
    ]);
    expect(totals.norm).toBeCloseTo(5e200, -190);
    const long = parsed(await heddle(['inspect', wideA, '--filter', 'long', '--json']));
    expect(long.tensors).toMatchObject([{ dtype: 'I64', min: -(2 ** 62), max: 2 ** 53, zeros: 0, nans: 0 }]);
  });

  it('are compared exactly, by value and by bits', async () => {
    const { tensors, totals } = parsed(await heddle(['diff', wideA, wideB, '--json'])) as unknown as {
      tensors: { name: string }[];
      totals: Record<string, number>;
    };
    const named = Object.fromEntries(tensors.map((tensor) => [tensor.name, tensor]));
    expect(named.huge).toMatchObject({
      status: 'different',
      different: 1,
      'different-bits': 1,
      'max-relative': 0.5,
      'norm-delta': 3e200,
      cosine: 1,
    });
    expect(named.long).toMatchObject({ different: 2, 'max-absolute': 1, 'norm-delta': Math.SQRT2 });
    expect(named.mixed).toMatchObject({ status: 'different', different: 1, 'max-absolute': 1 });
    expect(named.mixed).not.toHaveProperty('different-bits');
    expect(named.packed).toMatchObject({ status: 'different', identical: false, 'different-bits': 1 });
    expect(named.packed).not.toHaveProperty('different');
    expect(named.zero).toMatchObject({
      status: 'different',
      different: 0,
      'different-bits': 2,
      'non-finite': 1,
    });
    expect(totals['norm-delta']).toBeCloseTo(5e200, -190);
    expect(totals['norm-a']).toBeCloseTo(5e200, -190);
    expect(totals).toMatchObject({ same: 0, different: 6, 'max-absolute': 4e200 });
  });

  it('are the same as themselves, and as a type that holds them', async () => {
    expect((await heddle(['diff', wideA, wideA])).stdout.trim()).toBe('6 tensors same, 0 different');
    const [ints, floats] = [join(folder, 'ints'), join(folder, 'int-floats')];
    writeModelFolder(ints, { t: wide('I64', BigInt64Array.of(2n ** 60n, -3n)) });
    writeModelFolder(floats, { t: wide('F64', Float64Array.of(2 ** 60, -3)) });
    const { tensors } = parsed(await heddle(['diff', ints, floats, '--json'])) as { tensors?: unknown };
    expect(tensors).toMatchObject([{ status: 'same', identical: false, different: 0, 'dtype-b': 'F64' }]);
  });

  it('have figures that stay below their headings', async () => {
    const { stdout } = await heddle(['diff', wideA, wideB]);
    const [head, ...rest] = stdout.split('\n');
    const rows = rest.slice(0, rest.indexOf(''));
    expect(rows).toHaveLength(6);
    // Numbers end where their heading does, and two spaces part them from the next.
    for (const title of ['differ', 'max |b-a|', 'max rel', ' |b-a|', 'of |a|', 'cosine', 'not finite']) {
      const end = head.lastIndexOf(title) + title.length;
      for (const row of rows) expect(row.slice(end - 1, end + 2)).toMatch(/^\S( {2}|$)/);
    }
    expect(stdout).toMatch(/^huge +F64 +3 +1 +3\.00e\+200 +0\.5 +3\.00e\+200 +100\.00 % +1 +0$/m);
    expect(stdout).toMatch(/^long +I64 +3 +2 +1 +1\.11e−16 +1\.41 +< 0\.01 % +1 +0$/m);
    expect(stdout).toContain('! zero: 2 elements differ in bits alone');
    expect(stdout).toContain('! packed: 1 element differs, of a type whose values are not read');
    expect(stdout).toContain('norm of all 5.00e+200 (100.00 % of a)');
  });
});
