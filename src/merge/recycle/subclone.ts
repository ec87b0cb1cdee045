/**
 * Weight subcloning (Samragh et al. 2023, arXiv 2312.09299): a smaller model from the most important units of a large one, with one order of
 * units per group, weights rescaled by sqrt(d / d') where they sum over fewer units, and the middle layers left out.
 */
import { RecycleError } from './errors.js';
import { reorderLayers } from './layers.js';
import type { UnitModel } from './layout.js';
import { chooseUnits, unitImportance } from './units.js';

export interface SubcloneOptions {
  /** Units to keep by group. */
  readonly units?: Readonly<Record<string, number>>;
  /** Layers to keep, of a transformer: the first half of them and the last. */
  readonly layers?: number;
}

/** Not function-preserving; trains faster than a random start. Importance of a unit: the sum of |w| of all its weights. */
export function subclone(model: UnitModel, { units = {}, layers }: SubcloneOptions): UnitModel {
  let result = model;
  for (const [group, keep] of Object.entries(units)) {
    const old = model.spec.groups[group] ?? 0;
    if (!Number.isInteger(keep) || keep < 1 || (old > 0 && keep > old))
      throw new RecycleError(`${group} has ${old} units and cannot keep ${keep}`, `give 1 to ${old}`);
    const importance = unitImportance(result, group);
    const from = Array.from(importance, (_, unit) => unit)
      .sort((a, b) => importance[b] - importance[a] || a - b)
      .slice(0, keep);
    const factor = Math.sqrt(old / keep);
    result = chooseUnits(result, group, { from, inputFactor: from.map(() => factor) });
  }
  return layers === undefined ? result : reorderLayers(result, middleLeftOut(result, layers));
}

/** The first half of the layers that are kept, and the last. */
export function middleLeftOut(model: UnitModel, keep: number): number[] {
  const count = layerCount(model);
  if (!Number.isInteger(keep) || keep < 1 || keep > count)
    throw new RecycleError(`the model has ${count} layers and cannot keep ${keep}`, `give 1 to ${count}`);
  const first = Math.ceil(keep / 2);
  return Array.from({ length: keep }, (_, i) => (i < first ? i : count - keep + i));
}

function layerCount({ spec }: UnitModel): number {
  const numbers = spec.entries.flatMap(({ name }) => {
    const match = /(?:^|\.)(?:layers|h)\.(\d+)\./.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  return numbers.length === 0 ? 0 : Math.max(...numbers) + 1;
}
