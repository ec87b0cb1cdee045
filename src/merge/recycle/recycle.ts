/** Growth, shrinking and mapping on whole models: tensors and configuration in, tensors, configuration and a report out. */
import type { FlatModel, FlatTensor } from '../../tensor/safetensors/flat-model.js';
import { type BertToGptOptions, bertToGpt } from './bert-to-gpt.js';
import { RecycleError } from './errors.js';
import { fuse, splitFused } from './fused.js';
import { widenHeads } from './head-width.js';
import { deepenDense, deepenedOrder, type LayerOrder, reorderLayers } from './layers.js';
import { layoutOf, type UnitModel } from './layout.js';
import type { Provenance } from './mapped.js';
import { configOf, hasHeads } from './model-config.js';
import { net2Wider } from './net2wider.js';
import { widenFromNext } from './next-layer.js';
import { traced } from './provenance.js';
import { widenStream } from './stream-width.js';
import { middleLeftOut, subclone } from './subclone.js';

export type RecycleStep =
  | {
      readonly operation: 'wider';
      /**
       * Units by group: a hidden layer of an MLP; of a transformer `mlp` or `heads` (key-value heads) for all layers, and `hidden` for the
       * residual stream; of a GPT-2-like one `head_dim`, the width of a head.
       */
      readonly units: Readonly<Record<string, number>>;
      readonly split?: 'equal' | 'uneven';
      /** Where new units come from: copies of the layer's own, or of those of the layer above (bert2BERT). Default: 'copies'. */
      readonly newUnits?: 'copies' | 'next-layer';
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
  /** One entry a tensor of the new model. */
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
  const type = model.config?.model_type;
  if (step.operation === 'wider' && step.units.hidden !== undefined && /^gemma/.test(String(type)))
    throw new RecycleError(
      `the residual stream of a ${type} cannot be widened`,
      'its norms multiply by 1 + gain and its embedding by the root of its width; widen mlp or heads',
    );
  const before = unitModel(model, floats);
  const units = 'units' in step ? step.units : {};
  if (before.family === 'gpt2' && (units.hidden ?? units.heads) !== undefined && !hasHeads(before.spec))
    throw new RecycleError(
      'the number of attention heads is not known',
      'give n_head in config.json beside the tensors: the residual stream of a GPT-2-like model is its heads',
    );
  const { after, exact, notes, order, epsilonFactor = 1 } = changed(before, step);
  const { provenance, dropped } = traced(before, after, exact, order);
  const config = configOf(model.config, after, epsilonFactor);
  const made = new Map<string, FlatTensor>();
  const dtypes = new Map([...splitFused(floats)].map(([name, { dtype }]) => [anyLayer(name), dtype]));
  const [common = 'F32'] = dtypes.values();
  for (const { name, shape } of after.spec.entries) {
    const dtype = dtypes.get(anyLayer(name)) ?? common;
    made.set(name, { dtype, shape, values: after.spec.slice(after.params, name) });
  }
  const tensors = before.family === 'gpt2' ? fuse(made) : made;
  for (const [name, tensor] of model.tensors) if (!isFloat(tensor)) tensors.set(name, tensor);
  const rounded = [...dtypes.values()].some((dtype) => dtype !== 'F32');
  return {
    model: { tensors, metadata: model.metadata, config },
    report: {
      operation: step.operation,
      functionPreserving: exact,
      parametersBefore: before.spec.size,
      parametersAfter: after.spec.size,
      provenance,
      dropped,
      notes: exact && rounded ? [...notes, 'shares of copied units are rounded to the stored type'] : notes,
    },
  };
}

/** The model as units, by the names of its tensors. */
function unitModel({ config }: FlatModel, all: ReadonlyMap<string, FlatTensor>): UnitModel {
  const floats = splitFused(all);
  const shapes = [...floats].map(([name, { shape }]) => ({ name, shape }));
  const heads = config?.num_attention_heads ?? config?.n_head;
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
  /** Old layer of each new one, where layers moved. */
  readonly order?: readonly LayerOrder[];
  readonly epsilonFactor?: number;
}

function changed(before: UnitModel, step: Exclude<RecycleStep, { operation: 'bert-to-gpt' }>): Changed {
  switch (step.operation) {
    case 'wider':
      return wider(before, step);
    case 'deeper':
      return deeper(before, step.after);
    case 'stack':
      return {
        after: reorderLayers(before, step.order),
        exact: false,
        notes: ['stacked layers need training'],
        order: step.order.map((layer) => ({ layer })),
      };
    case 'subclone': {
      const units = everyLayer(before, withHeads(before, step.units));
      const after = subclone(before, { units, layers: step.layers });
      const order = step.layers === undefined ? undefined : middleLeftOut(before, step.layers);
      return {
        after,
        exact: false,
        notes: ['a start for training, better than a random one'],
        order: order?.map((layer) => ({ layer })),
      };
    }
    default:
      return step satisfies never;
  }
}

function wider(before: UnitModel, step: RecycleStep & { operation: 'wider' }): Changed {
  const { split, seed, newUnits = 'copies' } = step;
  const { hidden, head_dim: headWidth, ...units } = step.units;
  let after = headWidth === undefined ? before : widenHeads(before, headWidth, seed);
  const stream = hidden === undefined ? undefined : widenStream(after, hidden, seed);
  after = stream?.model ?? after;
  let exact = true;
  for (const [group, count] of Object.entries(everyLayer(before, units))) {
    const options = { units: count, split, seed };
    if (newUnits === 'copies') after = net2Wider(after, group, options);
    else {
      const grown = widenFromNext(after, group, options);
      after = grown.model;
      exact &&= grown.exact;
    }
  }
  const notes: string[] = [];
  if (headWidth !== undefined)
    notes.push(
      'queries and keys are scaled by the fourth root of the growth of heads; new values begin at zero',
    );
  if (stream !== undefined)
    notes.push(
      before.family === 'llama'
        ? 'new features of the residual stream begin at zero; what reads them begins at random'
        : 'new features of the residual stream begin as the mean of the old ones; what reads them begins at random',
      `gains of norms are multiplied by the root of ${before.spec.groups.hidden}/${hidden} and their epsilon by ${before.spec.groups.hidden}/${hidden}, so that norms put out what they did`,
    );
  if (newUnits === 'next-layer') notes.push('new units do what units of the layer above do (bert2BERT)');
  else if (split !== 'uneven' && Object.keys(units).length > 0)
    notes.push('equal copies learn alike until noise or dropout parts them; see --split uneven');
  return { after, exact, notes, epsilonFactor: stream?.epsilonFactor };
}

/** GPT-2's configuration has no width of a head of its own: fewer features are fewer heads. */
function withHeads(
  { family, spec }: UnitModel,
  units: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const { hidden, heads } = units;
  const old = spec.groups['heads.0'];
  if (family !== 'gpt2' || hidden === undefined || heads !== undefined || old === undefined) return units;
  return { ...units, heads: Math.max(1, Math.round((hidden * old) / spec.groups.hidden)) };
}

function deeper(before: UnitModel, after: readonly string[]): Changed {
  if (before.family !== 'mlp') {
    const wrong = after.find((text) => !/^\d+$/.test(text));
    if (wrong !== undefined)
      throw new RecycleError(
        `the model has no layer ${JSON.stringify(wrong)}`,
        'give numbers of layers, as 0,2',
      );
    const layers = after.map(Number);
    const order = deepenedOrder(before, layers);
    const notes = ['new blocks begin as the identity'];
    return { after: reorderLayers(before, order), exact: true, notes, order };
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

function mapBert(
  model: FlatModel,
  floats: ReadonlyMap<string, FlatTensor>,
  options: BertToGptOptions,
): { model: FlatModel; report: RecycleReport } {
  const act = model.config?.hidden_act;
  const activation = options.activation ?? (typeof act === 'string' ? act : undefined);
  const { tensors, provenance, dropped, notes } = bertToGpt(floats, { ...options, activation });
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
    activation_function: activation ?? 'gelu',
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
      notes:
        typeof heads === 'number'
          ? notes
          : [
              ...notes,
              'the source does not say how many heads it has: give the decoder n_head in config.json',
            ],
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
