import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeModel, type FlatModel, readModelBlobs } from '../../../src/tensor/safetensors/flat-model.js';
import { readModel, writeModel } from '../../../src/tensor/safetensors/flat-model.node.js';
import { f32, raw, writeModelFolder } from '../../merge/model-files.js';

const root = mkdtempSync(join(tmpdir(), 'heddle-flat-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const sharded = fileURLToPath(new URL('../../golden/safetensors/sharded', import.meta.url));

describe('a model in memory', () => {
  it('is written and read back with values, types, integers beyond float32, metadata and configuration', async () => {
    const big = new Uint8Array(BigInt64Array.of(2n ** 53n + 1n, -5n).buffer);
    const model: FlatModel = {
      tensors: new Map([
        ['w', { dtype: 'BF16', shape: [2, 2], values: Float32Array.of(1, -2, 1.00390625, 3.0e38) }],
        ['ids', { dtype: 'I64', shape: [2], values: Float32Array.of(0, 0), stored: big }],
        ['none', { dtype: 'F32', shape: [0], values: new Float32Array(0) }],
      ]),
      metadata: { origin: 'here' },
      config: { model_type: 'x', layers: [1, 2] },
    };
    const out = join(root, 'a');
    await writeModel(out, model);
    const read = await readModel(out);
    // 1.00390625 lies between two bfloat16 and goes to the even one.
    expect([...(read.tensors.get('w')?.values ?? [])].slice(0, 3)).toEqual([1, -2, 1]);
    expect(read.tensors.get('ids')?.stored).toEqual(big);
    expect(read.tensors.get('ids')?.values).toEqual(Float32Array.of(2 ** 53, -5));
    expect(read.tensors.get('none')?.shape).toEqual([0]);
    expect(read.metadata).toEqual({ format: 'pt', origin: 'here' });
    expect(read.config).toEqual(model.config);
    await writeModel(join(root, 'b'), read);
    expect(readFileSync(join(root, 'b', 'model.safetensors'))).toEqual(
      readFileSync(join(out, 'model.safetensors')),
    );
  });

  it('is the same from a page, and as bytes for a download', async () => {
    const out = join(root, 'c');
    const model = await readModel(sharded);
    await writeModel(out, model);
    const file = readFileSync(join(out, 'model.safetensors'));
    expect(Buffer.compare(await encodeModel(model), file)).toBe(0);
    const page = await readModelBlobs('dropped', new Blob([file]));
    expect(page.tensors).toEqual((await readModel(out)).tensors);
    for (const [name, { values }] of model.tensors) expect(page.tensors.get(name)?.values).toEqual(values);
  });

  it('with too few values is refused, and the folder stays empty', async () => {
    const out = join(root, 'd');
    const tensors = new Map([['w', { dtype: 'F32' as const, shape: [3], values: new Float32Array(2) }]]);
    await expect(writeModel(out, { tensors })).rejects.toMatchObject({ code: 'ERR_SHAPE_MISMATCH' });
    await expect(readModel(out)).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    await expect(encodeModel({ tensors })).rejects.toMatchObject({ code: 'ERR_SHAPE_MISMATCH' });
  });

  it('holds eight-bit weights as the values that they stand for', async () => {
    // Bytes of E4M3: 1, 2, -4 and 0.5; scaled by rows.
    const scaled = writeModelFolder(
      join(root, 'scaled'),
      { w: raw('F8_E4M3', [2, 2], [0x38, 0x40, 0xc8, 0x30]), w_scale: f32([2, 1], [3, 0.5]) },
      { 'config.json': { torch_dtype: 'float16', quantization_config: { quant_method: 'fp8' } } },
    );
    const { tensors, config } = await readModel(scaled);
    expect([...tensors]).toEqual([
      ['w', { dtype: 'F16', shape: [2, 2], values: Float32Array.of(3, 6, -2, 0.25) }],
    ]);
    expect(config).toEqual({ torch_dtype: 'float16' });
    const odd = writeModelFolder(join(root, 'odd'), {
      w: raw('F8_E4M3', [2, 2], [0, 0, 0, 0]),
      w_scale: f32([3], [1, 1, 1]),
    });
    await expect(readModel(odd)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED_DTYPE' });
    await expect(readModel(odd)).rejects.toThrow(/tensor w .*do not fit/);
  });
});
