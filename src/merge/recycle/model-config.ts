/** config.json of a model that was grown or shrunk. */
import type { FlatModel } from '../../tensor/safetensors/flat-model.js';
import { RecycleError } from './errors.js';
import type { UnitModel } from './layout.js';

/** The configuration with the counts of the new model. */
export function configOf(
  config: FlatModel['config'],
  after: UnitModel,
  epsilonFactor: number,
): FlatModel['config'] {
  if (config === undefined || after.family === 'mlp') return config;
  const { spec, family } = after;
  const layers = new Set(
    spec.entries.flatMap(({ name }) => /(?:^|\.)(?:layers|h)\.(\d+)\./.exec(name)?.[1] ?? []),
  ).size;
  const { hidden } = spec.groups;
  const inner = widthOfAll(spec.groups, 'mlp');
  if (family === 'gpt2') {
    const heads = gpt2Heads(after);
    return {
      ...config,
      ...epsilonOf(config, 'layer_norm_epsilon', 1e-5, epsilonFactor),
      ...(heads === undefined ? {} : { n_head: heads }),
      n_layer: layers,
      n_embd: hidden,
      n_inner: inner,
    };
  }
  const keyValueHeads = widthOfAll(spec.groups, 'heads');
  const query = spec.entries.find(({ name }) => name.endsWith('self_attn.q_proj.weight'));
  const key = spec.entries.find(({ name }) => name.endsWith('self_attn.k_proj.weight'));
  if (query === undefined || key === undefined) return config;
  const headDim = key.shape[0] / keyValueHeads;
  return {
    ...config,
    ...epsilonOf(config, 'rms_norm_eps', 1e-6, epsilonFactor),
    num_hidden_layers: layers,
    hidden_size: hidden,
    intermediate_size: inner,
    num_attention_heads: query.shape[0] / headDim,
    num_key_value_heads: keyValueHeads,
    head_dim: headDim,
  };
}

/** The number of heads, which with their width makes up the stream: what GPT-2's code takes for granted. */
function gpt2Heads({ spec }: UnitModel): number | undefined {
  if (!hasHeads(spec)) return undefined;
  const heads = widthOfAll(spec.groups, 'heads');
  const value = spec.entries.find(({ name }) => name.endsWith('.attn.c_attn.v.weight'));
  const width = value === undefined ? 0 : value.shape[1] / heads;
  const { hidden } = spec.groups;
  if (heads * width === hidden) return heads;
  throw new RecycleError(
    `a GPT-2-like model of ${heads} heads, ${width} wide each, has a residual stream of ${heads * width}, not of ${hidden}`,
    `change both: --units hidden=${heads * width} --units heads=${heads}${hidden % width === 0 ? `, or --units hidden=${hidden} --units heads=${hidden / width}` : ''}`,
  );
}

export function hasHeads({ groups }: UnitModel['spec']): boolean {
  return Object.keys(groups).some((group) => group.startsWith('heads.'));
}

function epsilonOf(
  config: Readonly<Record<string, unknown>>,
  key: string,
  usual: number,
  factor: number,
): Readonly<Record<string, number>> {
  const now = config[key];
  return factor === 1 ? {} : { [key]: (typeof now === 'number' ? now : usual) * factor };
}

function widthOfAll(groups: Readonly<Record<string, number>>, kind: string): number {
  const widths = [
    ...new Set(Object.entries(groups).flatMap(([name, n]) => (name.startsWith(`${kind}.`) ? n : []))),
  ];
  if (widths.length === 1) return widths[0];
  throw new RecycleError(
    `the layers would have different widths of ${kind} (${widths.join(', ')}), which no configuration can say`,
    `change ${kind} of all layers together`,
  );
}
