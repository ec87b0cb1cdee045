/** Low-rank adapters as terms of the tensors they change. Hu et al. 2021, arXiv 2106.09685: W + (alpha / r) B A. */
import { isFloatDtype, isTensorDtype } from '../../tensor/safetensors/dtype.js';
import { MergeError } from '../errors.js';
import type { LowRankTerm } from '../plan.js';
import type { AdapterFacts, ModelFacts } from './sources.js';

export interface AdapterTerms {
  /** By name of the model's tensor. */
  readonly terms: ReadonlyMap<string, LowRankTerm>;
  /** Tensors that the adapter holds whole, by name of the model's tensor: name in the adapter. */
  readonly replaced: ReadonlyMap<string, string>;
}

const PREFIX = 'base_model.model.';
const LOW_A = /^(.*)\.lora_(embedding_)?A(?:\.default)?(?:\.weight)?$/;
const LOW_B = /^(.*)\.lora_(embedding_)?B(?:\.default)?(?:\.weight)?$/;

/**
 * @param index - of the adapter among the plan's models.
 * @throws {MergeError} of class `bad_adapter` for what cannot be added: other kinds of adapter, tensors without a place, shapes.
 */
export function adapterTerms(model: ModelFacts, adapter: AdapterFacts, index: number): AdapterTerms {
  const { config, tensors, path } = adapter;
  const kind = config.peft_type;
  if (kind !== undefined && kind !== 'LORA') throw bad(path, `is of type ${String(kind)}, not LORA`);
  if (config.use_dora === true) throw bad(path, 'uses DoRA, whose magnitudes are no low-rank product');
  const terms = new Map<string, LowRankTerm>();
  const replaced = new Map<string, string>();
  for (const [name, { dtype }] of tensors) {
    if (!isFloatDtype(dtype) || !isTensorDtype(dtype)) throw bad(path, `${name} is ${dtype}, not a float`);
    const high = LOW_B.exec(name);
    if (high !== null) {
      const a = name.replace(/lora_(embedding_)?B/, 'lora_$1A');
      if (!tensors.has(a)) throw bad(path, `${name} has no partner ${a}`);
      continue;
    }
    const low = LOW_A.exec(name);
    if (low !== null) {
      const module = bare(low[1]);
      terms.set(`${module}.weight`, termOf(model, adapter, index, name, module, low[2] !== undefined));
      continue;
    }
    const target = bare(name).replace(/\.modules_to_save(\.default)?\./, '.');
    if (!model.tensors.has(target)) throw bad(path, `${name} has no place in ${model.path}`);
    replaced.set(target, name);
  }
  if (terms.size === 0 && replaced.size === 0) throw bad(path, 'holds no tensors');
  return { terms, replaced };
}

function termOf(
  model: ModelFacts,
  adapter: AdapterFacts,
  index: number,
  a: string,
  module: string,
  embedding: boolean,
): LowRankTerm {
  const { config, tensors, path } = adapter;
  const target = `${module}.weight`;
  const weight = model.tensors.get(target);
  const b = a.replace(/lora_(embedding_)?A/, 'lora_$1B');
  const aShape = tensors.get(a)?.shape ?? [];
  const bShape = tensors.get(b)?.shape;
  if (weight === undefined) throw bad(path, `${a} has no place: ${model.path} holds no ${target}`);
  if (bShape === undefined) throw bad(path, `${a} has no partner ${b}`);
  const rank = aShape[0] ?? 0;
  const transposed = embedding || config.fan_in_fan_out === true;
  // Of a convolution A has the kernel's axes behind the channels and B is 1 x 1: both are matrices still.
  const inputs = sizeOf(aShape) / rank;
  const outputs = sizeOf(bShape) / rank;
  const [rows, columns] = transposed ? [inputs, outputs] : [outputs, inputs];
  const { shape } = weight;
  if (!(rank > 0) || bShape[1] !== rank || rows !== shape[0] || columns !== sizeOf(shape.slice(1)))
    throw bad(path, `${a} [${aShape}] and ${b} [${bShape}] do not make ${target} [${shape}]`);
  const named = patternValue(adapter, 'rank_pattern', module) ?? config.r;
  if (typeof named === 'number' && named !== rank)
    throw bad(path, `${a} has rank ${rank}, and adapter_config.json says ${named}`);
  return { model: index, a, b, rank, scale: scaleOf(adapter, module, rank), transposed };
}

function bare(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((n, size) => n * size, 1);
}

/** alpha / r, or alpha / sqrt(r) for rank-stabilised adapters (Kalajdzievski 2023, arXiv 2312.03732). */
function scaleOf(adapter: AdapterFacts, module: string, rank: number): number {
  const { config, path } = adapter;
  const alpha = patternValue(adapter, 'alpha_pattern', module) ?? config.lora_alpha ?? 8;
  if (typeof alpha !== 'number' || !Number.isFinite(alpha))
    throw bad(path, `lora_alpha is ${String(alpha)}, not a number`);
  return config.use_rslora === true ? alpha / Math.sqrt(rank) : alpha / rank;
}

/** Names, dots, alternatives, digits and at most one "anything": what patterns are made of, and none that takes long to match. */
const SIMPLE_PATTERN =
  /^\^?(?:[\w.-]|\\\.|\\d\+?|\[\d+-\d+\]|\((?:\?:)?[\w.|-]+\))*(?:\.\*)?(?:[\w.-]|\\\.|\\d\+?|\((?:\?:)?[\w.|-]+\))*\$?$/;

/** The value that `rank_pattern` or `alpha_pattern` gives a module: the first key that is the end of its name, or matches it. */
function patternValue({ config, path }: AdapterFacts, key: string, module: string): unknown {
  const patterns = config[key];
  if (typeof patterns !== 'object' || patterns === null) return undefined;
  for (const [pattern, value] of Object.entries(patterns)) {
    if (module === pattern || module.endsWith(`.${pattern}`)) return value;
    if (/^[\w.-]+$/.test(pattern)) continue;
    if (pattern.length > 500 || !SIMPLE_PATTERN.test(pattern))
      throw bad(
        path,
        `${key} has the regular expression ${JSON.stringify(pattern)}, which is not understood`,
      );
    const body = pattern.replace(/^\^/, '').replace(/\$$/, '');
    const prefix = pattern.startsWith('^') ? '' : '(?:.*\\.)?';
    if (new RegExp(`^${prefix}(?:${body})$`).test(module)) return value;
  }
  return undefined;
}

function bad(path: string, problem: string): MergeError {
  return new MergeError(
    'bad_adapter',
    `${path}: ${problem}`,
    'name the adapter that was trained on this very model, or merge it into the model with its own tool',
    { model: path },
  );
}
