/** Merge methods as reductions of a cohort's updates: an update is a task vector on the round's global model. */
import { nearest, toCamel } from '../config/names.js';
import { InvalidArgumentError } from '../errors.js';
import { currentKernels } from '../kernels/current.js';
import type { Kernels } from '../kernels/kernels.js';
import { arcCosine } from './merge/angles.js';
import { mergeInMemory, type TensorContext } from './merge/method.js';
import { type MergeRule, type MergeRuleName, type MergeRuleOptions, mergeRules } from './merge-rules.js';
import type { GatheringContext, GatheringReducer, UpdateTensor } from './reducers.js';

export interface MergeReducerOptions {
  /** Tensors of the update, as `model.spec.entries`: the rule is applied to each. Default: those of the federation, else one tensor. */
  tensors?: readonly UpdateTensor[];
  /** Default: those of the federation, else of `init()`, else native where it is built. */
  kernels?: Kernels;
}

/** What an option may be, where its method does not say it. */
const kRanges: Readonly<Record<string, { text: string; holds: (value: number) => boolean }>> = {
  density: { text: 'a share above 0 and up to 1', holds: (v) => v > 0 && v <= 1 },
  selectTopk: { text: 'a share above 0 and up to 1', holds: (v) => v > 0 && v <= 1 },
  gamma: { text: 'a share from 0 to below 1', holds: (v) => v >= 0 && v < 1 },
  maxIter: { text: 'an integer of at least 0', holds: (v) => v >= 0 && Number.isInteger(v) },
  lambda: { text: 'a finite number', holds: Number.isFinite },
  normalize: { text: 'true or false', holds: (v) => v === 0 || v === 1 },
  filterWise: { text: 'true or false', holds: (v) => v === 0 || v === 1 },
};
const kOtherwise = { text: 'a finite number of at least 0', holds: (v: number) => v >= 0 && v < Infinity };

/**
 * A reducer that runs a merge method over the updates of a round, tensor by tensor.
 *
 * A client's weight is its weight in the method; methods whose models are equal by definition (model-stock, sce, ram, karcher) leave it
 * out. Random masks are addressed by seed, round, tensor and rank of the client. Without updates the result is 0; where a method needs
 * more updates than came, the one there is comes back as it is.
 *
 * @throws {InvalidArgumentError} for an unknown rule or option, or a value out of range.
 * @throws {MergeMethodError} from `reduce` where the updates have no merge, as two that cancel under multislerp.
 * @example fedAvg({ reduce: mergeReducer('dare-ties', { density: 0.3 }) })
 */
export function mergeReducer<N extends MergeRuleName>(
  name: N,
  options: MergeReducerOptions & MergeRuleOptions[N] = {},
): GatheringReducer {
  const { tensors: own, kernels: ownKernels, ...given } = options;
  const rule = ruleOf(name);
  const parameters = readParameters(name, rule, given);
  const anchor = name === 'model-stock' ? anchorOf(given) : undefined;
  const anchored = anchor === 'initial';

  return {
    kind: 'gathering',
    name,
    anchor,
    reduce(out, updates, weights, begin, end, context) {
      const { length } = updates[0] ?? out;
      if (updates.length === 0) out.fill(0, begin, end);
      else if (updates.length < (rule.least ?? 1)) out.set(updates[0].subarray(begin, end), begin);
      else {
        const round: Round = { name, rule, parameters, updates, weights, anchored, context, ownKernels };
        const tensors = own ??
          context?.tensors ?? [{ name: 'update', offset: 0, size: length, shape: [length] }];
        // Statistics need all coordinates of a tensor, so that a range of one is computed from the whole.
        const whole = begin === 0 && end === length ? out : new Float32Array(length);
        for (const tensor of tensors)
          if (tensor.offset < end && tensor.offset + tensor.size > begin) mergeTensor(round, whole, tensor);
        if (whole !== out) out.set(whole.subarray(begin, end), begin);
      }
    },
  };
}

/**
 * Model Stock of the clients around w_0: t times the mean update, with t in [0, 1] from the mean angle between updates, which is told
 * with the round; tensors whose updates cancel stay at w_0. Weights do not count. With `anchor: 'initial'`, w_0 stays the model before
 * the first round, so that a run is periodic merging during training: N copies train for a period (a round) and all go on from
 * t mean(w_i) + (1 - t) w_0.
 *
 * @see Jang et al. 2024, "Model Stock: All we need is just a few fine-tuned models" (arXiv 2403.19522), eq. 4 and section 5.
 */
export const modelStock = (
  options?: MergeReducerOptions & MergeRuleOptions['model-stock'],
): GatheringReducer => mergeReducer('model-stock', options);

/**
 * TIES over client updates: trims each tensor to its `density` largest entries (at least one), elects signs by weighted sum, and averages
 * by weight what agrees.
 *
 * @see Yadav et al. 2023, "TIES-Merging: Resolving Interference When Merging Models" (arXiv 2306.01708).
 */
export const ties = (options?: MergeReducerOptions & MergeRuleOptions['ties']): GatheringReducer =>
  mergeReducer('ties', options);

/**
 * SCE over client updates: keeps the share `selectTopk` of positions with the largest variance and weights clients by their energy there.
 *
 * @see Wan et al. 2024, "FuseChat" (arXiv 2408.07990).
 */
export const sce = (options?: MergeReducerOptions & MergeRuleOptions['sce']): GatheringReducer =>
  mergeReducer('sce', options);

function ruleOf(name: string): MergeRule {
  if (Object.hasOwn(mergeRules, name)) return mergeRules[name as MergeRuleName];
  const names = Object.keys(mergeRules);
  const near = nearest(name, names);
  const hint = near && `did you mean "${near}"?`;
  throw new InvalidArgumentError('mergeReducer', 'name', `one of ${names.join(', ')}`, name, hint);
}

function anchorOf({ anchor = 'previous' }: { anchor?: unknown }): 'previous' | 'initial' {
  if (anchor === 'previous' || anchor === 'initial') return anchor;
  throw new InvalidArgumentError('model-stock', 'anchor', 'previous or initial', anchor);
}

interface RuleParameters {
  readonly perModel: ReadonlyMap<string, number>;
  readonly global: Readonly<Record<string, number>>;
}

function readParameters(
  name: string,
  { method, defaults = {}, fixed = {} }: MergeRule,
  given: Readonly<Record<string, unknown>>,
): RuleParameters {
  const perModel = new Map<string, number>();
  const global: Record<string, number> = {};
  const known = new Set<string>(name === 'model-stock' ? ['anchor'] : []);
  for (const { name: parameter, scope, type } of method.parameters) {
    if (parameter === 'weight' || parameter === 'int8_mask' || type === 'choice') continue;
    const option = toCamel(parameter);
    if (!(parameter in fixed)) known.add(option);
    const value = fixed[parameter] ?? given[option] ?? defaults[parameter];
    if (value === undefined) continue;
    const { text, holds } = kRanges[option] ?? kOtherwise;
    const number = typeof value === 'number' || typeof value === 'boolean' ? Number(value) : Number.NaN;
    if (!holds(number)) throw new InvalidArgumentError(name, option, text, value);
    if (scope === 'model') perModel.set(parameter, number);
    else global[parameter] = number;
  }
  for (const option of Object.keys(given)) {
    if (known.has(option)) continue;
    const near = nearest(option, [...known]);
    const hint = near && `did you mean "${near}"?`;
    throw new InvalidArgumentError(name, 'an option', `one of ${[...known].join(', ')}`, option, hint);
  }
  return { perModel, global };
}

/** One call of a reducer. */
interface Round {
  readonly name: string;
  readonly rule: MergeRule;
  readonly parameters: RuleParameters;
  readonly updates: readonly Float32Array[];
  readonly weights: readonly number[];
  readonly anchored: boolean;
  readonly context?: GatheringContext;
  readonly ownKernels?: Kernels;
}

function mergeTensor(round: Round, out: Float32Array, tensor: UpdateTensor): void {
  const { rule, updates, context, anchored } = round;
  const { name, offset, size, shape } = tensor;
  const slice = (vector: Float32Array): Float32Array => vector.subarray(offset, offset + size);
  const inputs = updates.map(slice);
  const target = slice(out);
  const kernels = round.ownKernels ?? context?.kernels ?? currentKernels();
  const shared = { kernels, tensor: name, shape, size, seed: context?.seed ?? 0, round: context?.round };
  if (!rule.ofModels && !anchored) {
    runMethod(round, shared, [...inputs, new Float32Array(size)], updates.length, target);
    return;
  }
  const params = slice(needed(round, 'params', context?.params));
  const models = inputs.map((update) => {
    const model = new Float32Array(size);
    kernels.addF32(model, params, update);
    return model;
  });
  if (anchored) {
    const initial = slice(needed(round, 'initial', context?.initial));
    runMethod(round, shared, [...models, initial], models.length, target);
  } else runMethod(round, shared, models, -1, target);
  kernels.subtractF32(target, target.slice(), params);
}

function runMethod(
  { rule, parameters, weights, updates, context }: Round,
  shared: Pick<TensorContext, 'kernels' | 'tensor' | 'shape' | 'size' | 'seed' | 'round'>,
  inputs: readonly Float32Array[],
  base: number,
  out: Float32Array,
): void {
  const { perModel, global } = parameters;
  const sum = weights.reduce((total, weight) => total + weight, 0);
  // Without a division by their sum, example counts would scale the step.
  const scale = global.normalize === 0 ? updates.length / sum : 1;
  const weight = weights.map((w) => w * scale);
  const tensor: TensorContext = {
    ...shared,
    models: inputs.map((_, k) => (k === base ? 'base' : `update ${k}`)),
    base,
    perModel: {
      weight: base < 0 ? weight : [...weight, 0],
      ...Object.fromEntries([...perModel].map(([name, value]) => [name, inputs.map(() => value)])),
    },
    global,
    strict: false,
    // A run must not end because two clients moved a single weight apart.
    onSingular: 'base',
  };
  const onStatistics = context && ((told: Statistics) => context.report(shared.tensor, withAngle(told)));
  mergeInMemory(rule.method, tensor, inputs, { out, onStatistics });
}

type Statistics = Readonly<Record<string, number>>;

function withAngle(statistics: Statistics): Statistics {
  const { cosine } = statistics;
  return cosine === undefined ? statistics : { ...statistics, angle: (arcCosine(cosine) * 180) / Math.PI };
}

function needed<T>({ name }: Round, what: string, value: T | undefined): T {
  if (value === undefined)
    throw new InvalidArgumentError(
      name,
      `${what} of the context`,
      'there: the rule merges models, not updates',
      value,
      'reduce with this rule inside a federation, or pass a context',
    );
  return value;
}
