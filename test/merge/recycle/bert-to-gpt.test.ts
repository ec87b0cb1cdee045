import { describe, expect, it } from 'vitest';
import { bertToGpt } from '../../../src/merge/recycle/bert-to-gpt.js';
import { RecycleError } from '../../../src/merge/recycle/errors.js';
import type { NamedTensor, Tensors } from '../../../src/merge/recycle/mapped.js';
import type { FlatModel } from '../../../src/tensor/safetensors/flat-model.js';
import { attend, conv1d, largest, noise } from './transformers.js';

const [hidden, inner, vocabulary, positions, layers] = [4, 6, 5, 3, 2];

/** A BERT whose every value says where it stands. */
function tinyBert(prefix = 'bert.'): Map<string, NamedTensor> {
  const tensors = new Map<string, NamedTensor>();
  const add = (name: string, ...shape: number[]): void => {
    const size = shape.reduce((a, b) => a * b, 1);
    const start = 1000 * tensors.size;
    tensors.set(name, { shape, values: Float32Array.from({ length: size }, (_, i) => start + i) });
  };
  const norm = (name: string): void => {
    add(`${name}.weight`, hidden);
    add(`${name}.bias`, hidden);
  };
  const dense = (name: string, out: number, input: number): void => {
    add(`${name}.weight`, out, input);
    add(`${name}.bias`, out);
  };
  add(`${prefix}embeddings.word_embeddings.weight`, vocabulary, hidden);
  add(`${prefix}embeddings.position_embeddings.weight`, positions, hidden);
  add(`${prefix}embeddings.token_type_embeddings.weight`, 2, hidden);
  norm(`${prefix}embeddings.LayerNorm`);
  for (let l = 0; l < layers; l++) {
    const layer = `${prefix}encoder.layer.${l}`;
    for (const part of ['query', 'key', 'value']) dense(`${layer}.attention.self.${part}`, hidden, hidden);
    dense(`${layer}.attention.output.dense`, hidden, hidden);
    norm(`${layer}.attention.output.LayerNorm`);
    dense(`${layer}.intermediate.dense`, inner, hidden);
    dense(`${layer}.output.dense`, hidden, inner);
    norm(`${layer}.output.LayerNorm`);
  }
  dense(`${prefix}pooler.dense`, hidden, hidden);
  dense('cls.predictions.transform.dense', hidden, hidden);
  return tensors;
}

const at = (tensors: Tensors, name: string): NamedTensor => {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`no ${name}`);
  return tensor;
};

describe('bertToGpt', () => {
  const bert = tinyBert();
  const { tensors, provenance, dropped, notes } = bertToGpt(bert);

  it('fuses and transposes attention as Conv1D reads it: x W_q^T is a column block of x W', () => {
    const x = [1, -2, 3, 0.5];
    const fused = at(tensors, 'h.1.attn.c_attn.weight');
    expect(fused.shape).toEqual([hidden, 3 * hidden]);
    ['query', 'key', 'value'].forEach((part, p) => {
      const { values } = at(bert, `bert.encoder.layer.1.attention.self.${part}.weight`);
      const bias = at(bert, `bert.encoder.layer.1.attention.self.${part}.bias`).values;
      for (let o = 0; o < hidden; o++) {
        const before = x.reduce((sum, v, i) => sum + v * values[o * hidden + i], bias[o]);
        const column = p * hidden + o;
        const after = x.reduce(
          (sum, v, i) => sum + v * fused.values[i * 3 * hidden + column],
          at(tensors, 'h.1.attn.c_attn.bias').values[column],
        );
        expect(after).toBe(before);
      }
    });
  });

  it('moves each norm in front of what follows it', () => {
    const same = (target: string, source: string) =>
      expect(at(tensors, target).values).toEqual(at(bert, `bert.${source}`).values);
    same('h.0.ln_1.weight', 'embeddings.LayerNorm.weight');
    same('h.0.ln_2.bias', 'encoder.layer.0.attention.output.LayerNorm.bias');
    same('h.1.ln_1.weight', 'encoder.layer.0.output.LayerNorm.weight');
    same('ln_f.weight', 'encoder.layer.1.output.LayerNorm.weight');
  });

  it('says of every tensor where it came from, and of every source what became of it', () => {
    expect(provenance.map(({ target }) => target).sort()).toEqual([...tensors.keys()].sort());
    const used = new Set(provenance.flatMap(({ sources }) => sources.map((s) => s.replace(/\[0\]$/, ''))));
    const types = 'bert.embeddings.token_type_embeddings.weight[1]';
    const whole = dropped.filter((name) => name !== types);
    expect([...used, ...whole].sort()).toEqual([...bert.keys()].sort());
    expect(dropped).toEqual([
      'bert.pooler.dense.weight',
      'bert.pooler.dense.bias',
      'cls.predictions.transform.dense.weight',
      'cls.predictions.transform.dense.bias',
      types,
    ]);
    expect(
      provenance.filter(({ target }) => target.includes('ln_')).every((p) => p.exactness === 'approximate'),
    ).toBe(true);
    expect(notes.join()).toMatch(/does not compute what the encoder did/);
  });

  it('adds token type 0 to positions, and stretches them', () => {
    const learned = at(bert, 'bert.embeddings.position_embeddings.weight').values;
    const type = at(bert, 'bert.embeddings.token_type_embeddings.weight').values;
    const rows = (options: object): number[] => {
      const { values } = at(bertToGpt(bert, options).tensors, 'wpe.weight');
      return Array.from({ length: values.length / hidden }, (_, row) => values[row * hidden] - type[0]);
    };
    const own = [0, 1, 2].map((row) => learned[row * hidden]);
    expect(rows({})).toEqual(own);
    expect(rows({ positions: 2 })).toEqual(own.slice(0, 2));
    expect(rows({ positions: 5, stretch: 'tile' })).toEqual([...own, own[0], own[1]]);
    expect(rows({ positions: 6 })).toEqual([...own, ...own]);
    expect(rows({ positions: 8 })[4]).toBe((own[0] + own[1]) / 2);
  });

  it('matches rows by token, with the mean row for unknown ones', () => {
    const sourceVocabulary = ['a', 'b', 'c', 'd', 'e'];
    const result = bertToGpt(bert, { sourceVocabulary, targetVocabulary: ['c', 'x', 'a'] });
    const { shape, values } = at(result.tensors, 'wte.weight');
    expect(shape).toEqual([3, hidden]);
    expect([values[0], values[hidden], values[2 * hidden]]).toEqual([2 * hidden, 2 * hidden, 0]);
    expect(result.provenance[0].operator).toBe('rows by token, 2 of 3; 1 without a match the mean row');
    expect(() => bertToGpt(bert, { sourceVocabulary })).toThrow(RecycleError);
  });

  it('gives unknown tokens the mean of their pieces where asked', () => {
    const sourceVocabulary = ['un', '##do', '##ing', 'do', 'Z'];
    const targetVocabulary = ['\u0120undoing', '\u0120do', 'doing', '\u0120Undo', '\u0120xyz'];
    const { tensors: mapped, provenance: told } = bertToGpt(bert, {
      sourceVocabulary,
      targetVocabulary,
      unknownTokens: 'pieces',
    });
    // The first element of row r is r * hidden.
    const rows = Array.from(
      { length: 5 },
      (_, row) => at(mapped, 'wte.weight').values[row * hidden] / hidden,
    );
    // un do ing; do; do ing inside a word; un do in small letters; nothing fits: the mean of all rows.
    expect(rows).toEqual([(0 + 1 + 2) / 3, 3, (1 + 2) / 2, (0 + 1) / 2, 2].map(Math.fround));
    expect(told[0].operator).toContain('4 the mean of their pieces; 1 without a match');
  });

  it('keeps what attention and MLP of a layer compute, before norms and mask', () => {
    const names = [...bert.keys()];
    const random: Tensors = new Map(
      names.map((name, k) => [
        name,
        { ...at(bert, name), values: noise(at(bert, name).values.length, k + 3) },
      ]),
    );
    const gpt: FlatModel = {
      tensors: new Map([...bertToGpt(random).tensors].map(([name, t]) => [name, { ...t, dtype: 'F32' }])),
    };
    const stream = [0, 1, 2].map((row) => [...noise(hidden, 50 + row)]);
    /** x W^T + b, W [out, in]. */
    const dense = (name: string, x: readonly number[]): number[] => {
      const { shape, values } = at(random, `bert.encoder.layer.1.${name}.weight`);
      return Array.from(at(random, `bert.encoder.layer.1.${name}.bias`).values, (b, o) =>
        x.reduce((sum, v, i) => sum + v * values[o * shape[1] + i], b),
      );
    };
    const heads = { heads: 2, causal: false };
    const [q, k, v] = ['query', 'key', 'value'].map((part) =>
      stream.map((x) => dense(`attention.self.${part}`, x)),
    );
    const encoder = attend(q, k, v, heads).map((x) => dense('attention.output.dense', x));
    const fused = stream.map((x) => conv1d(gpt, 'h.1.attn.c_attn', x));
    const [gq, gk, gv] = [0, 1, 2].map((p) => fused.map((x) => x.slice(p * hidden, (p + 1) * hidden)));
    const decoder = attend(gq, gk, gv, heads).map((x) => conv1d(gpt, 'h.1.attn.c_proj', x));
    expect(largest(decoder.flat(), encoder.flat())).toBeLessThan(1e-12);
    const relu = (x: number[]): number[] => x.map((value) => Math.max(0, value));
    for (const x of stream)
      expect(
        largest(
          conv1d(gpt, 'h.1.mlp.c_proj', relu(conv1d(gpt, 'h.1.mlp.c_fc', x))),
          dense('output.dense', relu(dense('intermediate.dense', x))),
        ),
      ).toBeLessThan(1e-12);
  });

  it('drops layers that are too many and makes fresh ones, the same for the same seed', () => {
    const short = bertToGpt(bert, { layers: 1 });
    expect(short.dropped).toContain('bert.encoder.layer.1.output.dense.weight');
    expect(at(short.tensors, 'ln_f.bias')).toEqual(at(bert, 'bert.encoder.layer.0.output.LayerNorm.bias'));
    const long = bertToGpt(bert, { layers: 4, seed: 9 });
    expect(bertToGpt(bert, { layers: 4, seed: 9 }).tensors).toEqual(long.tensors);
    const fresh = long.provenance
      .filter(({ exactness }) => exactness === 'random')
      .map(({ target }) => target);
    expect(fresh).toContain('h.3.mlp.c_fc.weight');
    expect(fresh).toContain('ln_f.weight');
    // The norm before the first fresh layer is the last mapped one.
    expect(fresh).not.toContain('h.2.ln_1.weight');
    expect([...at(long.tensors, 'h.2.attn.c_attn.weight').values].every((v) => Math.abs(v) < 0.15)).toBe(
      true,
    );
  });

  it('takes names without the prefix, and refuses what is no encoder', () => {
    expect([...bertToGpt(tinyBert('')).tensors.keys()]).toEqual([...tensors.keys()]);
    expect(() => bertToGpt(new Map())).toThrow(RecycleError);
    const torn = tinyBert();
    torn.delete('bert.encoder.layer.1.attention.self.key.bias');
    expect(() => bertToGpt(torn)).toThrow(/encoder\.layer\.1\.attention\.self\.key\.bias/);
  });
});
