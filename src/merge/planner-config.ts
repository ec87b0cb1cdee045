/** config.json of an output: the donor's, with what the merge changes. */
import type { OutputTensor, TensorDtype } from './plan.js';
import { languageConfig, layerKey } from './planner-sources.js';

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

/** Rows of the first embedding of the outputs, where inputs were cut to them. */
export function cutRows(outputs: readonly OutputTensor[]): number | undefined {
  return outputs.find(({ inputs }) => inputs.some(({ rows }) => rows?.kind === 'cut'))?.shape[0];
}
