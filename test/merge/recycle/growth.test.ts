import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecycleError } from '../../../src/merge/recycle/errors.js';
import { deepenDense, net2Deeper, reorderLayers } from '../../../src/merge/recycle/layers.js';
import {
  layoutOf,
  type TensorShape,
  type UnitModel,
  unitModelOf,
} from '../../../src/merge/recycle/layout.js';
import { net2Wider } from '../../../src/merge/recycle/net2wider.js';
import { subclone } from '../../../src/merge/recycle/subclone.js';
import { mlp, mnistCnn } from '../../../src/nn/zoo.js';
import { interpret } from '../../../src/program/interpret.js';
import type { Model } from '../../../src/program/model.js';

/** A safetensors file of float32 tensors, read by the rules of the format and nothing else. */
function readGolden(name: string): Map<string, { shape: number[]; values: Float32Array }> {
  const bytes = readFileSync(new URL(`../../golden/merge/net2wider-relu/${name}`, import.meta.url));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  const entries = Object.entries<{ shape: number[]; data_offsets: [number, number] }>(header);
  return new Map(
    entries
      .filter(([key]) => key !== '__metadata__')
      .map(
        ([
          key,
          {
            shape,
            data_offsets: [begin, end],
          },
        ]) => {
          const data = Uint8Array.from(bytes.subarray(8 + length + begin, 8 + length + end));
          return [key, { shape, values: new Float32Array(data.buffer) }];
        },
      ),
  );
}

function modelOf(tensors: Map<string, { shape: number[]; values: Float32Array }>): UnitModel {
  const layout = layoutOf([...tensors].map(([name, { shape }]) => ({ name, shape })));
  const params = new Float32Array(layout.spec.size);
  for (const [name, { values }] of tensors) layout.spec.slice(params, name).set(values);
  return { ...layout, params };
}

/** A ReLU MLP in float64 from the tensors alone. */
function forward(model: UnitModel, layers: readonly string[], x: ArrayLike<number>): number[] {
  return layers.reduce<number[]>((h, layer, k) => {
    const weight = model.spec.slice(model.params, `${layer}.weight`);
    const bias = model.spec.slice(model.params, `${layer}.bias`);
    return Array.from(bias, (b, out) => {
      const sum = h.reduce((total, v, i) => total + v * weight[out * h.length + i], b);
      return k < layers.length - 1 ? Math.max(0, sum) : sum;
    });
  }, Array.from(x));
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((top, v, i) => Math.max(top, Math.abs(v - b[i])), 0);

const noise = (n: number, seed: number): Float32Array => {
  let state = seed;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
};

describe('net2Wider', () => {
  it('makes the golden model, and the golden outputs', () => {
    const { mapping } = JSON.parse(
      readFileSync(new URL('../../golden/merge/net2wider-relu/params.json', import.meta.url), 'utf8'),
    );
    const wide = net2Wider(modelOf(readGolden('small/model.safetensors')), 'fc1', { units: 7, mapping });
    for (const [name, { shape, values }] of readGolden('expected/model.safetensors')) {
      expect(wide.spec.get(name).shape).toEqual(shape);
      expect(largest(wide.spec.slice(wide.params, name), values)).toBeLessThanOrEqual(1e-6);
    }
    const probe = readGolden('probe.safetensors');
    const [x, y] = [probe.get('X')?.values ?? [], probe.get('Y')?.values ?? []];
    for (let row = 0; row < 9; row++) {
      const out = forward(wide, ['fc1', 'fc2'], Array.from(x).slice(5 * row, 5 * row + 5));
      expect(largest(out, Array.from(y).slice(3 * row, 3 * row + 3))).toBeLessThan(1e-5);
    }
  });

  it('preserves the function of any heddle MLP, whatever the width, the seed and the split', () => {
    const activations = fc.constantFrom('relu', 'tanh', 'sigmoid');
    const splits = fc.constantFrom('equal', 'uneven');
    fc.assert(
      fc.property(
        activations,
        splits,
        fc.nat(20),
        fc.nat(20),
        fc.nat(99),
        (activation, split, a, b, seed) => {
          const model = mlp({ layers: [6, 5, 4, 3], activation });
          const params = model.init(seed);
          const [first, second] = model.hiddenGroups;
          const once = net2Wider(unitModelOf(model, params), first, { units: 5 + a, seed, split });
          const wide = net2Wider(once, second, { units: 4 + b, seed, split });
          const wider = mlp({ layers: [6, 5 + a, 4 + b, 3], activation });
          expect(wide.spec.entries.map(({ shape }) => shape)).toEqual(
            wider.spec.entries.map(({ shape }) => shape),
          );
          expect(largest(logits(wider, wide.params, 7), logits(model, params, 7))).toBeLessThan(1e-5);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('preserves the function of a convolutional network, channels behind a flattening too', () => {
    const model = mnistCnn();
    const params = model.init(3);
    const group = model.hiddenGroups[0];
    const wide = net2Wider(unitModelOf(model, params), group, { units: 40, seed: 1 });
    const base = logits(model, params, 1);
    const grown = logits(model, wide.params, 1, { [group]: 40 });
    expect(largest(grown, base)).toBeLessThan(1e-5);
  }, 60_000);

  it('gives copies different outgoing weights when split unevenly', () => {
    const model = mlp({ layers: [3, 2, 2] });
    const [group] = model.hiddenGroups;
    const mapping = [0, 1, 0];
    const wide = net2Wider(unitModelOf(model, model.init(1)), group, { units: 3, mapping, split: 'uneven' });
    const out = wide.spec.slice(wide.params, 'fc2.weight');
    expect(out[2]).toBeCloseTo(2 * out[0], 6);
  });

  it('refuses inputs, classes, fewer units and wrong mappings', () => {
    const model = mlp({ layers: [3, 2, 2] });
    const units = unitModelOf(model, model.init(1));
    const [group] = model.hiddenGroups;
    expect(() => net2Wider(units, 'input', { units: 9 })).toThrow(RecycleError);
    expect(() => net2Wider(units, group, { units: 1 })).toThrow(RecycleError);
    expect(() => net2Wider(units, group, { units: 3, mapping: [0, 1, 2] })).toThrow(RecycleError);
    expect(() => net2Wider(units, group, { units: 3, mapping: [1, 0, 0] })).toThrow(RecycleError);
  });
});

function logits(
  model: Model,
  params: Float32Array,
  batch: number,
  widths?: Record<string, number>,
): Float64Array {
  const input = noise(batch * model.inputSize, 5);
  const feeds: Record<string, ArrayLike<number>> = { input };
  let offset = 0;
  for (const { name, axes } of model.spec.entries) {
    const size = axes.reduce(
      (n, axis) =>
        n * ((axis.group === undefined ? undefined : widths?.[axis.group]) ?? axis.units) * axis.inner,
      1,
    );
    feeds[name] = params.subarray(offset, offset + size);
    offset += size;
  }
  expect(offset).toBe(params.length);
  return interpret(model.graph, [model.nodes.logits], { batch, feeds, widths })[0];
}

/** Llama's forward pass without rotation (which acts within heads alone) in float64, from the tensors alone. */
function llama(
  model: UnitModel,
  tokens: readonly number[],
  headDim: number,
  queriesPerKey: number,
): number[][] {
  const at = (name: string) => ({
    w: model.spec.slice(model.params, name),
    shape: model.spec.get(name).shape,
  });
  const product = (name: string, x: number[]): number[] => {
    const { w, shape } = at(name);
    return Array.from({ length: shape[0] }, (_, o) =>
      x.reduce((sum, v, i) => sum + v * w[o * shape[1] + i], 0),
    );
  };
  const norm = (name: string, x: number[]): number[] => {
    const scale = 1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length + 1e-6);
    return x.map((v, i) => v * scale * at(name).w[i]);
  };
  const embed = at('model.embed_tokens.weight');
  let stream = tokens.map((t) => Array.from(embed.w.subarray(t * embed.shape[1], (t + 1) * embed.shape[1])));
  for (let l = 0; model.spec.has(`model.layers.${l}.input_layernorm.weight`); l++) {
    const name = (part: string): string => `model.layers.${l}.${part}.weight`;
    const [q, k, v] = ['q', 'k', 'v'].map((p) =>
      stream.map((x) => product(name(`self_attn.${p}_proj`), norm(name('input_layernorm'), x))),
    );
    const attended = stream.map((_, i) => {
      const heads = q[i].length / headDim;
      return Array.from({ length: heads }, (_h, h) => {
        const kv = Math.floor(h / queriesPerKey);
        const piece = (x: number[], index: number): number[] =>
          x.slice(index * headDim, (index + 1) * headDim);
        const scores = k
          .slice(0, i + 1)
          .map((key) =>
            Math.exp(
              piece(q[i], h).reduce((sum, a, d) => sum + a * piece(key, kv)[d], 0) / Math.sqrt(headDim),
            ),
          );
        const total = scores.reduce((a, b) => a + b, 0);
        return Array.from({ length: headDim }, (_d, d) =>
          scores.reduce((sum, s, j) => sum + (s / total) * piece(v[j], kv)[d], 0),
        );
      }).flat();
    });
    stream = stream.map((x, i) => {
      const added = product(name('self_attn.o_proj'), attended[i]);
      return x.map((value, j) => value + added[j]);
    });
    stream = stream.map((x) => {
      const y = norm(name('post_attention_layernorm'), x);
      const gate = product(name('mlp.gate_proj'), y).map((g) => g / (1 + Math.exp(-g)));
      const up = product(name('mlp.up_proj'), y);
      const added = product(
        name('mlp.down_proj'),
        gate.map((g, i) => g * up[i]),
      );
      return x.map((value, j) => value + added[j]);
    });
  }
  return stream.map((x) => product('lm_head.weight', norm('model.norm.weight', x)));
}

const [hidden, inner, headDim, heads, keyValueHeads, vocabulary, layers] = [8, 10, 4, 4, 2, 12, 3];
function tinyLlama(): UnitModel {
  const shapes: TensorShape[] = [{ name: 'model.embed_tokens.weight', shape: [vocabulary, hidden] }];
  for (let l = 0; l < layers; l++)
    for (const [part, shape] of [
      ['input_layernorm', [hidden]],
      ['self_attn.q_proj', [heads * headDim, hidden]],
      ['self_attn.k_proj', [keyValueHeads * headDim, hidden]],
      ['self_attn.v_proj', [keyValueHeads * headDim, hidden]],
      ['self_attn.o_proj', [hidden, heads * headDim]],
      ['post_attention_layernorm', [hidden]],
      ['mlp.gate_proj', [inner, hidden]],
      ['mlp.up_proj', [inner, hidden]],
      ['mlp.down_proj', [hidden, inner]],
    ] as [string, number[]][])
      shapes.push({ name: `model.layers.${l}.${part}.weight`, shape });
  shapes.push(
    { name: 'model.norm.weight', shape: [hidden] },
    { name: 'lm_head.weight', shape: [vocabulary, hidden] },
  );
  const layout = layoutOf(shapes, { heads, keyValueHeads });
  return { ...layout, params: noise(layout.spec.size, 17) };
}

describe('transformers', () => {
  const model = tinyLlama();
  const tokens = [3, 1, 4, 1, 5];
  const run = (m: UnitModel): number[] => llama(m, tokens, headDim, heads / keyValueHeads).flat();
  const base = run(model);

  it('keeps its function with wider MLPs and more heads', () => {
    const wide = net2Wider(model, 'mlp.1', { units: 17, seed: 2, split: 'uneven' });
    expect(largest(run(wide), base)).toBeLessThan(1e-5);
    const more = net2Wider(wide, 'heads.0', { units: 5, seed: 3 });
    expect(more.spec.get('model.layers.0.self_attn.q_proj.weight').shape).toEqual([5 * 2 * headDim, hidden]);
    expect(largest(run(more), base)).toBeLessThan(1e-5);
    expect(() => net2Wider(model, 'hidden', { units: 16 })).toThrow(RecycleError);
  });

  it('keeps its function to the bit with silent blocks, and can then be widened there', () => {
    const deep = net2Deeper(model, [0, 2, 2]);
    expect(deep.spec.has('model.layers.5.mlp.up_proj.weight')).toBe(true);
    expect(deep.spec.has('model.layers.6.mlp.up_proj.weight')).toBe(false);
    expect(run(deep)).toEqual(base);
    expect(largest(run(net2Wider(deep, 'mlp.5', { units: 12 })), base)).toBeLessThan(1e-5);
    expect(() => net2Deeper(model, [3])).toThrow(RecycleError);
  });

  it('stacks layers in any order', () => {
    const stacked = reorderLayers(model, [0, 1, 2, 0, 1, 2]);
    const part = 'mlp.down_proj.weight';
    for (let l = 0; l < 6; l++)
      expect(stacked.spec.slice(stacked.params, `model.layers.${l}.${part}`)).toEqual(
        model.spec.slice(model.params, `model.layers.${l % 3}.${part}`),
      );
    expect(run(reorderLayers(model, [0, 1, 2]))).toEqual(base);
    expect(() => reorderLayers(model, [0, 3])).toThrow(RecycleError);
    expect(() => reorderLayers(model, [])).toThrow(RecycleError);
  });

  it('subclones one order of units through the residual stream, rescaled, with the outer layers', () => {
    const small = subclone(model, { units: { hidden: 4, 'mlp.0': 5 }, layers: 2 });
    expect(small.spec.get('model.layers.0.mlp.down_proj.weight').shape).toEqual([4, 5]);
    expect(small.spec.get('model.layers.1.self_attn.q_proj.weight').shape).toEqual([heads * headDim, 4]);
    // The embedding sums nothing: its columns are columns of the old one, the same for every tensor.
    const [oldRows, newRows] = [model, small].map((m) => m.spec.slice(m.params, 'model.embed_tokens.weight'));
    const kept = Array.from(newRows.subarray(0, 4), (v) =>
      Array.from(oldRows.subarray(0, hidden)).indexOf(v),
    );
    expect(new Set(kept).size).toBe(4);
    const last = model.spec.slice(model.params, 'model.layers.2.self_attn.q_proj.weight');
    const query = small.spec.slice(small.params, 'model.layers.1.self_attn.q_proj.weight');
    // sqrt(8 / 4) where it sums over half as many inputs.
    kept.forEach((unit, i) => {
      expect(query[i]).toBeCloseTo(last[unit] * Math.SQRT2, 5);
    });
    expect(() => subclone(model, { units: { hidden: 9 } })).toThrow(RecycleError);
    expect(() => subclone(model, { units: { none: 1 } })).toThrow(RecycleError);
    expect(() => subclone(model, { layers: 4 })).toThrow(RecycleError);
  });

  it('keeps the units of the largest weights', () => {
    const units = unitModelOf(
      mlp({ layers: [2, 3, 2] }),
      Float32Array.of(1, 1, 9, 9, 5, 5, 0, 0, 0, 1, 9, 5, 1, 9, 5, 0, 0),
    );
    const [group] = units.exactGroups;
    const small = subclone(units, { units: { [group]: 2 } });
    expect([...small.spec.slice(small.params, 'fc1.weight')]).toEqual([9, 9, 5, 5]);
  });
});

describe('deepenDense', () => {
  it('keeps the function of a ReLU network', () => {
    const small = modelOf(readGolden('small/model.safetensors'));
    const deep = deepenDense(small, 'fc1', 'fc1b');
    const wide = net2Wider(deep, 'fc1b', { units: 9, seed: 4 });
    for (const seed of [1, 2, 3]) {
      const x = noise(5, seed);
      expect(forward(deep, ['fc1', 'fc1b', 'fc2'], x)).toEqual(forward(small, ['fc1', 'fc2'], x));
      expect(
        largest(forward(wide, ['fc1', 'fc1b', 'fc2'], x), forward(small, ['fc1', 'fc2'], x)),
      ).toBeLessThan(1e-5);
    }
    expect(() => deepenDense(small, 'fc2', 'fc3')).toThrow(RecycleError);
    expect(() => deepenDense(small, 'fc1', 'fc2')).toThrow(RecycleError);
  });

  it('refuses tensors of no known family', () => {
    for (const shapes of [
      [{ name: 'a.weight', shape: [2, 3] }],
      [
        { name: 'a.weight', shape: [2, 3] },
        { name: 'b.weight', shape: [4, 5] },
      ],
    ])
      expect(() => layoutOf(shapes)).toThrow(RecycleError);
  });
});
