/** What the planner has to know of a model; everything that can be had without reading a tensor. */
import type { StoredDtype } from '../../tensor/safetensors/dtype.js';
import type { InputScale } from '../plan.js';
import type { TokenizerFacts } from '../tokenizer/vocabulary.js';

export interface TensorFacts {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
}

/** A PEFT low-rank adapter: adapter_config.json and the tensors of adapter_model.safetensors. */
export interface AdapterFacts {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorFacts>;
  readonly config: Readonly<Record<string, unknown>>;
}

/** A file of measurements beside a model, as fisher.safetensors. */
export interface SidecarFacts {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorFacts>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A file beside the tensors that goes with the model, as tokenizer.json. */
export interface CompanionFile {
  readonly name: string;
  /** Where it lies; absent for models in memory. */
  readonly path?: string;
  /** Its text, for those that the planner may have to change (tokenizer.json, tokenizer_config.json). */
  readonly content?: string;
  /** Its bytes, where it is not text (tokenizer.model). */
  readonly bytes?: Uint8Array;
}

/** A `ModelSource` of `src/tensor/safetensors` is one, without tokenizer and companions. */
export interface ModelFacts {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorFacts>;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tokenizer?: TokenizerFacts;
  readonly companions?: readonly CompanionFile[];
  readonly adapter?: AdapterFacts;
  /** What the recipe's method weighs the model by, where it needs something and the model has it. */
  readonly sidecar?: SidecarFacts;
  /** By weight; the tensors that hold the scales are not among `tensors`. */
  readonly scales?: ReadonlyMap<string, InputScale>;
}

/** Names that are copied with a model, in the order in which they are written. */
export const COMPANION_NAMES = [
  'tokenizer_config.json',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer.model',
  'spiece.model',
  'sentencepiece.bpe.model',
  'added_tokens.json',
  'merges.txt',
  'vocab.json',
  'vocab.txt',
  'chat_template.jinja',
  'chat_template.json',
  'generation_config.json',
  'preprocessor_config.json',
  'video_preprocessor_config.json',
] as const;

type Json = Readonly<Record<string, unknown>>;

/** The part of a configuration that describes the language model: the whole, or `text_config` of a multi-modal one. */
export function languageConfig(config: Json): Json {
  const nested = config.text_config;
  return typeof nested === 'object' && nested !== null && layerKey(config) === undefined
    ? (nested as Json)
    : config;
}

const LAYER_KEYS = ['num_hidden_layers', 'n_layer', 'num_layers', 'n_layers'] as const;

/** The key that holds the number of layers. */
export function layerKey(config: Json): string | undefined {
  return LAYER_KEYS.find((key) => typeof config[key] === 'number');
}

export function numberOf(config: Json | undefined, key: string): number | undefined {
  const value = config === undefined ? undefined : languageConfig(config)[key];
  return typeof value === 'number' ? value : undefined;
}
