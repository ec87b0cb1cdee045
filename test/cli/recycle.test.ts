import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { recycleCommand } from '../../src/cli/recycle.js';
import { recycleText } from '../../src/cli/recycle-text.js';
import { mlp } from '../../src/nn/zoo.js';
import { interpret } from '../../src/program/interpret.js';
import type { Model } from '../../src/program/model.js';
import type { FlatModel, FlatTensor } from '../../src/tensor/safetensors/flat-model.js';
import { readModel, writeModel } from '../../src/tensor/safetensors/flat-model.node.js';
import { runVerb } from './run-verb.js';

const root = await mkdtemp(join(tmpdir(), 'heddle-recycle-'));
afterAll(() => rm(root, { recursive: true, force: true }));

/** Runs the verb; what it printed, as an object. */
async function run(...args: string[]): Promise<Record<string, unknown>> {
  return JSON.parse((await runVerb(recycleCommand, ...args, '--json')).text);
}

const tensor = (dtype: FlatTensor['dtype'], shape: number[], seed = 1): FlatTensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  // Small multiples of 1/16: exact in every type here.
  const values = Float32Array.from({ length: size }, (_, i) => (((i + seed) * 13) % 31) / 16 - 1);
  return { dtype, shape, values };
};

async function store(name: string, model: FlatModel): Promise<string> {
  const folder = join(root, name);
  await writeModel(folder, model);
  return folder;
}

function logits(model: Model, { tensors }: FlatModel): Float64Array {
  const feeds: Record<string, ArrayLike<number>> = {
    input: Float32Array.from({ length: 3 * model.inputSize }, (_, i) => ((i * 5) % 7) / 3 - 1),
  };
  for (const [name, { values }] of tensors) feeds[name] = values;
  return interpret(model.graph, [model.nodes.logits], { batch: 3, feeds })[0];
}

const llama = (): FlatModel => {
  const tensors = new Map<string, FlatTensor>([['model.embed_tokens.weight', tensor('BF16', [10, 8])]]);
  for (const l of [0, 1]) {
    const add = (part: string, ...shape: number[]) =>
      tensors.set(`model.layers.${l}.${part}.weight`, tensor('BF16', shape, tensors.size));
    add('input_layernorm', 8);
    for (const part of ['q', 'o']) add(`self_attn.${part}_proj`, 8, 8);
    for (const part of ['k', 'v']) add(`self_attn.${part}_proj`, 4, 8);
    add('post_attention_layernorm', 8);
    for (const part of ['gate', 'up']) add(`mlp.${part}_proj`, 12, 8);
    add('mlp.down_proj', 8, 12);
  }
  tensors.set('model.norm.weight', tensor('BF16', [8]));
  const config = {
    model_type: 'llama',
    num_hidden_layers: 2,
    hidden_size: 8,
    intermediate_size: 12,
    num_attention_heads: 4,
    num_key_value_heads: 2,
  };
  return { tensors, config };
};

describe('recycleText', () => {
  it('joins the layers to which the same happened, in lines of their own', () => {
    const step = (layer: number, exactness: 'exact' | 'random', operator: string) => ({
      target: `h.${layer}.mlp.c_fc.weight`,
      sources: exactness === 'exact' ? [`encoder.layer.${layer}.intermediate.dense.weight`] : [],
      operator,
      exactness,
    });
    const text = recycleText(
      {
        operation: 'bert-to-gpt',
        functionPreserving: false,
        parametersBefore: 1234567,
        parametersAfter: 20,
        provenance: [
          ...[0, 1, 2, 4].map((l) => step(l, 'exact', 'transpose')),
          step(3, 'random', 'initialise'),
          { target: 'wte.weight', sources: ['wte.weight'], operator: 'copy', exactness: 'exact' },
        ],
        dropped: ['h.0.x', 'h.1.x'],
        notes: ['one\u001b[31m'],
      },
      'out',
    );
    expect(text.split('\n')).toEqual([
      'bert-to-gpt: 1,234,567 parameters became 20 in out',
      'the model does not compute what it did: train it',
      '6 tensors: 5 exact, 1 freshly initialised, 2 of the old ones dropped',
      '',
      '  tensor                     how     from',
      '  h.{0-2,4}.mlp.c_fc.weight  exact   transpose: encoder.layer.N.intermediate.dense.weight',
      '  h.3.mlp.c_fc.weight        random  initialise',
      '  wte.weight                 exact   copy',
      '',
      'dropped',
      '  h.{0-1}.x',
      '',
      expect.not.stringContaining('\u001b'),
    ]);
  });
});

describe('heddle recycle', () => {
  it('widens and deepens an MLP on disk, and its function stays', async () => {
    const small = mlp({ layers: [4, 3, 2] });
    const params = small.init(1);
    const entries = small.spec.entries.map(({ name, shape }): [string, FlatTensor] => [
      name,
      { dtype: 'F32', shape, values: small.spec.slice(params, name) },
    ]);
    const folder = await store('mlp', { tensors: new Map(entries) });
    const report = await run(
      'wider',
      folder,
      join(root, 'mlp-wide'),
      '--units',
      'fc1=8',
      '--split',
      'uneven',
    );
    expect(report).toMatchObject({ operation: 'wider', 'function-preserving': true, 'parameters-after': 58 });
    const before = logits(small, await readModel(folder));
    logits(mlp({ layers: [4, 8, 2] }), await readModel(join(root, 'mlp-wide'))).forEach((value, i) => {
      expect(Math.abs(value - before[i])).toBeLessThan(1e-5);
    });
    await run('deeper', folder, join(root, 'mlp-deep'), '--after', 'fc1');
    const { tensors } = await readModel(join(root, 'mlp-deep'));
    const renamed = { fc1: 'fc1', fc1_1: 'fc2', fc2: 'fc3' };
    const chain = [...tensors].map(([name, value]): [string, FlatTensor] => {
      const [layer, part] = name.split('.') as [keyof typeof renamed, string];
      return [`${renamed[layer]}.${part}`, value];
    });
    expect(logits(mlp({ layers: [4, 3, 3, 2] }), { tensors: new Map(chain) })).toEqual(before);
  });

  it('keeps types and the configuration of transformers in step', async () => {
    const folder = await store('llama', llama());
    await run('wider', folder, join(root, 'wide'), '--units', 'mlp=16', '--units', 'heads=3');
    const wide = await readModel(join(root, 'wide'));
    expect(wide.config).toMatchObject({
      model_type: 'llama',
      intermediate_size: 16,
      num_attention_heads: 6,
      num_key_value_heads: 3,
      head_dim: 2,
      hidden_size: 8,
    });
    expect(wide.tensors.get('model.layers.1.self_attn.o_proj.weight')).toMatchObject({
      dtype: 'BF16',
      shape: [8, 12],
    });

    await run('deeper', folder, join(root, 'deep'), '--after', '1');
    const deep = await readModel(join(root, 'deep'));
    expect(deep.config?.num_hidden_layers).toBe(3);
    expect(deep.tensors.get('model.layers.2.mlp.down_proj.weight')?.values.every((v) => v === 0)).toBe(true);

    await run('stack', folder, join(root, 'stack'), '--order', '0,1,0,1');
    expect((await readModel(join(root, 'stack'))).config?.num_hidden_layers).toBe(4);

    const report = await run('subclone', folder, join(root, 'small'), '--units', 'hidden=4', '--layers', '1');
    expect(report['function-preserving']).toBe(false);
    expect((await readModel(join(root, 'small'))).config).toMatchObject({
      hidden_size: 4,
      num_hidden_layers: 1,
      head_dim: 2,
    });
  });

  it('maps an encoder to a decoder and reports every tensor', async () => {
    const tensors = new Map<string, FlatTensor>();
    const add = (name: string, ...shape: number[]) =>
      tensors.set(`bert.${name}`, tensor('F16', shape, tensors.size));
    const both = (name: string, ...shape: number[]) => {
      add(`${name}.weight`, ...shape);
      add(`${name}.bias`, shape[0]);
    };
    add('embeddings.word_embeddings.weight', 3, 4);
    add('embeddings.position_embeddings.weight', 6, 4);
    add('embeddings.token_type_embeddings.weight', 2, 4);
    both('embeddings.LayerNorm', 4);
    for (const part of ['query', 'key', 'value']) both(`encoder.layer.0.attention.self.${part}`, 4, 4);
    both('encoder.layer.0.attention.output.dense', 4, 4);
    both('encoder.layer.0.attention.output.LayerNorm', 4);
    both('encoder.layer.0.intermediate.dense', 8, 4);
    both('encoder.layer.0.output.dense', 4, 8);
    both('encoder.layer.0.output.LayerNorm', 4);
    both('pooler.dense', 4, 4);
    const folder = await store('bert', {
      tensors,
      config: { num_attention_heads: 2, layer_norm_eps: 1e-12 },
    });
    await writeFile(join(root, 'old.txt'), '[PAD]\ncat\ndog\n');
    await writeFile(join(root, 'new.json'), '{"dog": 0, "cat": 1}');
    const vocabularies = ['--source-vocab', join(root, 'old.txt'), '--target-vocab', join(root, 'new.json')];
    const report = await run('bert-to-gpt', folder, join(root, 'gpt'), ...vocabularies);
    expect(report.provenance).toHaveLength(16);
    expect(report.dropped).toEqual([
      'bert.pooler.dense.bias',
      'bert.pooler.dense.weight',
      'bert.embeddings.token_type_embeddings.weight[1]',
    ]);
    const gpt = await readModel(join(root, 'gpt'));
    expect(gpt.config).toMatchObject({
      model_type: 'gpt2',
      n_head: 2,
      n_layer: 1,
      n_inner: 8,
      vocab_size: 2,
    });
    const words = tensors.get('bert.embeddings.word_embeddings.weight')?.values ?? new Float32Array();
    expect(gpt.tensors.get('wte.weight')?.values).toEqual(
      Float32Array.of(...words.slice(8, 12), ...words.slice(4, 8)),
    );
    expect(gpt.tensors.get('wte.weight')?.dtype).toBe('F16');
  });

  it('says what is wrong', async () => {
    const folder = await store('wrong', llama());
    const out = join(root, 'none');
    await expect(run('widr', folder, out)).rejects.toThrow(/did you mean wider/);
    await expect(run('wider', folder, out)).rejects.toThrow(/--units is missing/);
    await expect(run('wider', folder, out, '--units', 'mlp')).rejects.toThrow(/mlp=|fc1=400/);
    await expect(run('wider', folder, out, '--units', 'mlp.0=20')).rejects.toThrow(/different widths of mlp/);
    await expect(run('stack', folder, out, '--order', '0,x')).rejects.toThrow(/not a list of layers/);
    await expect(run('deeper', folder, out, '--after', '2')).rejects.toThrow(/its layers are 0 to 1/);
    await expect(run('bert-to-gpt', folder, out)).rejects.toThrow(/no tensor embeddings/);
  });
});
