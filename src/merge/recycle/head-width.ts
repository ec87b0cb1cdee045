/**
 * Wider attention heads that compute the same. The softmax divides by the root of a head's width, so queries and keys are multiplied by
 * (d' / d)^(1/4) each. New dimensions of queries and values begin at zero, so what meets them, keys and the output projection, is free
 * and begins at random.
 */
import { type ParamEntry, ParamSpec } from '../../tensor/param-spec.js';
import { RecycleError } from './errors.js';
import type { UnitModel } from './layout.js';
import { randomLike } from './stream-width.js';
import { checkSize } from './units.js';

const isHeads = (group: string | undefined): boolean => group?.startsWith('heads.') === true;

/**
 * @param width - dimensions of every head afterwards, at least as many as before.
 * @throws {RecycleError} for models that rotate queries and keys by position, since the angles depend on the width; or fewer dimensions.
 */
export function widenHeads(model: UnitModel, width: number, seed: number | string | bigint = 0): UnitModel {
  const old = model.spec.entries.flatMap(({ axes }) => axes).find(({ group }) => isHeads(group))?.inner;
  if (model.family !== 'gpt2' || old === undefined)
    throw new RecycleError(
      'the heads of this model cannot become wider',
      model.family === 'llama'
        ? 'rotary embeddings depend on the width of a head; widen heads, their number'
        : 'this is for GPT-2-like models with n_head in config.json',
    );
  if (!Number.isInteger(width) || width < old)
    throw new RecycleError(`heads are ${old} wide and cannot be widened to ${width}`, `give ${old} or more`);
  const spec = new ParamSpec(
    model.spec.entries.map(({ name, kind, axes }) => {
      const grown = axes.map((axis) => (isHeads(axis.group) ? { ...axis, inner: width } : axis));
      return { name, kind, axes: grown, shape: grown.map((axis) => axis.units * axis.inner) };
    }),
    model.spec.aliases,
  );
  checkSize(spec);
  const params = new Float32Array(spec.size);
  for (const entry of model.spec.entries) {
    const target = spec.slice(params, entry.name);
    const source = model.spec.slice(model.params, entry.name);
    const axis = entry.axes.findIndex(({ group }) => isHeads(group));
    if (axis < 0) target.set(source);
    else fill(target, source, { entry, axis, old, width, seed });
  }
  return { ...model, spec, params };
}

interface Place {
  readonly entry: ParamEntry;
  readonly axis: number;
  readonly old: number;
  readonly width: number;
  readonly seed: number | string | bigint;
}

function fill(target: Float32Array, source: Float32Array, { entry, axis, old, width, seed }: Place): void {
  const { name, shape } = entry;
  if (/\.c_attn\.k\.weight$|\.c_proj\.weight$/.test(name)) randomLike(target, source, name, seed);
  const factor = /\.c_attn\.[qk]\./.test(name) ? Math.sqrt(Math.sqrt(width / old)) : 1;
  const after = shape.slice(axis + 1).reduce((product, length) => product * length, 1);
  for (let from = 0, to = 0; from < source.length; from += old * after, to += width * after)
    for (let i = 0; i < old * after; i++) target[to + i] = source[from + i] * factor;
}
