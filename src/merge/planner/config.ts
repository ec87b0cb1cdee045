/** config.json of an output: the donor's, with what the merge changes. */
import type { OutputTensor, TensorDtype } from '../plan.js';
import { INPUT_SCALES } from './scales.js';
import { languageConfig, layerKey } from './sources.js';

type Json = Readonly<Record<string, unknown>>;

const TORCH_NAMES: Partial<Record<TensorDtype, string>> = {
  BF16: 'bfloat16',
  F16: 'float16',
  F32: 'float32',
  F64: 'float64',
  I64: 'int64',
};

export interface ConfigChanges {
  /** Number of layers that slices make. */
  readonly layers?: number;
  readonly vocabularySize?: number;
  /** One a layer, where the recipe gives them. */
  readonly inputScales?: readonly number[];
  /** Type asked for by the recipe. */
  readonly dtype?: TensorDtype;
}

export function outputConfig(donor: Json, changes: ConfigChanges): Json {
  const language = languageConfig(donor);
  const inner: Record<string, unknown> = { ...language };
  const key = layerKey(language);
  if (changes.layers !== undefined) {
    inner[key ?? 'num_hidden_layers'] = changes.layers;
    // One entry a layer; a list of another length keeps the model from loading.
    if (Array.isArray(inner.layer_types) && inner.layer_types.length !== changes.layers)
      delete inner.layer_types;
  }
  if (changes.vocabularySize !== undefined) inner.vocab_size = changes.vocabularySize;
  const outer: Record<string, unknown> = language === donor ? inner : { ...donor, text_config: inner };
  if (changes.inputScales !== undefined) outer[INPUT_SCALES] = changes.inputScales;
  const name = changes.dtype === undefined ? undefined : TORCH_NAMES[changes.dtype];
  if (name !== undefined) {
    // Newer configurations call it `dtype`.
    const newer = 'dtype' in outer && !('torch_dtype' in outer);
    outer[newer ? 'dtype' : 'torch_dtype'] = name;
  }
  return outer;
}

/** Keys of the configurations in which models differ and which make their weights incomparable. */
const TELLING_KEYS = [
  'vocab_size',
  'rope_parameters',
  'partial_rotary_factor',
  'layer_norm_epsilon',
  'bos_token_id',
  'eos_token_id',
  'rope_theta',
  'rope_scaling',
  'max_position_embeddings',
  'tie_word_embeddings',
  'rms_norm_eps',
  'num_attention_heads',
  'num_key_value_heads',
  'hidden_act',
  'sliding_window',
];

export function configDifferences(
  models: readonly { readonly text: string; readonly config?: Json }[],
): string[] {
  const [first, ...others] = models;
  if (first?.config === undefined) return [];
  const own = languageConfig(first.config);
  return others.flatMap(({ text, config }) => {
    if (config === undefined) return [`${text} has no config.json, ${first.text} has one`];
    const theirs = languageConfig(config);
    return TELLING_KEYS.filter(
      (key) => key in own && key in theirs && JSON.stringify(own[key]) !== JSON.stringify(theirs[key]),
    ).map(
      (key) =>
        `${key} is ${JSON.stringify(own[key])} in ${first.text} and ${JSON.stringify(theirs[key])} in ${text}`,
    );
  });
}

/** Keys that say how large the tensors of a model are. */
const SIZE_KEYS = [
  'hidden_size',
  'n_embd',
  'intermediate_size',
  'num_attention_heads',
  'num_key_value_heads',
  'head_dim',
  'num_experts',
  'num_local_experts',
];

/** Sizes in which configurations differ: one line instead of many tensors that do not fit; undefined if there are none. */
export function sizeDifferences(
  models: readonly { readonly text: string; readonly config?: Json }[],
): string | undefined {
  const found = SIZE_KEYS.flatMap((key) => {
    const sizes = models.flatMap(({ text, config }) => {
      const value = config === undefined ? undefined : languageConfig(config)[key];
      return typeof value === 'number' ? [{ text, value }] : [];
    });
    if (new Set(sizes.map(({ value }) => value)).size < 2) return [];
    return [`${key} is ${sizes.map(({ text, value }) => `${value} in ${text}`).join(', ')}`];
  });
  return found.length === 0 ? undefined : `the models are of different sizes: ${found.join('; ')}`;
}

/** Rows of the first embedding of the outputs, where inputs were cut to them. */
export function cutRows(outputs: readonly OutputTensor[]): number | undefined {
  return outputs.find(({ inputs }) => inputs.some(({ rows }) => rows?.kind === 'cut'))?.shape[0];
}
