import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { planRecipe } from '../../src/merge/plan-recipe.node.js';
import { createScaler, findScales } from '../../src/tensor/safetensors/scales.js';
import {
  f32,
  type RawTensor,
  raw,
  readJson,
  readTensors,
  valuesOf,
  writeModelFolder,
} from './model-files.js';
import { temporaryFolder, uniform } from './stream/fixtures.js';

const folder = await temporaryFolder();

/** Value of an E4M3 byte by the table of the OCP specification: S EEEE MMM, bias 7. */
function e4m3(byte: number): number {
  const sign = byte & 0x80 ? -1 : 1;
  const exponent = (byte >> 3) & 15;
  const mantissa = byte & 7;
  return sign * (exponent === 0 ? 2 ** -6 * (mantissa / 8) : 2 ** (exponent - 7) * (1 + mantissa / 8));
}

/** Finite E4M3 bytes, fixed by the seed. */
const codes = (count: number, seed: number): number[] =>
  Array.from(uniform(count, seed), (u) => {
    const byte = Math.floor((u + 0.5) * 256);
    return (byte & 0x7f) === 0x7f ? 0 : byte;
  });

const config = (more: object = {}) => ({ architectures: ['OwnModel'], torch_dtype: 'bfloat16', ...more });
const NAME = 'h.0.w.weight';

/** Nearest bfloat16, ties to even. */
function bf16(value: number): number {
  const words = new Uint32Array(new Float32Array([value]).buffer);
  words[0] = (words[0] + 0x7fff + ((words[0] >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(words.buffer)[0];
}

const other = Array.from(uniform(200 * 300, 5));
const plain = writeModelFolder(
  join(folder, 'plain'),
  { [NAME]: f32([200, 300], other) },
  { 'config.json': config() },
);

/** Scales of blocks by (row, column), as the layout says them. */
const layouts: Record<
  string,
  { shape: number[]; suffix: string; config?: object; at(i: number, j: number): number }
> = {
  'one scale': { shape: [], suffix: '_scale', at: () => 0 },
  'a scale a row': { shape: [200, 1], suffix: '_scale', at: (i) => i },
  'a scale a row in a vector': { shape: [200], suffix: '_scale', at: (i) => i },
  'blocks of 128 x 128': {
    shape: [2, 3],
    suffix: '_scale_inv',
    at: (i, j) => Math.floor(i / 128) * 3 + Math.floor(j / 128),
  },
  'blocks that the configuration names': {
    shape: [4, 5],
    suffix: '_scale_inv',
    config: { quantization_config: { quant_method: 'fp8', weight_block_size: [64, 64] } },
    at: (i, j) => Math.floor(i / 64) * 5 + Math.floor(j / 64),
  },
};

describe('eight-bit weights with scales', () => {
  for (const [name, layout] of Object.entries(layouts))
    it(`are merged as what they stand for: ${name}`, async () => {
      const bytes = codes(200 * 300, 3);
      const count = layout.shape.reduce((a, b) => a * b, 1);
      const scales = Array.from(uniform(count, 8), (u) => Math.fround(0.01 * (u + 1)));
      const model = writeModelFolder(
        join(folder, name),
        {
          [NAME]: raw('F8_E4M3', [200, 300], bytes),
          [`${NAME}${layout.suffix}`]: f32(layout.shape, scales),
          'h.0.w.input_scale': f32([], [3]),
        },
        { 'config.json': config(layout.config) },
      );
      const out = join(folder, `${name} out`);
      const recipe = `merge_method: linear\nmodels:\n  - {model: ${JSON.stringify(model)}, parameters: {weight: 0.25}}\n  - {model: ${plain}, parameters: {weight: 0.75}}\ndtype: float32\n`;
      const { warnings } = await mergeRecipe(recipe, out, { workers: 0 });
      expect(warnings.join()).toMatch(/1 eight-bit tensors are read with their scales/);
      const tensors = readTensors(out);
      expect([...tensors.keys()]).toEqual([NAME]);
      const got = valuesOf(tensors.get(NAME) as RawTensor);
      const want = other.map((value, at) => {
        const scale = scales[layout.at(Math.floor(at / 300), at % 300)];
        return 0.25 * Math.fround(e4m3(bytes[at]) * scale) + 0.75 * value;
      });
      // One rounding to float32 of the sum.
      expect(got.every((value, i) => Math.abs(value - want[i]) <= 2 ** -24 * Math.abs(want[i]) + 1e-12)).toBe(
        true,
      );
      expect(readJson(out, 'config.json')).not.toHaveProperty('quantization_config');
    });

  it('are stored in the type of the configuration when the recipe names none', async () => {
    const bytes = codes(6, 1);
    const model = writeModelFolder(
      join(folder, 'untyped'),
      { [NAME]: raw('F8_E4M3', [2, 3], bytes), [`${NAME}_scale`]: f32([1], [0.3]) },
      { 'config.json': config() },
    );
    const out = join(folder, 'untyped out');
    await mergeRecipe(`merge_method: linear\nmodels: [{model: ${model}, parameters: {weight: 1}}]\n`, out);
    const tensor = readTensors(out).get(NAME) as RawTensor;
    expect(tensor.dtype).toBe('BF16');
    expect(valuesOf(tensor)).toEqual(bytes.map((byte) => bf16(Math.fround(e4m3(byte) * Math.fround(0.3)))));
  });

  it('stay as they are, scales and all, where a recipe only copies', async () => {
    const tensors = {
      [NAME]: raw('F8_E4M3', [2, 3], codes(6, 1)),
      [`${NAME}_scale`]: f32([1], [0.3]),
    };
    const quantization_config = { quant_method: 'fp8' };
    const model = writeModelFolder(join(folder, 'copy'), tensors, {
      'config.json': config({ quantization_config }),
    });
    const out = join(folder, 'copy out');
    await mergeRecipe(`merge_method: passthrough\nmodels: [{model: ${model}}]\n`, out);
    expect(Object.fromEntries(readTensors(out))).toEqual(tensors);
    expect(readJson(out, 'config.json')).toMatchObject({ quantization_config });
    // With a scale of its own, passthrough computes.
    const half = join(folder, 'half out');
    await mergeRecipe(
      `merge_method: passthrough\nmodels: [{model: ${model}}]\nparameters: {scale: 0.5}\n`,
      half,
    );
    expect([...readTensors(half)].map(([name, { dtype }]) => [name, dtype])).toEqual([[NAME, 'BF16']]);
  });

  it('are refused where the scales do not fit or have zero points', async () => {
    for (const [name, more, message] of [
      ['misfit', { [`${NAME}_scale`]: f32([3], [1, 2, 3]) }, /\[3\] do not fit its shape \[2,3\]/],
      [
        'zero',
        { [`${NAME}_scale`]: f32([1], [1]), [`${NAME}_zero_point`]: raw('I8', [1], [0]) },
        /zero point/,
      ],
    ] as const) {
      const model = writeModelFolder(join(folder, name), {
        [NAME]: raw('I8', [2, 3], [1, 2, 3, 4, 5, 6]),
        ...more,
      });
      const recipe = `merge_method: linear\nmodels: [{model: ${model}, parameters: {weight: 1}}]\n`;
      await expect(planRecipe(recipe)).rejects.toMatchObject({ className: 'unsupported_dtype', model });
      await expect(planRecipe(recipe)).rejects.toThrow(message);
    }
  });

  it('scale any range alike', () => {
    const scales = Float32Array.from({ length: 6 }, (_, i) => i + 1);
    const scaler = createScaler(scales, [5, 7], [2, 4]);
    const whole = new Float32Array(35).fill(1);
    scaler(whole, 0);
    expect(
      whole.map((_, at) => scales[Math.floor(Math.floor(at / 7) / 2) * 2 + Math.floor((at % 7) / 4)]),
    ).toEqual(whole);
    for (let begin = 0; begin < 35; begin++) {
      const part = new Float32Array(Math.min(11, 35 - begin)).fill(1);
      scaler(part, begin);
      expect(part).toEqual(whole.subarray(begin, begin + part.length));
    }
  });

  it('are none without scales beside them, and none of other types', () => {
    const tensors = new Map([
      ['a', { dtype: 'F8_E4M3', shape: [2, 2] }],
      ['b', { dtype: 'F16', shape: [2, 2] }],
      ['b_scale', { dtype: 'F32', shape: [] }],
    ] as const);
    expect(findScales(tensors, 'a')).toBeUndefined();
    expect(findScales(tensors, 'b')).toBeUndefined();
  });
});

describe('packed weights', () => {
  const formats = {
    GPTQ: {
      tensors: { 'h.0.q.qweight': raw('I32', [1], [0, 0, 0, 0]), 'h.0.q.scales': raw('F16', [1], [0, 60]) },
      config: config({ quantization_config: { quant_method: 'gptq' } }),
    },
    AWQ: {
      tensors: {
        'h.0.q.qweight': raw('I32', [1], [0, 0, 0, 0]),
        'h.0.q.qzeros': raw('I32', [1], [0, 0, 0, 0]),
      },
      config: config({ quantization_config: { quant_method: 'awq' } }),
    },
    bitsandbytes: {
      tensors: { 'h.0.q.weight': raw('U8', [2, 1], [1, 2]), 'h.0.q.weight.absmax': f32([1], [1]) },
      config: config(),
    },
    MXFP4: {
      tensors: {
        'h.0.down_proj_blocks': raw('U8', [2], [1, 2]),
        'h.0.down_proj_scales': raw('U8', [1], [127]),
      },
      config: config(),
    },
    'F8_E8M0 values': { tensors: { 'h.0.q.odd': raw('F8_E8M0', [2], [1, 2]) }, config: config() },
  };
  for (const [format, made] of Object.entries(formats))
    it(`of ${format} are refused by name, and copied byte for byte by passthrough`, async () => {
      const model = writeModelFolder(join(folder, `packed ${format}`), made.tensors, {
        'config.json': made.config,
      });
      const entry = `{model: ${JSON.stringify(model)}}`;
      const linear = planRecipe(`merge_method: linear\nmodels: [${entry}]\nparameters: {weight: 1}\n`);
      await expect(linear).rejects.toMatchObject({
        code: 'ERR_MERGE_UNSUPPORTED_DTYPE',
        model,
        tensor: expect.stringMatching(/^h\.0\./),
      });
      await expect(linear).rejects.toThrow(format);
      await expect(linear).rejects.toThrow(/passthrough/);
      const out = join(folder, `packed ${format} out`);
      await mergeRecipe(`merge_method: passthrough\nmodels: [${entry}]\n`, out);
      expect(Object.fromEntries(readTensors(out))).toEqual(made.tensors);
    });

  it('of a Llama-like model are refused before its tensors are missed', async () => {
    const model = writeModelFolder(
      join(folder, 'gptq llama'),
      {
        'model.embed_tokens.weight': f32([4, 2], new Float32Array(8)),
        'model.layers.0.self_attn.q_proj.qweight': raw('I32', [1], [0, 0, 0, 0]),
      },
      { 'config.json': { architectures: ['LlamaForCausalLM'], num_hidden_layers: 1 } },
    );
    await expect(
      planRecipe(`merge_method: linear\nmodels: [{model: ${model}, parameters: {weight: 1}}]\n`),
    ).rejects.toThrow(/GPTQ or AWQ/);
  });
});
