/**
 * A wider residual stream that computes the same (LEMON, arXiv 2310.07999, section 4): new features carry what norms do not see, zero
 * under RMSNorm and the mean of the old ones under LayerNorm, so that norms put out zero for them. Mean and shape of the rest stay; the
 * variance becomes d / d' of what it was, which gains times sqrt(d / d') and an epsilon times d / d' make up for. What reads a new
 * feature reads zero, so those weights are free: they begin at random and learn apart.
 */
import { hashName } from '../../combine/merge/mask-address.js';
import { randomKey } from '../../kernels/address.js';
import { normalF32 } from '../../kernels/reference/random.js';
import type { ParamEntry } from '../../tensor/param-spec.js';
import { RecycleError } from './errors.js';
import type { UnitModel } from './layout.js';
import { withUnits } from './units.js';

export interface WiderStream {
  readonly model: UnitModel;
  /** What the epsilon of the norms is to be multiplied by. */
  readonly epsilonFactor: number;
}

/**
 * @param units - features of the stream afterwards, at least as many as before.
 * @throws {RecycleError} for a model without a residual stream, or fewer features.
 */
export function widenStream(
  model: UnitModel,
  units: number,
  seed: number | string | bigint = 0,
): WiderStream {
  const old = model.spec.groups.hidden;
  if (old === undefined || model.family === 'mlp')
    throw new RecycleError('the model has no residual stream', 'widen its layers by their names');
  if (!Number.isInteger(units) || units < old)
    throw new RecycleError(
      `hidden has ${old} units and cannot be widened to ${units}`,
      `give ${old} or more`,
    );
  const spec = withUnits(model.spec, 'hidden', units);
  const params = new Float32Array(spec.size);
  for (const entry of model.spec.entries) {
    const source = model.spec.slice(model.params, entry.name);
    const target = spec.slice(params, entry.name);
    const axis = entry.axes.findIndex(({ group }) => group === 'hidden');
    if (axis < 0) target.set(source);
    else fill(target, source, roleOf(model, entry, axis), { entry, axis, old, units, seed });
  }
  return { model: { ...model, spec, params }, epsilonFactor: old / units };
}

/** What a tensor does along the stream. */
type Role = 'gain' | 'shift' | 'reads' | 'writes zero' | 'writes the mean';

function roleOf({ family, inputAxis }: UnitModel, { name, kind }: ParamEntry, axis: number): Role {
  if (kind === 'norm-weight') return 'gain';
  if (/ln_(1|2|f)\.bias$/.test(name)) return 'shift';
  if (inputAxis[name] === axis) return 'reads';
  return family === 'llama' ? 'writes zero' : 'writes the mean';
}

interface Place {
  readonly entry: ParamEntry;
  readonly axis: number;
  readonly old: number;
  readonly units: number;
  readonly seed: number | string | bigint;
}

function fill(target: Float32Array, source: Float32Array, role: Role, place: Place): void {
  const { entry, axis, old, units, seed } = place;
  const after = entry.shape.slice(axis + 1).reduce((product, length) => product * length, 1);
  const before = source.length / (old * after);
  const factor = role === 'gain' ? Math.sqrt(old / units) : 1;
  if (role === 'reads') randomLike(target, source, entry.name, seed);
  for (let b = 0; b < before; b++) {
    const from = source.subarray(b * old * after, (b + 1) * old * after);
    const to = target.subarray(b * units * after, (b + 1) * units * after);
    for (let i = 0; i < from.length; i++) to[i] = from[i] * factor;
    if (role !== 'gain' && role !== 'writes the mean') continue;
    for (let i = 0; i < after; i++) {
      let sum = 0;
      for (let unit = 0; unit < old; unit++) sum += from[unit * after + i];
      for (let unit = old; unit < units; unit++) to[unit * after + i] = (factor * sum) / old;
    }
  }
}

/** Normal values of the size that the tensor has, addressed by seed and name. */
export function randomLike(
  target: Float32Array,
  source: Float32Array,
  name: string,
  seed: number | string | bigint,
): void {
  const { key0, key1 } = randomKey(seed, { purpose: 'init', entity: hashName(name) });
  normalF32(target, rootMeanSquare(source), key0, key1, 0, 0, 0, 0);
}

function rootMeanSquare(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum / values.length);
}
