/**
 * Which axes of a model's tensors count the same units: what growing and shrinking need to know, for multi-layer perceptrons, Llama-like
 * and GPT-2-like checkpoints alike.
 */
import type { Model } from '../../program/model.js';
import { type ParamAxis, type ParamDefinition, type ParamKind, ParamSpec } from '../../tensor/param-spec.js';
import { RecycleError } from './errors.js';

export type ModelFamily = 'mlp' | 'llama' | 'gpt2';

/** A model as named axes of units, with its values. */
export interface UnitModel {
  readonly spec: ParamSpec;
  readonly params: Float32Array;
  /**
   * Axis of a tensor over which it sums its inputs, by name; absent for those that sum nothing (biases, norms, embeddings). Dense weights
   * are [out, in], GPT-2's [in, out].
   */
  readonly inputAxis: Readonly<Record<string, number>>;
  /** Groups in which whole units may be copied without changing what the model computes. */
  readonly exactGroups: readonly string[];
  readonly family: ModelFamily;
}

export interface TransformerHeads {
  readonly heads: number;
  /** Default: `heads`. */
  readonly keyValueHeads?: number;
}

export interface TensorShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A heddle model: its unit groups are those of its layout. Convolutions too; their inputs and classes stay as they are. */
export function unitModelOf(model: Model, params: Float32Array): UnitModel {
  const inputAxis = Object.fromEntries(
    model.spec.entries.filter(({ shape }) => shape.length > 1).map(({ name }) => [name, 1]),
  );
  const normalised = new Set(
    model.spec.entries
      .filter(({ kind }) => kind === 'norm-weight' || kind === 'norm-stat')
      .flatMap(({ axes }) => axes.map(({ group }) => group)),
  );
  const exactGroups = model.hiddenGroups.filter((group) => !normalised.has(group));
  return { spec: model.spec, params, inputAxis, exactGroups, family: 'mlp' };
}

/**
 * The layout of a checkpoint by the names and shapes of its tensors. Groups: of an MLP the name of each hidden layer; of a transformer
 * `hidden` (the residual stream), `mlp.N` and, in Llama-like models, `heads.N` (key-value heads with the query heads that share them).
 *
 * @param heads - needed for Llama-like models.
 * @throws {RecycleError} for names of no known family.
 */
export function layoutOf(
  tensors: readonly TensorShape[],
  heads?: TransformerHeads,
): Omit<UnitModel, 'params'> {
  const names = tensors.map(({ name }) => name);
  if (names.some((name) => /(^|\.)layers\.\d+\.self_attn\.q_proj\.weight$/.test(name)))
    return llamaLayout(tensors, heads);
  if (names.some((name) => /(^|\.)h\.\d+\.attn\.c_attn(\.q)?\.weight$/.test(name)))
    return gpt2Layout(tensors, heads?.heads);
  return mlpLayout(tensors);
}

interface Described {
  readonly axes: readonly (string | undefined)[];
  readonly inputAxis?: number;
  readonly kind?: ParamKind;
}

function build(
  tensors: readonly TensorShape[],
  family: ModelFamily,
  describe: (tensor: TensorShape) => Described,
  unitsOf: (group: string) => number | undefined = () => undefined,
): Omit<UnitModel, 'params'> {
  const inputAxis: Record<string, number> = {};
  const exact = new Set<string>();
  const definitions = tensors.map((tensor): ParamDefinition => {
    const { axes, inputAxis: input, kind = 'weight' } = describe(tensor);
    if (input !== undefined) inputAxis[tensor.name] = input;
    for (const group of axes) if (group !== undefined && group !== 'hidden') exact.add(group);
    return {
      ...tensor,
      kind,
      axes: tensor.shape.map((length, i): ParamAxis => {
        const group = axes[i];
        if (group === undefined) return { units: length, inner: 1 };
        const units = unitsOf(group) ?? length;
        if (!(Number.isInteger(units) && units > 0 && length % units === 0))
          throw new RecycleError(
            `${tensor.name} is ${length} wide, which ${units} heads do not divide`,
            'config.json must give the number of heads that the tensors have',
          );
        return { group, units, inner: length / units };
      }),
    };
  });
  return { spec: new ParamSpec(definitions), inputAxis, exactGroups: [...exact], family };
}

function llamaLayout(tensors: readonly TensorShape[], heads?: TransformerHeads): Omit<UnitModel, 'params'> {
  if (heads === undefined)
    throw new RecycleError(
      'the number of attention heads is not known',
      'give config.json beside the tensors',
    );
  const keyValueHeads = heads.keyValueHeads ?? heads.heads;
  const describe = ({ name, shape }: TensorShape): Described => {
    const [, layer, part] = /(?:^|\.)layers\.(\d+)\.(.+)$/.exec(name) ?? [];
    const mlp = `mlp.${layer}`;
    const attention = `heads.${layer}`;
    if (/^self_attn\.[qkv]_proj\.weight$/.test(part ?? ''))
      return { axes: [attention, 'hidden'], inputAxis: 1 };
    if (/^self_attn\.[qkv]_proj\.bias$/.test(part ?? '')) return { axes: [attention], kind: 'bias' };
    if (part === 'self_attn.o_proj.weight') return { axes: ['hidden', attention], inputAxis: 1 };
    if (/^mlp\.(gate|up)_proj\.weight$/.test(part ?? '')) return { axes: [mlp, 'hidden'], inputAxis: 1 };
    if (/^mlp\.(gate|up)_proj\.bias$/.test(part ?? '')) return { axes: [mlp], kind: 'bias' };
    if (part === 'mlp.down_proj.weight') return { axes: ['hidden', mlp], inputAxis: 1 };
    if (/embed_tokens\.weight$/.test(name)) return { axes: [undefined, 'hidden'], kind: 'embedding' };
    if (/lm_head\.weight$/.test(name)) return { axes: [undefined, 'hidden'], inputAxis: 1, kind: 'head' };
    if (/norm\.weight$/.test(name) && !/[qk]_norm\.weight$/.test(name))
      return { axes: ['hidden'], kind: 'norm-weight' };
    if (/(o|down)_proj\.bias$/.test(name)) return { axes: ['hidden'], kind: 'bias' };
    return { axes: shape.map(() => undefined) };
  };
  return build(tensors, 'llama', describe, (group) =>
    group.startsWith('heads.') ? keyValueHeads : undefined,
  );
}

/** Heads are units where `c_attn` is split into q, k and v (see `fused.ts`) and their number is known. */
function gpt2Layout(tensors: readonly TensorShape[], heads?: number): Omit<UnitModel, 'params'> {
  const split = heads !== undefined && tensors.some(({ name }) => name.endsWith('.attn.c_attn.q.weight'));
  const describe = ({ name, shape }: TensorShape): Described => {
    const [, layer, part] = /(?:^|\.)h\.(\d+)\.(.+)$/.exec(name) ?? [];
    const mlp = `mlp.${layer}`;
    const attention = split ? `heads.${layer}` : undefined;
    if (/^attn\.c_attn\.[qkv]\.weight$/.test(part ?? ''))
      return { axes: ['hidden', attention], inputAxis: 0 };
    if (/^attn\.c_attn\.[qkv]\.bias$/.test(part ?? '')) return { axes: [attention], kind: 'bias' };
    if (part === 'attn.c_attn.weight') return { axes: ['hidden', undefined], inputAxis: 0 };
    if (part === 'attn.c_proj.weight') return { axes: [attention, 'hidden'], inputAxis: 0 };
    if (part === 'mlp.c_fc.weight') return { axes: ['hidden', mlp], inputAxis: 0 };
    if (part === 'mlp.c_fc.bias') return { axes: [mlp], kind: 'bias' };
    if (part === 'mlp.c_proj.weight') return { axes: [mlp, 'hidden'], inputAxis: 0 };
    if (/wte\.weight$|wpe\.weight$/.test(name)) return { axes: [undefined, 'hidden'], kind: 'embedding' };
    if (/lm_head\.weight$/.test(name)) return { axes: [undefined, 'hidden'], inputAxis: 1, kind: 'head' };
    if (/ln_(1|2|f)\.weight$/.test(name)) return { axes: ['hidden'], kind: 'norm-weight' };
    if (/(ln_(1|2|f)|c_proj)\.bias$/.test(name)) return { axes: ['hidden'], kind: 'bias' };
    return { axes: shape.map(() => undefined) };
  };
  return build(tensors, 'gpt2', describe, (group) => (group.startsWith('heads.') ? heads : undefined));
}

/** A chain of dense layers `NAME.weight` [out, in] and `NAME.bias`, in natural order of their names. */
function mlpLayout(tensors: readonly TensorShape[]): Omit<UnitModel, 'params'> {
  const weights = tensors
    .filter(({ name, shape }) => name.endsWith('.weight') && shape.length === 2)
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  const layers = weights.map(({ name }) => name.slice(0, -'.weight'.length));
  const chained = weights.every(({ shape }, i) => i === 0 || shape[1] === weights[i - 1].shape[0]);
  const known = tensors.every(({ name }) => layers.includes(name.replace(/\.(weight|bias)$/, '')));
  if (weights.length < 2 || !chained || !known)
    throw new RecycleError(
      'the tensors are neither a chain of dense layers nor those of a Llama-like or GPT-2-like transformer',
      'dense layers are NAME.weight [out, in] and NAME.bias, each as wide as the next one reads',
    );
  return build(tensors, 'mlp', ({ name, shape }) => {
    const index = layers.indexOf(name.replace(/\.(weight|bias)$/, ''));
    const out = index === layers.length - 1 ? undefined : layers[index];
    if (shape.length === 1) return { axes: [out], kind: 'bias' };
    return { axes: [out, index === 0 ? undefined : layers[index - 1]], inputAxis: 1 };
  });
}
