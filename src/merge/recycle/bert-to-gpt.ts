/**
 * A GPT-2-like decoder from the weights of a BERT-like encoder (the warm start of Rothe, Narayan and Severyn 2020, arXiv 1907.12461).
 *
 * Not function-preserving: BERT normalises its residual stream and GPT-2 does not, and the causal mask hides half of what BERT saw. The
 * report says of every tensor where it came from and how exact that is.
 */
import { randomKey } from '../../kernels/address.js';
import { normalF32 } from '../../kernels/reference/random.js';
import { RecycleError, UnassignedTensorError } from './errors.js';
import type { NamedTensor, Provenance, Tensors } from './mapped.js';
import { type WordRowOptions, wordRows } from './word-rows.js';

export interface BertToGptOptions extends WordRowOptions {
  /** Name of the encoder's activation, for the notes. Default: 'gelu', which is the one with erf. */
  readonly activation?: string;
  /** Layers of the decoder; further ones are fresh. Default: as many as the encoder has. */
  readonly layers?: number;
  /** Positions of the decoder. Default: as many as the encoder has. */
  readonly positions?: number;
  /** How positions beyond the encoder's are made: interpolated over the new length, or repeated. Default: 'interpolate'. */
  readonly stretch?: 'interpolate' | 'tile';
  /** Of fresh layers. Default: 0. */
  readonly seed?: number | string | bigint;
}

export interface BertToGptResult {
  readonly tensors: Tensors;
  /** One entry a tensor of the decoder, in its order. */
  readonly provenance: readonly Provenance[];
  /** Tensors of the encoder that nothing was made of. */
  readonly dropped: readonly string[];
  /** What the decoder does otherwise than the encoder. */
  readonly notes: readonly string[];
}

/** Standard deviation of GPT-2's initial weights. */
const initialStddev = 0.02;

/**
 * @param source - names as `bert-base`, with or without the prefix `bert.`; float32 values.
 * @throws {RecycleError} for a source that is no BERT-like encoder.
 * @throws {UnassignedTensorError} if a tensor of the decoder got no source, or two.
 */
export function bertToGpt(source: Tensors, options: BertToGptOptions = {}): BertToGptResult {
  const input = new Source(source);
  const words = input.take('embeddings.word_embeddings.weight');
  const hidden = words.shape[1];
  const sourceLayers = input.layers();
  if (sourceLayers === 0)
    throw new RecycleError(
      'the source has no encoder layers',
      'names hold encoder.layer.0. in a BERT-like model',
    );
  const layers = options.layers ?? sourceLayers;
  const inner = input.peek('encoder.layer.0.intermediate.dense.weight').shape[0];
  const target = new Target();
  const mapped = Math.min(layers, sourceLayers);

  target.put('wte.weight', ...wordRows(words, options));
  target.put('wpe.weight', ...positionEmbeddings(input, options));
  for (const part of ['weight', 'bias'])
    target.put(`h.0.ln_1.${part}`, input.take(`embeddings.LayerNorm.${part}`), {
      sources: [`embeddings.LayerNorm.${part}`],
      operator: 'copy: the norm behind the embeddings stands before the first attention',
      exactness: 'approximate',
    });
  for (let i = 0; i < mapped; i++) mapLayer(input, target, i, i + 1 === layers);
  for (let i = sourceLayers; i < layers; i++)
    freshLayer(target, i, { hidden, inner, seed: options.seed ?? 0, last: i + 1 === layers });

  target.check(expectedNames(layers));
  return {
    tensors: target.tensors,
    provenance: target.provenance.map((entry) => ({ ...entry, sources: entry.sources.map(input.written) })),
    dropped: input.unused(),
    notes: [
      'BERT normalises the residual stream behind each sublayer, GPT-2 in front of it: the decoder does not compute what the encoder did and needs training',
      options.activation === undefined || options.activation === 'gelu'
        ? "BERT's GELU is the one with erf; give the decoder activation_function gelu instead of gelu_new"
        : `the encoder's activation is ${options.activation}; give the decoder the same activation_function`,
      'BERT adds 1e-12 to the variance in its norms; give the decoder layer_norm_epsilon 1e-12',
      'the causal mask belongs to the code of the decoder, not to its weights',
      'the head is tied to wte.weight; the bias of the masked-language head has no counterpart',
      ...(layers > sourceLayers
        ? [
            layers - sourceLayers === 1
              ? `layer ${sourceLayers} is freshly initialised`
              : `layers ${sourceLayers} to ${layers - 1} are freshly initialised`,
          ]
        : []),
    ],
  };
}

/** The encoder, with a record of what was used. */
class Source {
  readonly #used = new Set<string>();
  readonly #names = new Map<string, string>();

  constructor(readonly tensors: Tensors) {
    for (const name of tensors.keys()) this.#names.set(name.replace(/^bert\./, ''), name);
  }

  peek(name: string): NamedTensor {
    const tensor = this.tensors.get(this.#names.get(name) ?? name);
    if (tensor === undefined)
      throw new RecycleError(
        `the source has no tensor ${name}`,
        'give the tensors of a BERT-like encoder: embeddings, encoder.layer.N, each complete',
      );
    return tensor;
  }

  take(name: string): NamedTensor {
    const tensor = this.peek(name);
    this.#used.add(name);
    return tensor;
  }

  layers(): number {
    let count = 0;
    while (this.#names.has(`encoder.layer.${count}.intermediate.dense.weight`)) count++;
    return count;
  }

  /** A tensor, or a part of one as `name[0]`, as the file calls it. */
  readonly written = (name: string): string => {
    const [, whole, part] = /^([^[]*)(.*)$/.exec(name) ?? [];
    return `${this.#names.get(whole) ?? whole}${part}`;
  };

  has(name: string): boolean {
    return this.#names.has(name);
  }

  unused(): string[] {
    const types = 'embeddings.token_type_embeddings.weight';
    const rows = this.#used.has(types) ? this.peek(types).shape[0] : 0;
    return [
      ...[...this.#names].filter(([name]) => !this.#used.has(name)).map(([, name]) => name),
      ...(rows > 1 ? [this.written(`${types}[1${rows > 2 ? ` to ${rows - 1}` : ''}]`)] : []),
    ];
  }
}

type Origin = Omit<Provenance, 'target'>;

/** The decoder. */
class Target {
  readonly tensors = new Map<string, NamedTensor>();
  readonly provenance: Provenance[] = [];
  readonly #twice: string[] = [];

  put(name: string, tensor: NamedTensor, origin: Origin): void {
    if (this.tensors.has(name)) this.#twice.push(name);
    this.tensors.set(name, tensor);
    this.provenance.push({ target: name, ...origin });
  }

  check(expected: readonly string[]): void {
    const wrong = [...expected.filter((name) => !this.tensors.has(name)), ...this.#twice];
    if (wrong.length > 0 || this.tensors.size !== expected.length) throw new UnassignedTensorError(wrong);
  }
}

function expectedNames(layers: number): string[] {
  const parts = ['ln_1', 'attn.c_attn', 'attn.c_proj', 'ln_2', 'mlp.c_fc', 'mlp.c_proj'];
  const both = (name: string): string[] => [`${name}.weight`, `${name}.bias`];
  return [
    'wte.weight',
    'wpe.weight',
    ...Array.from({ length: layers }, (_, i) => parts.flatMap((part) => both(`h.${i}.${part}`))).flat(),
    ...both('ln_f'),
  ];
}

function mapLayer(input: Source, target: Target, layer: number, last: boolean): void {
  const from = `encoder.layer.${layer}`;
  const to = `h.${layer}`;
  const qkv = ['query', 'key', 'value'].map((part) => `${from}.attention.self.${part}`);
  const weights = qkv.map((name) => input.take(`${name}.weight`));
  target.put(`${to}.attn.c_attn.weight`, transposed(concatenated(weights)), {
    sources: qkv.map((name) => `${name}.weight`),
    operator: 'concatenate q, k, v along the output, transpose',
    exactness: 'exact',
  });
  target.put(`${to}.attn.c_attn.bias`, concatenated(qkv.map((name) => input.take(`${name}.bias`))), {
    sources: qkv.map((name) => `${name}.bias`),
    operator: 'concatenate q, k, v',
    exactness: 'exact',
  });
  const dense: readonly [string, string][] = [
    [`${from}.attention.output.dense`, `${to}.attn.c_proj`],
    [`${from}.intermediate.dense`, `${to}.mlp.c_fc`],
    [`${from}.output.dense`, `${to}.mlp.c_proj`],
  ];
  for (const [source, name] of dense) {
    const origin = { sources: [`${source}.weight`], operator: 'transpose', exactness: 'exact' } as const;
    target.put(`${name}.weight`, transposed(input.take(`${source}.weight`)), origin);
    target.put(`${name}.bias`, input.take(`${source}.bias`), {
      sources: [`${source}.bias`],
      operator: 'copy',
      exactness: 'exact',
    });
  }
  const norms: readonly [string, string, string][] = [
    [
      `${from}.attention.output.LayerNorm`,
      `${to}.ln_2`,
      'the norm behind the attention stands before the MLP',
    ],
    [
      `${from}.output.LayerNorm`,
      last ? 'ln_f' : `h.${layer + 1}.ln_1`,
      last ? 'the last norm' : 'the norm behind the MLP stands before the next attention',
    ],
  ];
  for (const [source, name, why] of norms)
    for (const part of ['weight', 'bias'])
      target.put(`${name}.${part}`, input.take(`${source}.${part}`), {
        sources: [`${source}.${part}`],
        operator: `copy: ${why}`,
        exactness: 'approximate',
      });
}

interface FreshOptions {
  readonly hidden: number;
  readonly inner: number;
  readonly seed: number | string | bigint;
  readonly last: boolean;
}

/** As GPT-2 begins: normal weights, zero biases, neutral norms. The norm before it is the mapped one's. */
function freshLayer(target: Target, layer: number, { hidden, inner, seed, last }: FreshOptions): void {
  const { key0, key1 } = randomKey(seed, { purpose: 'init' });
  const origin: Origin = { sources: [], operator: 'initialise', exactness: 'random' };
  const shapes: readonly [string, number, number][] = [
    ['attn.c_attn', hidden, 3 * hidden],
    ['attn.c_proj', hidden, hidden],
    ['mlp.c_fc', hidden, inner],
    ['mlp.c_proj', inner, hidden],
  ];
  shapes.forEach(([part, rows, columns], site) => {
    const values = new Float32Array(rows * columns);
    normalF32(values, initialStddev, key0, key1, 0, 0, layer, site);
    target.put(`h.${layer}.${part}.weight`, { shape: [rows, columns], values }, origin);
    const bias = new Float32Array(columns);
    target.put(`h.${layer}.${part}.bias`, { shape: [columns], values: bias }, origin);
  });
  for (const norm of [`h.${layer}.ln_2`, last ? 'ln_f' : `h.${layer + 1}.ln_1`]) {
    target.put(`${norm}.weight`, { shape: [hidden], values: new Float32Array(hidden).fill(1) }, origin);
    target.put(`${norm}.bias`, { shape: [hidden], values: new Float32Array(hidden) }, origin);
  }
}

function positionEmbeddings(input: Source, options: BertToGptOptions): [NamedTensor, Origin] {
  const positions = input.take('embeddings.position_embeddings.weight');
  const sources = ['embeddings.position_embeddings.weight'];
  const [rows, hidden] = positions.shape;
  const length = options.positions ?? rows;
  if (!Number.isInteger(length) || length < 1)
    throw new RecycleError(`positions is ${length}`, 'give a whole number of at least 1');
  const values = new Float32Array(length * hidden);
  const tile = options.stretch === 'tile';
  let type: Float32Array | undefined;
  if (input.has('embeddings.token_type_embeddings.weight')) {
    // Row 0 is the type of every token of a single text; the others are dropped.
    type = input.take('embeddings.token_type_embeddings.weight').values.subarray(0, hidden);
    sources.push('embeddings.token_type_embeddings.weight[0]');
  }
  for (let row = 0; row < length; row++) {
    const place = row < rows || tile ? row % rows : beyond(row, rows, length);
    const low = Math.floor(place);
    const high = Math.min(rows - 1, low + 1);
    const part = place - low;
    for (let i = 0; i < hidden; i++) {
      const position =
        (1 - part) * positions.values[low * hidden + i] + part * positions.values[high * hidden + i];
      values[row * hidden + i] = position + (type?.[i] ?? 0);
    }
  }
  const operator =
    length <= rows
      ? `first ${length} rows`
      : `${rows} rows copied, ${length - rows} ${tile ? 'repeated from the first on' : 'interpolated over the learned ones'}`;
  return [
    { shape: [length, hidden], values },
    {
      sources,
      operator: type === undefined ? operator : `${operator}, plus the embedding of token type 0`,
      exactness: length <= rows ? 'exact' : 'approximate',
    },
  ];
}

/** Rows beyond the learned ones run once more through them, evenly. */
function beyond(row: number, rows: number, length: number): number {
  const extra = length - rows;
  return extra === 1 ? rows - 1 : ((row - rows) * (rows - 1)) / (extra - 1);
}

function concatenated(tensors: readonly NamedTensor[]): NamedTensor {
  const values = new Float32Array(tensors.reduce((sum, tensor) => sum + tensor.values.length, 0));
  let at = 0;
  for (const tensor of tensors) {
    values.set(tensor.values, at);
    at += tensor.values.length;
  }
  const rows = tensors.reduce((sum, { shape }) => sum + shape[0], 0);
  return { shape: [rows, ...tensors[0].shape.slice(1)], values };
}

function transposed({ shape: [rows, columns], values }: NamedTensor): NamedTensor {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c];
  return { shape: [columns, rows], values: out };
}
