/**
 * Net2Wider (Chen, Goodfellow and Shlens 2015, "Net2Net", arXiv 1511.05641, section 2.2): new units are copies of old ones, and what
 * reads them divides by the number of copies, so that the network computes the same. Uneven shares are those of LEMON (arXiv
 * 2310.07999): copies then learn apart.
 */
import { randomKey } from '../../kernels/address.js';
import { philox4x32 } from '../../kernels/reference/philox.js';
import { RecycleError } from './errors.js';
import type { UnitModel } from './layout.js';
import { chooseUnits } from './units.js';

export interface WidenOptions {
  /** Units after widening, at least as many as before. */
  readonly units: number;
  /** Seed of the choice of units to copy. Default: 0. */
  readonly seed?: number | string | bigint;
  /** Old unit of each new one instead of a random choice; begins with 0, 1, 2 ... */
  readonly mapping?: readonly number[];
  /** How the copies of a unit share its outgoing weights. Default: 'equal'. */
  readonly split?: 'equal' | 'uneven';
}

/** More than any layer of a model has. */
const MOST_UNITS = 1 << 24;

/**
 * The model with a wider unit group. Function-preserving for the model's `exactGroups`, up to rounding.
 *
 * @throws {RecycleError} for another group, since norms over it would see other statistics; or fewer units than before.
 */
export function net2Wider(model: UnitModel, group: string, options: WidenOptions): UnitModel {
  if (!model.exactGroups.includes(group))
    throw new RecycleError(
      `unit group ${JSON.stringify(group)} cannot be widened without changing the function`,
      `the groups that can are ${model.exactGroups.join(', ')}`,
    );
  const old = model.spec.groups[group];
  const { units, split = 'equal' } = options;
  if (!Number.isInteger(units) || units < old)
    throw new RecycleError(
      `${group} has ${old} units and cannot be widened to ${units}`,
      `give ${old} or more`,
    );
  if (units > MOST_UNITS)
    throw new RecycleError(`${group} cannot be widened to ${units} units`, `give ${MOST_UNITS} at most`);
  const from = options.mapping ?? unitMapping(model, group, options);
  if (from.length !== units || from.some((unit, i) => (i < old ? unit !== i : !(unit >= 0 && unit < old))))
    throw new RecycleError(
      `the mapping of ${group} is not one of ${units} onto ${old} units`,
      `begin with 0 to ${old - 1}, then name old units`,
    );
  return chooseUnits(model, group, { from, inputFactor: shares(from, old, split) });
}

/** 0 .. old - 1, then uniform choices addressed by seed and group. */
export function unitMapping(
  model: UnitModel,
  group: string,
  { units, seed = 0 }: Pick<WidenOptions, 'units' | 'seed'>,
): number[] {
  const old = model.spec.groups[group];
  const site = Object.keys(model.spec.groups).indexOf(group);
  const { key0, key1 } = randomKey(seed, { purpose: 'init' });
  return Array.from({ length: units }, (_, j) =>
    j < old ? j : Math.floor((philox4x32(j, 0, 0, site, key0, key1)[0] / 2 ** 32) * old),
  );
}

/** What each copy hands on of its unit: 1 / c, or the k-th of c copies 2k / (c (c + 1)); the shares of a unit add up to 1. */
function shares(from: readonly number[], old: number, split: 'equal' | 'uneven'): number[] {
  const copies = new Uint32Array(old);
  for (const unit of from) copies[unit]++;
  const seen = new Uint32Array(old);
  return from.map((unit) => {
    const c = copies[unit];
    const k = ++seen[unit];
    return split === 'equal' ? 1 / c : (2 * k) / (c * (c + 1));
  });
}
