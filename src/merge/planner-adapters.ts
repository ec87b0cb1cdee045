/** Low-rank adapters as terms of the tensors they change. Hu et al. 2021, arXiv 2106.09685: W + (alpha / r) B A. */
import { MergeError } from './errors.js';
import type { LowRankTerm } from './plan.js';
import type { AdapterFacts, ModelFacts } from './planner-sources.js';

export interface AdapterTerms {
  /** By name of the model's tensor. */
  readonly terms: ReadonlyMap<string, LowRankTerm>;
  /** Tensors that the adapter holds whole, by name of the model's tensor: name in the adapter. */
  readonly replaced: ReadonlyMap<string, string>;
}

const PREFIX = 'base_model.model.';

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
  for (const [name, { shape }] of tensors) {
    if (/\.lora_(embedding_)?B(\.default)?(\.weight)?$/.test(name)) continue;
    const low = /^(.*)\.lora_(embedding_)?A(?:\.default)?(?:\.weight)?$/.exec(name);
    if (low === null) {
      const target = bare(name).replace(/\.modules_to_save(\.default)?\./, '.');
      if (!model.tensors.has(target)) throw bad(path, `${name} has no place in ${model.path}`);
      replaced.set(target, name);
      continue;
    }
    const module = bare(low[1]);
    const target = `${module}.weight`;
    const weight = model.tensors.get(target);
    const b = name.replace(/lora_(embedding_)?A/, 'lora_$1B');
    const bShape = tensors.get(b)?.shape;
    if (weight === undefined) throw bad(path, `${name} has no place: ${model.path} holds no ${target}`);
    if (bShape === undefined) throw bad(path, `${name} has no partner ${b}`);
    const transposed = low[2] !== undefined || config.fan_in_fan_out === true;
    const product = transposed ? [shape[1], bShape[0]] : [bShape[0], shape[1]];
    if (shape[0] !== bShape[1] || product[0] !== weight.shape[0] || product[1] !== weight.shape[1])
      throw bad(path, `${name} [${shape}] and ${b} [${bShape}] do not make ${target} [${weight.shape}]`);
    const rank = shape[0];
    terms.set(target, { model: index, a: name, b, rank, scale: scaleOf(adapter, module, rank), transposed });
  }
  return { terms, replaced };
}

function bare(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
}

/** alpha / r, or alpha / sqrt(r) for rank-stabilised adapters; patterns may set alpha by module. */
function scaleOf({ config, path }: AdapterFacts, module: string, rank: number): number {
  const pattern = config.alpha_pattern;
  const entry =
    typeof pattern === 'object' && pattern !== null
      ? Object.entries(pattern).find(([key]) => module === key || module.endsWith(`.${key}`))
      : undefined;
  const alpha = entry?.[1] ?? config.lora_alpha ?? 8;
  if (typeof alpha !== 'number') throw bad(path, `lora_alpha is ${String(alpha)}, not a number`);
  return config.use_rslora === true ? alpha / Math.sqrt(rank) : alpha / rank;
}

function bad(path: string, problem: string): MergeError {
  return new MergeError(
    'bad_adapter',
    `${path}: ${problem}`,
    'name the adapter that was trained on this very model, or merge it into the model with its own tool',
    { model: path },
  );
}
