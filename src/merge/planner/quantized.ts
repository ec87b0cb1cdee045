/** Quantized checkpoints in a plan: eight-bit weights with scales become floats; packed formats are refused, or copied byte for byte. */
import type { MergeMethod } from '../../combine/merge/method.js';
import { isFloatDtype, isTensorDtype } from '../../tensor/safetensors/dtype.js';
import { scaledWeights, unquantizedConfig, unquantizedDtype } from '../../tensor/safetensors/scales.js';
import { MergeError } from '../errors.js';
import { type Recipe, referencesOf } from '../recipe/recipe.js';
import { parameterScopes } from './parameters.js';
import type { ModelFacts } from './sources.js';

export interface QuantizedModels {
  /** The models as tensors of floats: without the scales that were taken in. */
  readonly models: ReadonlyMap<string, ModelFacts>;
  /** Some tensors are quantized and all are copied as they are: names are taken as found. */
  readonly copied: boolean;
  readonly warnings: readonly string[];
}

/**
 * Decides what becomes of quantized tensors. Where a recipe only copies (passthrough without scale, dtype and out_dtype) they stay as
 * they are, scales and configuration included.
 *
 * @throws {MergeError} of class `unsupported_dtype` for packed weights, and for scales that cannot be applied, in any other recipe.
 */
export function settleQuantized(
  recipe: Recipe,
  method: MergeMethod,
  models: ReadonlyMap<string, ModelFacts>,
): QuantizedModels {
  const onlyCopies =
    method.name === 'passthrough' &&
    recipe.dtype === undefined &&
    recipe.outDtype === undefined &&
    recipe.tokenizer === undefined &&
    parameterScopes(recipe).every(({ parameters }) => parameters.size === 0);
  const settled = new Map(models);
  const warnings: string[] = [];
  let copied = false;
  // A model that only lends a tokenizer may be quantized as it likes.
  for (const { text } of referencesOf({ ...recipe, tokenizer: undefined })) {
    const facts = models.get(text);
    if (facts === undefined) continue;
    const packed = packedTensor(facts);
    if (onlyCopies && facts.adapter === undefined) {
      copied ||= packed !== undefined || scaledWeights(facts.tensors, facts.config) !== undefined;
      continue;
    }
    if (packed !== undefined) throw refusePacked(text, packed);
    const floats = withScales(text, facts);
    if (floats !== facts)
      warnings.push(
        `${text}: ${floats.scales?.size} eight-bit tensors are read with their scales, as ${unquantizedDtype(facts.config)}`,
      );
    settled.set(text, floats);
  }
  return { models: settled, copied, warnings };
}

function withScales(text: string, facts: ModelFacts): ModelFacts {
  const { tensors, config } = facts;
  const scaled = scaledWeights(tensors, config);
  if (scaled === undefined) return facts;
  if (scaled.problem !== undefined) {
    const { weight, why } = scaled.problem;
    const { dtype } = tensors.get(weight) ?? {};
    throw new MergeError(
      'unsupported_dtype',
      `${weight} of ${text} is ${dtype} and cannot be read as floats: ${why}`,
      'convert the model to bfloat16 with the tool that quantized it, or copy it with passthrough and no dtype',
      { tensor: weight, model: text, actual: dtype },
    );
  }
  const dtype = unquantizedDtype(config);
  return {
    ...facts,
    tensors: new Map([...tensors].filter(([name]) => !scaled.taken.has(name))),
    scales: new Map([...scaled.scales].map(([name, scale]) => [name, { ...scale, dtype }])),
    ...(config && { config: unquantizedConfig(config) }),
  };
}

interface PackedTensor {
  readonly tensor: string;
  readonly dtype: string;
  readonly format: string;
  readonly count: number;
}

/** Endings of names that only packed formats have, and the format. */
const PACKED: readonly (readonly [RegExp, string])[] = [
  [/\.(qweight|qzeros|g_idx)$/, 'GPTQ or AWQ'],
  [/\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\..+|SCB|weight_format)$/, 'bitsandbytes'],
  [/\.weight_packed$/, 'compressed-tensors'],
  [/_(blocks|scales)$/, 'MXFP4'],
  [/\.W_q$/, 'HQQ'],
];

function packedTensor({ tensors, config }: ModelFacts): PackedTensor | undefined {
  const found = [...tensors].flatMap(([tensor, { dtype }]) => {
    const format = PACKED.find(([name]) => name.test(tensor))?.[1];
    if (format === undefined && (isTensorDtype(dtype) || !isFloatDtype(dtype))) return [];
    // Scales of microscaling formats come as unsigned bytes; floats of that name belong to something else.
    if (format === 'MXFP4' && dtype !== 'U8') return [];
    return [{ tensor, dtype, format: format ?? `${dtype} values` }];
  });
  const [first] = found;
  if (first === undefined) return undefined;
  return { ...first, format: namedFormat(config) ?? first.format, count: found.length };
}

const FORMAT_NAMES: Readonly<Record<string, string>> = {
  gptq: 'GPTQ',
  awq: 'AWQ',
  bitsandbytes: 'bitsandbytes',
  'compressed-tensors': 'compressed-tensors',
  mxfp4: 'MXFP4',
  hqq: 'HQQ',
};

function namedFormat(config: ModelFacts['config']): string | undefined {
  const quantization = config?.quantization_config;
  if (typeof quantization !== 'object' || quantization === null) return undefined;
  const { quant_method: method } = quantization as { quant_method?: unknown };
  return typeof method === 'string' ? FORMAT_NAMES[method] : undefined;
}

function refusePacked(model: string, { tensor, dtype, format, count }: PackedTensor): MergeError {
  const others = count > 1 ? ` and ${count - 1} more tensors are` : ' is';
  return new MergeError(
    'unsupported_dtype',
    `${tensor} (${dtype})${others} part of packed ${format} weights of ${model}, which cannot be computed with`,
    'merge the models before they are quantized, or copy this one with passthrough without scale, dtype and tokenizer',
    { tensor, model, actual: dtype },
  );
}
