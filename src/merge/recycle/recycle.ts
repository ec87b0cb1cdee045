/** Growth, shrinking and mapping on whole models: tensors and configuration in, tensors, configuration and a report out. */
import type { FlatModel, FlatTensor } from '../../tensor/safetensors/flat-model.js';
import { type BertToGptOptions, bertToGpt, type Provenance } from './bert-to-gpt.js';
import { RecycleError } from './errors.js';
import { deepenDense, net2Deeper, reorderLayers } from './layers.js';
import { layoutOf, type UnitModel } from './layout.js';
import { net2Wider } from './net2wider.js';
import { subclone } from './subclone.js';

export type RecycleStep =
  | {
      readonly operation: 'wider';
      /** Units by group: a hidden layer of an MLP; `mlp` or `heads` (key-value heads) for all layers of a transformer. */
      readonly units: Readonly<Record<string, number>>;
      readonly split?: 'equal' | 'uneven';
      readonly seed?: number | string | bigint;
    }
  /** Layers by number in a transformer, by name in an MLP. */
  | { readonly operation: 'deeper'; readonly after: readonly string[] }
  | { readonly operation: 'stack'; readonly order: readonly number[] }
  | {
      readonly operation: 'subclone';
      /** As for `wider`, and `hidden` for the residual stream. */
      readonly units: Readonly<Record<string, number>>;
      readonly layers?: number;
    }
  | ({ readonly operation: 'bert-to-gpt' } & BertToGptOptions);

export interface RecycleReport {
  readonly operation: RecycleStep['operation'];
  /** Whether the new model computes what the old one did, up to the rounding of its types. */
  readonly functionPreserving: boolean;
  readonly parametersBefore: number;
  readonly parametersAfter: number;
  /** One entry a tensor, where tensors were mapped by name. */
  readonly provenance: readonly Provenance[];
  /** Tensors of the source that nothing was made of. */
  readonly dropped: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Makes a new model of an old one.
 *
 * Tensors that are not floating-point are carried over as they are, but by `bert-to-gpt`, which drops them.
 *
 * @throws {RecycleError} for a model of no known family, or what cannot be done to it.
 */
export function recycle(model: FlatModel, step: RecycleStep): { model: FlatModel; report: RecycleReport } {
  const floats = new Map([...model.tensors].filter(([, tensor]) => isFloat(tensor)));
  if (step.operation === 'bert-to-gpt') return mapBert(model, floats, step);
  const before = unitModel(model, floats);
  const { after, exact, notes } = changed(before, step);
  const tensors = new Map<string, FlatTensor>();
  const dtypes = new Map([...floats].map(([name, { dtype }]) => [anyLayer(name), dtype]));
  const [common = 'F32'] = dtypes.values();
  for (const { name, shape } of after.spec.entries) {
    const dtype = dtypes.get(anyLayer(name)) ?? common;
    tensors.set(name, { dtype, shape, values: after.spec.slice(after.params, name) });
  }
  for (const [name, tensor] of model.tensors) if (!isFloat(tensor)) tensors.set(name, tensor);
  const rounded = [...dtypes.values()].some((dtype) => dtype !== 'F32');
  return {
    model: { tensors, metadata: model.metadata, config: configOf(model.config, after) },
    report: {
      operation: step.operation,
      functionPreserving: exact,
      parametersBefore: before.spec.size,
      parametersAfter: after.spec.size,
      provenance: [],
      dropped: [],
      notes: exact && rounded ? [...notes, 'shares of copied units are rounded to the stored type'] : notes,
    },
  };
}

/** The model as units, by the names of its tensors. */
function unitModel({ config }: FlatModel, floats: ReadonlyMap<string, FlatTensor>): UnitModel {
  const shapes = [...floats].map(([name, { shape }]) => ({ name, shape }));
  const heads = config?.num_attention_heads;
  const keyValueHeads = config?.num_key_value_heads;
  const layout = layoutOf(
    shapes,
    typeof heads === 'number'
      ? { heads, keyValueHeads: typeof keyValueHeads === 'number' ? keyValueHeads : undefined }
      : undefined,
  );
  const params = new Float32Array(layout.spec.size);
  for (const [name, { values }] of floats) layout.spec.slice(params, name).set(values);
  return { ...layout, params };
}

interface Changed {
  readonly after: UnitModel;
  readonly exact: boolean;
  readonly notes: readonly string[];
}

function changed(before: UnitModel, step: Exclude<RecycleStep, { operation: 'bert-to-gpt' }>): Changed {
  switch (step.operation) {
    case 'wider': {
      const { split, seed } = step;
      const groups = Object.entries(everyLayer(before, step.units));
      const after = groups.reduce((m, [group, units]) => net2Wider(m, group, { units, split, seed }), before);
      const notes =
        split === 'uneven'
          ? []
          : ['equal copies learn alike until noise or dropout parts them; see --split uneven'];
      return { after, exact: true, notes };
    }
    case 'deeper':
      return deeper(before, step.after);
    case 'stack':
      return {
        after: reorderLayers(before, step.order),
        exact: false,
        notes: ['stacked layers need training'],
      };
    case 'subclone': {
      const after = subclone(before, { units: everyLayer(before, step.units), layers: step.layers });
      return { after, exact: false, notes: ['a start for training, better than a random one'] };
    }
    default:
      return step satisfies never;
  }
}

function deeper(before: UnitModel, after: readonly string[]): Changed {
  if (before.family !== 'mlp') {
    const layers = after.map((text) => (/^\d+$/.test(text) ? Number(text) : Number.NaN));
    return { after: net2Deeper(before, layers), exact: true, notes: ['new blocks begin as the identity'] };
  }
  const grown = after.reduce((model, layer) => {
    let number = 1;
    while (model.spec.has(`${layer}_${number}.weight`)) number++;
    return deepenDense(model, layer, `${layer}_${number}`);
  }, before);
  return { after: grown, exact: true, notes: ['the same function under ReLU; not under tanh or sigmoid'] };
}

/** `mlp` and `heads` stand for those of all layers; other names for themselves. */
function everyLayer(model: UnitModel, units: Readonly<Record<string, number>>): Record<string, number> {
  const groups = Object.keys(model.spec.groups);
  return Object.fromEntries(
    Object.entries(units).flatMap(([name, width]) => {
      const layers = groups.filter((group) => group.replace(/\.\d+$/, '') === name && group !== name);
      return (layers.length > 0 ? layers : [name]).map((group) => [group, width] as const);
    }),
  );
}

/** The configuration with the counts of the new model. */
function configOf(config: FlatModel['config'], after: UnitModel): FlatModel['config'] {
  if (config === undefined || after.family === 'mlp') return config;
  const { spec, family } = after;
  const layers = new Set(
    spec.entries.flatMap(({ name }) => /(?:^|\.)(?:layers|h)\.(\d+)\./.exec(name)?.[1] ?? []),
  ).size;
  const { hidden } = spec.groups;
  const inner = widthOfAll(spec.groups, 'mlp');
  if (family === 'gpt2') return { ...config, n_layer: layers, n_embd: hidden, n_inner: inner };
  const keyValueHeads = widthOfAll(spec.groups, 'heads');
  const query = spec.entries.find(({ name }) => name.endsWith('self_attn.q_proj.weight'));
  const key = spec.entries.find(({ name }) => name.endsWith('self_attn.k_proj.weight'));
  if (query === undefined || key === undefined) return config;
  const headDim = key.shape[0] / keyValueHeads;
  return {
    ...config,
    num_hidden_layers: layers,
    hidden_size: hidden,
    intermediate_size: inner,
    num_attention_heads: query.shape[0] / headDim,
    num_key_value_heads: keyValueHeads,
    head_dim: headDim,
  };
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

function mapBert(
  model: FlatModel,
  floats: ReadonlyMap<string, FlatTensor>,
  options: BertToGptOptions,
): { model: FlatModel; report: RecycleReport } {
  const { tensors, provenance, dropped, notes } = bertToGpt(floats, options);
  const [dtype = 'F32'] = [...floats.values()].map((tensor) => tensor.dtype);
  const flat = new Map(
    [...tensors].map(([name, tensor]): [string, FlatTensor] => [name, { ...tensor, dtype }]),
  );
  const size = (all: Iterable<{ readonly values: Float32Array }>): number =>
    [...all].reduce((sum, { values }) => sum + values.length, 0);
  const heads = model.config?.num_attention_heads;
  const shapeOf = (name: string): readonly number[] => tensors.get(name)?.shape ?? [];
  const [vocabulary, hidden] = shapeOf('wte.weight');
  const config = {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu',
    layer_norm_epsilon: model.config?.layer_norm_eps ?? 1e-12,
    n_embd: hidden,
    ...(typeof heads === 'number' ? { n_head: heads } : {}),
    n_inner: shapeOf('h.0.mlp.c_fc.weight')[1],
    n_layer: [...tensors.keys()].filter((name) => name.endsWith('.mlp.c_fc.weight')).length,
    n_positions: shapeOf('wpe.weight')[0],
    tie_word_embeddings: true,
    vocab_size: vocabulary,
  };
  const others = [...model.tensors.keys()].filter((name) => !floats.has(name));
  return {
    model: { tensors: flat, config },
    report: {
      operation: 'bert-to-gpt',
      functionPreserving: false,
      parametersBefore: size(floats.values()),
      parametersAfter: size(tensors.values()),
      provenance,
      dropped: [...dropped, ...others],
      notes,
    },
  };
}

function isFloat({ dtype, stored }: FlatTensor): boolean {
  return stored === undefined && /^B?F\d/.test(dtype);
}

/** Tensors of all layers have one type. */
function anyLayer(name: string): string {
  return name.replace(/\.\d+\./, '.N.');
}
