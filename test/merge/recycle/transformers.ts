/** Llama-like and GPT-2-like models and their forward passes in float64, from tensors and configuration alone. */
import type { FlatModel, FlatTensor } from '../../../src/tensor/safetensors/flat-model.js';

export function noise(n: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export const largest = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((top, v, i) => Math.max(top, Math.abs(v - b[i])), a.length === b.length ? 0 : Infinity);

function tensorsOf(shapes: Readonly<Record<string, number[]>>): Map<string, FlatTensor> {
  return new Map(
    Object.entries(shapes).map(([name, shape], k) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, { dtype: 'F32', shape, values: noise(size, 31 * k + 7) }];
    }),
  );
}

interface GptSize {
  hidden: number;
  heads: number;
  inner: number;
  layers: number;
}

export function tinyGpt2({ hidden, heads, inner, layers }: GptSize): FlatModel {
  const shapes: Record<string, number[]> = { 'wte.weight': [11, hidden], 'wpe.weight': [6, hidden] };
  for (let l = 0; l < layers; l++)
    for (const [part, shape] of [
      ['ln_1', [hidden]],
      ['attn.c_attn', [hidden, 3 * hidden]],
      ['attn.c_proj', [hidden, hidden]],
      ['ln_2', [hidden]],
      ['mlp.c_fc', [hidden, inner]],
      ['mlp.c_proj', [inner, hidden]],
    ] as [string, number[]][]) {
      shapes[`h.${l}.${part}.weight`] = shape;
      shapes[`h.${l}.${part}.bias`] = shape.slice(-1);
    }
  shapes['ln_f.weight'] = [hidden];
  shapes['ln_f.bias'] = [hidden];
  const config = {
    model_type: 'gpt2',
    n_embd: hidden,
    n_head: heads,
    n_inner: inner,
    n_layer: layers,
    layer_norm_epsilon: 1e-3,
  };
  return { tensors: tensorsOf(shapes), config };
}

export interface Attention {
  readonly heads: number;
  readonly causal: boolean;
}

/** Softmax attention of rows of q, k and v. */
export function attend(
  q: readonly number[][],
  k: readonly number[][],
  v: readonly number[][],
  { heads, causal }: Attention,
): number[][] {
  const width = q[0].length / heads;
  return q.map((row, i) =>
    Array.from({ length: heads }, (_, h) => {
      const piece = (x: readonly number[]): number[] => x.slice(h * width, (h + 1) * width);
      const seen = causal ? i + 1 : k.length;
      const weights = k.slice(0, seen).map((key) => Math.exp(dot(piece(row), piece(key)) / Math.sqrt(width)));
      const total = weights.reduce((a, b) => a + b, 0);
      return Array.from({ length: width }, (_d, d) =>
        weights.reduce((sum, w, j) => sum + (w / total) * piece(v[j])[d], 0),
      );
    }).flat(),
  );
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, v, i) => sum + v * b[i], 0);
}

/** x W + b, W [in, out]. */
export function conv1d({ tensors }: FlatModel, name: string, x: readonly number[]): number[] {
  const weight = tensors.get(`${name}.weight`);
  const bias = tensors.get(`${name}.bias`);
  if (weight === undefined || bias === undefined) throw new Error(`no ${name}`);
  const [rows, columns] = weight.shape;
  if (rows !== x.length) throw new Error(`${name} reads ${rows}, got ${x.length}`);
  return Array.from({ length: columns }, (_, o) =>
    x.reduce((sum, v, i) => sum + v * weight.values[i * columns + o], bias.values[o]),
  );
}

export function layerNorm(
  { tensors }: FlatModel,
  name: string,
  x: readonly number[],
  epsilon: number,
): number[] {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length;
  const [gain, shift] = ['weight', 'bias'].map((part) => tensors.get(`${name}.${part}`)?.values ?? []);
  return x.map((v, i) => ((v - mean) / Math.sqrt(variance + epsilon)) * gain[i] + shift[i]);
}

/** tanh form; which one does not matter to what is tested. */
const gelu = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** Logits of GPT-2 with a tied head, as its code reads the configuration. */
export function gpt2(model: FlatModel, tokens: readonly number[]): number[] {
  const config = model.config as Record<string, number>;
  const { n_head: heads, n_layer: layers, n_embd: hidden, layer_norm_epsilon: epsilon } = config;
  const words = model.tensors.get('wte.weight')?.values ?? new Float32Array();
  const places = model.tensors.get('wpe.weight')?.values ?? new Float32Array();
  let stream = tokens.map((t, p) =>
    Array.from({ length: hidden }, (_, i) => words[t * hidden + i] + places[p * hidden + i]),
  );
  const add = (more: readonly number[][]): number[][] =>
    stream.map((row, i) => row.map((v, j) => v + more[i][j]));
  for (let l = 0; l < layers; l++) {
    const name = (part: string): string => `h.${l}.${part}`;
    const fused = stream.map((x) =>
      conv1d(model, name('attn.c_attn'), layerNorm(model, name('ln_1'), x, epsilon)),
    );
    const [q, k, v] = [0, 1, 2].map((third) =>
      fused.map((row) => row.slice((third * row.length) / 3, ((third + 1) * row.length) / 3)),
    );
    const attended = attend(q, k, v, { heads, causal: true });
    stream = add(attended.map((row) => conv1d(model, name('attn.c_proj'), row)));
    const inner = stream.map((x) =>
      conv1d(model, name('mlp.c_fc'), layerNorm(model, name('ln_2'), x, epsilon)).map(gelu),
    );
    stream = add(inner.map((row) => conv1d(model, name('mlp.c_proj'), row)));
  }
  return stream.flatMap((x) => {
    const y = layerNorm(model, 'ln_f', x, epsilon);
    return Array.from({ length: words.length / hidden }, (_, t) =>
      dot(Array.from(words.subarray(t * hidden, (t + 1) * hidden)), y),
    );
  });
}

interface LlamaSize {
  hidden: number;
  heads: number;
  keyValueHeads: number;
  headDim: number;
  inner: number;
  layers: number;
}

export function tinyLlama(size: LlamaSize): FlatModel {
  const { hidden, heads, keyValueHeads, headDim, inner, layers } = size;
  const shapes: Record<string, number[]> = { 'model.embed_tokens.weight': [11, hidden] };
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
      shapes[`model.layers.${l}.${part}.weight`] = shape;
  shapes['model.norm.weight'] = [hidden];
  shapes['lm_head.weight'] = [11, hidden];
  const config = {
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: inner,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: headDim,
    rms_norm_eps: 1e-3,
  };
  return { tensors: tensorsOf(shapes), config };
}

/** Logits of Llama as its code reads the configuration; rotation turns pairs of a head by position. */
export function llama({ tensors, config }: FlatModel, tokens: readonly number[]): number[] {
  const c = config as Record<string, number>;
  const { num_attention_heads: heads, num_key_value_heads: keyValueHeads, head_dim: width } = c;
  const at = (name: string): FlatTensor => tensors.get(`${name}.weight`) as FlatTensor;
  const product = (name: string, x: readonly number[]): number[] => {
    const { shape, values } = at(name);
    if (shape[1] !== x.length) throw new Error(`${name} reads ${shape[1]}, got ${x.length}`);
    return Array.from({ length: shape[0] }, (_, o) =>
      x.reduce((sum, v, i) => sum + v * values[o * shape[1] + i], 0),
    );
  };
  const norm = (name: string, x: readonly number[]): number[] => {
    const scale = 1 / Math.sqrt(dot(x, x) / x.length + c.rms_norm_eps);
    return x.map((v, i) => v * scale * at(name).values[i]);
  };
  const rotated = (x: readonly number[], place: number): number[] =>
    x.map((v, i) => {
      const within = i % width;
      const half = width / 2;
      const angle = place / 10000 ** ((2 * (within % half)) / width);
      const other = within < half ? -x[i + half] : x[i - half];
      return v * Math.cos(angle) + other * Math.sin(angle);
    });
  const repeated = (x: readonly number[]): number[] =>
    Array.from({ length: heads }, (_, h) => {
      const from = Math.floor(h / (heads / keyValueHeads)) * width;
      return x.slice(from, from + width);
    }).flat();
  const embed = at('model.embed_tokens');
  const hidden = embed.shape[1];
  let stream = tokens.map((t) => Array.from(embed.values.subarray(t * hidden, (t + 1) * hidden)));
  const add = (more: readonly number[][]): number[][] =>
    stream.map((row, i) => row.map((v, j) => v + more[i][j]));
  for (let l = 0; l < c.num_hidden_layers; l++) {
    const name = (part: string): string => `model.layers.${l}.${part}`;
    const read = stream.map((x) => norm(name('input_layernorm'), x));
    const q = read.map((x, p) => rotated(product(name('self_attn.q_proj'), x), p));
    const k = read.map((x, p) => repeated(rotated(product(name('self_attn.k_proj'), x), p)));
    const v = read.map((x) => repeated(product(name('self_attn.v_proj'), x)));
    const attended = attend(q, k, v, { heads, causal: true });
    stream = add(attended.map((row) => product(name('self_attn.o_proj'), row)));
    const inner = stream.map((x) => {
      const y = norm(name('post_attention_layernorm'), x);
      const up = product(name('mlp.up_proj'), y);
      return product(name('mlp.gate_proj'), y).map((g, i) => (g / (1 + Math.exp(-g))) * up[i]);
    });
    stream = add(inner.map((row) => product(name('mlp.down_proj'), row)));
  }
  return stream.flatMap((x) => product('lm_head', norm('model.norm', x)));
}
