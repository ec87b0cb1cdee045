/** Recipes as people write them, on small Llama-shaped models, against formulas in float64 that are written out here. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { f32, type RawTensor, readJson, readTensors, valuesOf, writeModelFolder } from './model-files.js';
import { temporaryFolder, uniform, writeText } from './stream/fixtures.js';

const folder = await temporaryFolder();
const [HIDDEN, INNER, VOCAB, LAYERS] = [8, 12, 10, 4];

const LAYER: Readonly<Record<string, readonly number[]>> = {
  'input_layernorm.weight': [HIDDEN],
  'self_attn.q_proj.weight': [HIDDEN, HIDDEN],
  'self_attn.k_proj.weight': [4, HIDDEN],
  'self_attn.v_proj.weight': [4, HIDDEN],
  'self_attn.o_proj.weight': [HIDDEN, HIDDEN],
  'post_attention_layernorm.weight': [HIDDEN],
  'mlp.gate_proj.weight': [INNER, HIDDEN],
  'mlp.up_proj.weight': [INNER, HIDDEN],
  'mlp.down_proj.weight': [HIDDEN, INNER],
};
const SHAPES = new Map<string, readonly number[]>([
  ['model.embed_tokens.weight', [VOCAB, HIDDEN]],
  ...Array.from({ length: LAYERS }, (_, layer) =>
    Object.entries(LAYER).map(([name, shape]) => [`model.layers.${layer}.${name}`, shape] as const),
  ).flat(),
  ['model.norm.weight', [HIDDEN]],
  ['lm_head.weight', [VOCAB, HIDDEN]],
]);

type Model = ReadonlyMap<string, Float32Array>;

/** A model, or one tuned from another. */
function make(name: string, seed: number, from?: Model): Model {
  const values = new Map(
    [...SHAPES].map(([tensor, shape], t) => {
      const noise = uniform(
        shape.reduce((a, b) => a * b, 1),
        1000 * seed + t,
      );
      const before = from?.get(tensor);
      return [tensor, before === undefined ? noise : noise.map((x, i) => before[i] + 0.1 * x)] as const;
    }),
  );
  writeModelFolder(
    join(folder, name),
    Object.fromEntries([...values].map(([tensor, x]) => [tensor, f32(SHAPES.get(tensor) ?? [], x)])),
    { 'config.json': { architectures: ['LlamaForCausalLM'], num_hidden_layers: LAYERS, vocab_size: VOCAB } },
  );
  return values;
}
const base = make('base', 1);
const chat = make('chat', 2, base);
const code = make('code', 3, base);
const maths = make('maths', 4, base);

/** Merges and gives values by tensor as float64; every output is checked by the caller. */
async function merged(
  recipe: string,
  name: string,
): Promise<{ values: Map<string, number[]>; config: Record<string, unknown> }> {
  const path = await writeText(join(folder, `${name}.yaml`), recipe);
  const out = join(folder, `${name} out`);
  await mergeRecipe(path, out, { workers: 0 });
  const tensors = [...readTensors(out)].map(([tensor, stored]) => [tensor, valuesOf(stored)] as const);
  return { values: new Map(tensors), config: readJson(out, 'config.json') };
}

const of = (model: Model, tensor: string): number[] => Array.from(model.get(tensor) as Float32Array);
const layerOf = (tensor: string): number | undefined => {
  const layer = /layers\.(\d+)\./.exec(tensor)?.[1];
  return layer === undefined ? undefined : Number(layer);
};

/** Interpolates a list over the layers; what is before and behind them has the first element. */
function gradient(list: readonly number[], tensor: string, layers = LAYERS): number {
  const p = ((layerOf(tensor) ?? 0) / (layers - 1)) * (list.length - 1);
  const i = Math.min(Math.floor(p), list.length - 2);
  return list.length === 1 ? list[0] : list[i] * (1 - (p - i)) + list[i + 1] * (p - i);
}

function expectTensor(
  got: readonly number[] | undefined,
  want: readonly number[],
  tensor: string,
  tolerance = 1e-6,
): void {
  expect(got?.length, tensor).toBe(want.length);
  const worst = Math.max(...want.map((x, i) => Math.abs(x - (got?.[i] ?? Number.NaN))));
  expect(worst, tensor).toBeLessThanOrEqual(tolerance);
}

const dot = (x: readonly number[], y: readonly number[]): number =>
  x.reduce((sum, v, i) => sum + v * y[i], 0);

describe('typical recipes', () => {
  it('slerp with gradients by filter', async () => {
    const attention = [0, 0.5, 0.3, 0.7, 1];
    const mlp = [1, 0.5, 0.7, 0.3, 0];
    const { values } = await merged(
      `slices:
  - sources:
      - model: base
        layer_range: [0, ${LAYERS}]
      - model: chat
        layer_range: [0, ${LAYERS}]
merge_method: slerp
base_model: base
parameters:
  t:
    - filter: self_attn
      value: [${attention}]
    - filter: mlp
      value: [${mlp}]
    - value: 0.5
dtype: float32
`,
      'slerp',
    );
    expect([...values.keys()].sort()).toEqual([...SHAPES.keys()].sort());
    for (const [tensor, got] of values) {
      const list = tensor.includes('self_attn') ? attention : tensor.includes('mlp') ? mlp : [0.5];
      const t = gradient(list, tensor);
      const [a, b] = [of(base, tensor), of(chat, tensor)];
      const cosine = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
      const angle = Math.acos(cosine);
      const [x, y] =
        cosine > 0.9995
          ? [1 - t, t]
          : [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
      expectTensor(
        got,
        a.map((v, i) => x * v + y * b[i]),
        tensor,
      );
    }
  });

  it('ties of three models with a density gradient, stored as bfloat16', async () => {
    const { values, config } = await merged(
      `models:
  - model: base
  - model: chat
    parameters:
      density: [1, 0.7, 0.1]
      weight: 1.0
  - model: code
    parameters:
      density: 0.5
      weight: [0, 0.3, 0.7, 1]
  - model: maths
    parameters:
      density: 0.33
      weight:
        - filter: mlp
          value: 0.5
        - value: 0
merge_method: ties
base_model: base
parameters:
  normalize: true
  int8_mask: true
  min_keep: 1        # a tenth of a small tensor is nothing
dtype: float32
out_dtype: bfloat16
`,
      'ties',
    );
    expect(config.torch_dtype).toBe('bfloat16');
    for (const [tensor, got] of values) {
      const b = of(base, tensor);
      const tuned = [
        { model: chat, density: gradient([1, 0.7, 0.1], tensor), weight: 1 },
        { model: code, density: 0.5, weight: gradient([0, 0.3, 0.7, 1], tensor) },
        { model: maths, density: 0.33, weight: tensor.includes('mlp') ? 0.5 : 0 },
      ];
      const vectors = tuned.map(({ model, density, weight }) => {
        const d = of(model, tensor).map((x, i) => x - b[i]);
        const kept = d
          .map((x, i) => [Math.abs(Math.fround(x)), i] as const)
          .sort(([x, i], [y, j]) => y - x || i - j)
          .slice(0, density >= 1 ? d.length : Math.max(1, Math.trunc(density * d.length)))
          .map(([, i]) => i);
        const keeps = new Set(kept);
        return { weight, e: d.map((x, i) => (keeps.has(i) ? weight * x : 0)) };
      });
      const want = b.map((x, i) => {
        const sign = vectors.reduce((sum, { e }) => sum + e[i], 0) >= 0 ? 1 : -1;
        const agreeing = vectors.filter(({ e }) => Math.sign(e[i]) === sign);
        const divisor = agreeing.reduce((sum, { weight }) => sum + weight, 0) || 1;
        return x + agreeing.reduce((sum, { e }) => sum + e[i], 0) / divisor;
      });
      // Half a unit in the last of eight bits, of values below 2.
      expectTensor(got, want, tensor, 2 ** -8);
    }
  });

  it('a frankenmerge of layer ranges', async () => {
    const { values, config } = await merged(
      `slices:
  - sources:
      - model: chat
        layer_range: [0, 3]
  - sources:
      - model: code
        layer_range: [1, 4]
merge_method: passthrough
dtype: float32
`,
      'franken',
    );
    expect(config.num_hidden_layers).toBe(6);
    expect(values.size).toBe(3 + 6 * Object.keys(LAYER).length);
    for (const [tensor, got] of values) {
      const layer = layerOf(tensor);
      const [model, source] =
        layer === undefined
          ? [tensor.startsWith('model.embed') ? chat : code, tensor]
          : layer < 3
            ? [chat, tensor]
            : [code, tensor.replace(`layers.${layer}.`, `layers.${layer - 2}.`)];
      expect(got).toEqual(of(model, source));
    }
  });

  it('dare_ties with a density gradient', async () => {
    const { values } = await merged(
      `models:
  - model: base
  - model: chat
    parameters: {density: [1, 0.5], weight: 0.6}
  - model: code
    parameters: {density: [1, 0.5], weight: 0.3}
merge_method: dare_ties
base_model: base
parameters: {rescale: false}
dtype: float32
`,
      'dare',
    );
    let dropped = 0;
    let elements = 0;
    for (const [tensor, got] of values) {
      const b = of(base, tensor);
      const e = [chat, code].map((model, k) =>
        of(model, tensor).map((x, i) => (k === 0 ? 0.6 : 0.3) * (x - b[i])),
      );
      // What an element may be by which of the two are kept; of both only those that agree with the sign of the sum.
      const agreeing = b.map((_, i) => {
        const sign = e[0][i] + e[1][i] >= 0 ? 1 : -1;
        return [e[0][i], e[1][i]].filter((x) => Math.sign(x) === sign).reduce((sum, x) => sum + x, 0);
      });
      if (gradient([1, 0.5], tensor) === 1) {
        expectTensor(
          got,
          b.map((x, i) => x + agreeing[i]),
          tensor,
        );
        continue;
      }
      got.forEach((value, i) => {
        const choices = [0, e[0][i], e[1][i], agreeing[i]];
        const nearest = Math.min(...choices.map((choice) => Math.abs(b[i] + choice - value)));
        expect(nearest, `${tensor} ${i}`).toBeLessThanOrEqual(1e-6);
        elements++;
        if (Math.abs(value - b[i]) < 1e-9) dropped++;
      });
    }
    // Densities 5/6, 2/3 and 1/2: both are dropped of 1/36, 1/9 and 1/4 of the elements. Four standard deviations: 6e-5 two-sided.
    const share = (1 / 36 + 1 / 9 + 1 / 4) / 3;
    expect(Math.abs(dropped / elements - share)).toBeLessThan(
      4 * Math.sqrt((share * (1 - share)) / elements),
    );
  });

  it('model_stock', async () => {
    const { values } = await merged(
      'models: [{model: chat}, {model: code}, {model: maths}]\nmerge_method: model_stock\nbase_model: base\ndtype: float32\n',
      'stock',
    );
    for (const [tensor, got] of values) {
      const b = of(base, tensor);
      const d = [chat, code, maths].map((model) => of(model, tensor).map((x, i) => x - b[i]));
      const cosine = (x: number[], y: number[]) => dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
      const mean = (cosine(d[0], d[1]) + cosine(d[0], d[2]) + cosine(d[1], d[2])) / 3;
      const t = Math.min(1, Math.max(0, (3 * mean) / (1 + 2 * mean)));
      expectTensor(
        got,
        b.map((x, i) => x + (t * (d[0][i] + d[1][i] + d[2][i])) / 3),
        tensor,
        2e-6,
      );
    }
  });

  it('passthrough that repeats a layer as an identity', async () => {
    const { values, config } = await merged(
      `slices:
  - sources: [{model: base, layer_range: [0, 2]}]
  - sources:
      - model: base
        layer_range: [1, 2]
        parameters:
          scale:
            - filter: o_proj
              value: 0.0
            - filter: down_proj
              value: 0.0
            - value: 1.0
  - sources: [{model: base, layer_range: [2, 4]}]
merge_method: passthrough
dtype: float32
`,
      'identity',
    );
    expect(config.num_hidden_layers).toBe(5);
    for (const name of Object.keys(LAYER)) {
      const copy = of(base, `model.layers.1.${name}`);
      const zero = /o_proj|down_proj/.test(name);
      // A zero may have the sign of what was there.
      const got = values.get(`model.layers.2.${name}`)?.map((x) => x + 0);
      expect(got).toEqual(zero ? copy.map(() => 0) : copy);
      expect(values.get(`model.layers.4.${name}`)).toEqual(of(base, `model.layers.3.${name}`));
    }
  });

  it('modules of a model that sees, each by its own entries', async () => {
    const seeing = (name: string, seed: number) => {
      const names = [
        'vision_tower.blocks.0.w',
        'language_model.model.layers.0.w',
        'language_model.lm_head.weight',
        'projector.w',
      ];
      const values = names.map((tensor, i): [string, Float32Array] => [tensor, uniform(6, seed + i)]);
      const tensors = values.map(([tensor, x]): [string, RawTensor] => [tensor, f32([2, 3], x)]);
      writeModelFolder(join(folder, name), Object.fromEntries(tensors), {
        'config.json': { architectures: ['SeeingModel'] },
      });
      return new Map(values);
    };
    const [one, two] = [seeing('see1', 10), seeing('see2', 20)];
    const { values } = await merged(
      `merge_method: linear
modules:
  vision_tower:
    models: [{model: see1, parameters: {weight: 1}}]
  language_model:
    models:
      - {model: see1, parameters: {weight: 3}}
      - {model: see2, parameters: {weight: 1}}
  default:
    models: [{model: see2, parameters: {weight: 2}}]
    parameters: {normalize: false}
`,
      'modules',
    );
    expect(values.get('vision_tower.blocks.0.w')).toEqual(of(one, 'vision_tower.blocks.0.w'));
    expect(values.get('projector.w')).toEqual(of(two, 'projector.w').map((x) => 2 * x));
    for (const tensor of ['language_model.model.layers.0.w', 'language_model.lm_head.weight']) {
      const [a, b] = [of(one, tensor), of(two, tensor)];
      expectTensor(
        values.get(tensor),
        a.map((x, i) => (3 * x + b[i]) / 4),
        tensor,
      );
    }
  });

  it('documents that use each other by name', async () => {
    const { values } = await merged(
      `name: half
models: [{model: chat, parameters: {weight: 0.5}}, {model: code, parameters: {weight: 0.5}}]
merge_method: linear
---
name: minus
base_model: base
models: [{model: maths, parameters: {weight: -1}}]
merge_method: task_arithmetic
---
models: [{model: half}, {model: minus}]
parameters: {weight: 1}
merge_method: linear
`,
      'documents',
    );
    for (const [tensor, got] of values) {
      const [a, c, m, b] = [chat, code, maths, base].map((model) => of(model, tensor));
      expectTensor(
        got,
        b.map((x, i) => ((a[i] + c[i]) / 2 + (x - (m[i] - x))) / 2),
        tensor,
      );
    }
  });
});
