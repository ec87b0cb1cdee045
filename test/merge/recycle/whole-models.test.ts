import { describe, expect, it } from 'vitest';
import { RecycleError } from '../../../src/merge/recycle/errors.js';
import { fuse, splitFused } from '../../../src/merge/recycle/fused.js';
import { recycle } from '../../../src/merge/recycle/recycle.js';
import type { FlatModel } from '../../../src/tensor/safetensors/flat-model.js';
import { gpt2, largest, llama, tinyGpt2, tinyLlama } from './transformers.js';

const tokens = [3, 1, 4, 1, 5];
const gpt = tinyGpt2({ hidden: 8, heads: 2, inner: 10, layers: 2 });
const gptOut = gpt2(gpt, tokens);
const lama = tinyLlama({ hidden: 8, heads: 4, keyValueHeads: 2, headDim: 4, inner: 10, layers: 2 });
const lamaOut = llama(lama, tokens);

const valuesOf = ({ tensors }: FlatModel, name: string): number[] => [...(tensors.get(name)?.values ?? [])];

/** Largest difference to the outputs of before, in shares of the largest of these. */
const apart = (now: readonly number[], before: readonly number[]): number =>
  largest(now, before) / Math.max(...before.map((v) => Math.abs(v)));

describe('a whole model made wider', () => {
  it('computes what it did: residual stream, heads and MLP of a Llama-like model', () => {
    for (const split of ['equal', 'uneven'] as const) {
      const { model, report } = recycle(lama, {
        operation: 'wider',
        units: { hidden: 13, heads: 3, mlp: 17 },
        split,
        seed: 5,
      });
      expect(report.functionPreserving).toBe(true);
      expect(model.config).toMatchObject({
        hidden_size: 13,
        intermediate_size: 17,
        num_attention_heads: 6,
        num_key_value_heads: 3,
        head_dim: 4,
      });
      expect(model.config?.rms_norm_eps).toBeCloseTo((1e-3 * 8) / 13, 12);
      expect(apart(llama(model, tokens), lamaOut)).toBeLessThan(1e-5);
    }
  });

  it('computes what it did: residual stream, heads and MLP of a GPT-2-like model, head tied', () => {
    const units = { hidden: 12, heads: 3, mlp: 15 };
    const { model, report } = recycle(gpt, { operation: 'wider', units, split: 'uneven', seed: 2 });
    expect(report.functionPreserving).toBe(true);
    expect(model.config).toMatchObject({ n_embd: 12, n_head: 3, n_inner: 15, n_layer: 2 });
    expect(model.tensors.get('h.1.attn.c_attn.weight')?.shape).toEqual([12, 36]);
    expect([...model.tensors.keys()]).toEqual([...gpt.tensors.keys()]);
    expect(apart(gpt2(model, tokens), gptOut)).toBeLessThan(1e-5);
    // What reads a new feature differs from unit to unit, but for the five that are copies: ten of fifteen.
    const reads = valuesOf(model, 'h.0.mlp.c_fc.weight').slice(8 * 15, 9 * 15);
    expect(new Set(reads).size).toBe(10);
  });

  it('computes what it did with wider heads, alone with the stream and with more of them', () => {
    for (const [units, heads] of [
      [{ head_dim: 7, hidden: 14 }, 2],
      [{ head_dim: 6, hidden: 18, heads: 3, mlp: 12 }, 3],
    ] as [Record<string, number>, number][]) {
      const { model, report } = recycle(gpt, { operation: 'wider', units, split: 'uneven', seed: 8 });
      expect(model.config).toMatchObject({ n_embd: units.hidden, n_head: heads });
      expect(report.functionPreserving).toBe(true);
      expect(apart(gpt2(model, tokens), gptOut)).toBeLessThan(1e-5);
    }
    expect(() => recycle(gpt, { operation: 'wider', units: { head_dim: 3, hidden: 8 } })).toThrow(/4 wide/);
    expect(() => recycle(gpt, { operation: 'wider', units: { head_dim: 8 } })).toThrow(
      /hidden=16 --units heads=2/,
    );
    expect(() => recycle(lama, { operation: 'wider', units: { head_dim: 8 } })).toThrow(/rotary/);
  });

  it('needs the scaled epsilon: with the old one the outputs differ', () => {
    const { model } = recycle(lama, { operation: 'wider', units: { hidden: 16 } });
    const unscaled = { ...model, config: { ...model.config, rms_norm_eps: 1e-3 } };
    expect(apart(llama(unscaled, tokens), lamaOut)).toBeGreaterThan(1e-4);
  });

  it('refuses what no configuration can say, with what can be said instead', () => {
    const grow = (units: Record<string, number>) => () => recycle(gpt, { operation: 'wider', units });
    expect(grow({ heads: 3 })).toThrow(/hidden=12 --units heads=3/);
    expect(grow({ hidden: 12 })).toThrow(/hidden=12 --units heads=3/);
    expect(grow({ hidden: 4 })).toThrow(RecycleError);
    expect(grow({ mlp: 1e12 })).toThrow(/at most/);
    expect(grow({ hidden: 1e12 })).toThrow(RecycleError);
    const heads = (n_head: unknown) => ({ ...gpt, config: { ...gpt.config, n_head } });
    for (const wrong of [3, -1, 0, 2.5, 1e9])
      expect(() => recycle(heads(wrong), { operation: 'wider', units: { mlp: 12 } })).toThrow(
        /heads do not divide/,
      );
    const unknown = { ...gpt, config: undefined };
    expect(() => recycle(unknown, { operation: 'wider', units: { hidden: 12 } })).toThrow(
      /heads is not known/,
    );
    expect(recycle(unknown, { operation: 'wider', units: { mlp: 12 } }).report.functionPreserving).toBe(true);
    expect(() => recycle(gpt, { operation: 'deeper', after: ['x'] })).toThrow(/no layer "x"/);
    const gemma = { ...lama, config: { ...lama.config, model_type: 'gemma2' } };
    expect(() => recycle(gemma, { operation: 'wider', units: { hidden: 16 } })).toThrow(/1 \+ gain/);
  });

  it('takes new units from the layer above where asked, and says that the function changes', () => {
    const step = { operation: 'wider', units: { mlp: 12 }, seed: 4 } as const;
    const { model, report } = recycle(gpt, { ...step, newUnits: 'next-layer' });
    const copied = recycle(gpt, step).model;
    expect(report.functionPreserving).toBe(false);
    // Columns of c_fc of layer 1, in layer 0's new places; what was there stays.
    const above = valuesOf(gpt, 'h.1.mlp.c_fc.weight');
    const own = valuesOf(gpt, 'h.0.mlp.c_fc.weight');
    const wide = valuesOf(model, 'h.0.mlp.c_fc.weight');
    const column = (values: number[], width: number, at: number) =>
      Array.from({ length: 8 }, (_, row) => values[row * width + at]);
    for (let unit = 0; unit < 10; unit++) expect(column(wide, 12, unit)).toEqual(column(own, 10, unit));
    const columns = Array.from({ length: 10 }, (_, unit) => column(above, 10, unit).join());
    for (const unit of [10, 11]) expect(columns).toContain(column(wide, 12, unit).join());
    // Outgoing weights are shared as among copies; the last layer has none above it.
    expect(valuesOf(model, 'h.0.mlp.c_proj.weight')).toEqual(valuesOf(copied, 'h.0.mlp.c_proj.weight'));
    expect(valuesOf(model, 'h.1.mlp.c_fc.weight')).toEqual(valuesOf(copied, 'h.1.mlp.c_fc.weight'));
  });
});

describe('a whole model of another depth or smaller', () => {
  it('computes what it did with silent blocks, to the bit', () => {
    const { model, report } = recycle(gpt, { operation: 'deeper', after: ['0', '1'] });
    expect(gpt2(model, tokens)).toEqual(gptOut);
    const silent = report.provenance.filter(({ operator }) => operator.startsWith('zeros'));
    expect(silent.map(({ target }) => target)).toEqual(
      [1, 3].flatMap((l) =>
        ['attn', 'mlp'].flatMap((p) => [`h.${l}.${p}.c_proj.weight`, `h.${l}.${p}.c_proj.bias`]),
      ),
    );
    expect(report.provenance.find(({ target }) => target === 'h.2.ln_1.bias')).toEqual({
      target: 'h.2.ln_1.bias',
      sources: ['h.1.ln_1.bias'],
      operator: 'copy',
      exactness: 'exact',
    });
    const deep = recycle(lama, { operation: 'deeper', after: ['1', '1'] }).model;
    expect(llama(deep, tokens)).toEqual(lamaOut);
  });

  it('stays a GPT-2 when it shrinks: whole heads, and everything accounted for', () => {
    const { model, report } = recycle(gpt, {
      operation: 'subclone',
      units: { hidden: 4, mlp: 5 },
      layers: 1,
    });
    expect(model.config).toMatchObject({ n_embd: 4, n_head: 1, n_inner: 5, n_layer: 1 });
    expect(gpt2(model, tokens).every(Number.isFinite)).toBe(true);
    expect(report.functionPreserving).toBe(false);
    expect(report.provenance.map(({ target }) => target)).toEqual([...model.tensors.keys()]);
    expect(report.dropped.every((name) => name.startsWith('h.1.'))).toBe(true);
    expect(report.dropped).toHaveLength(12);
  });

  it('tells of every tensor of the new model once', () => {
    for (const step of [
      { operation: 'wider', units: { mlp: 11 } },
      { operation: 'stack', order: [1, 0, 1] },
      { operation: 'deeper', after: ['0'] },
    ] as const)
      for (const whole of [gpt, lama]) {
        const { model, report } = recycle(whole, step);
        expect(report.provenance.map(({ target }) => target)).toEqual([...model.tensors.keys()]);
        for (const { sources } of report.provenance)
          for (const source of sources) expect(whole.tensors.has(source)).toBe(true);
      }
    const stacked = recycle(gpt, { operation: 'stack', order: [1] }).report;
    expect(stacked.dropped).toContain('h.0.attn.c_attn.weight');
  });
});

describe('splitFused', () => {
  it('is undone by fuse', () => {
    const apart = splitFused(gpt.tensors);
    expect(apart.get('h.0.attn.c_attn.k.weight')?.shape).toEqual([8, 8]);
    expect(apart.get('h.0.attn.c_attn.v.bias')?.shape).toEqual([8]);
    expect(fuse(apart)).toEqual(gpt.tensors);
  });
});
