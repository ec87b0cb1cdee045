/** What became of every tensor, for models that keep their names. */

import { fusedName } from './fused.js';
import { isOutputProjection, type LayerOrder } from './layers.js';
import type { UnitModel } from './layout.js';
import type { Provenance } from './mapped.js';

const layered = /^(.*?(?:^|\.)(?:layers|h)\.)(\d+)(\..+)$/;

export interface Traced {
  readonly provenance: readonly Provenance[];
  /** Tensors of the old model that nothing was made of. */
  readonly dropped: readonly string[];
}

/**
 * @param order - old layer of each new one; absent where layers stayed.
 * @param exact - whether the whole model computes what it did.
 */
export function traced(
  before: UnitModel,
  after: UnitModel,
  exact: boolean,
  order?: readonly LayerOrder[],
): Traced {
  const used = new Set<string>();
  const found = after.spec.entries.map(({ name, axes }): Provenance => {
    const [, head, layer, rest] = layered.exec(name) ?? [];
    const from = layer === undefined ? undefined : order?.[Number(layer)];
    const source = from === undefined ? name : `${head}${from.layer}${rest}`;
    const target = fusedName(name);
    if (!before.spec.has(source))
      return {
        target,
        sources: [],
        operator: /\.bias$/.test(name) ? 'zeros' : 'identity matrix',
        exactness: 'exact',
      };
    used.add(source);
    const sources = [fusedName(source)];
    if (from?.silent && isOutputProjection(name))
      return { target, sources: [], operator: 'zeros: the block adds nothing yet', exactness: 'exact' };
    const old = before.spec.get(source);
    const changes = axes.flatMap(({ group = '', units, inner }, i) => {
      const { units: was, inner: width } = old.axes[i];
      return [
        ...(was === units ? [] : [`${group.replace(/\.\d+$/, '')} ${was} to ${units}`]),
        ...(width === inner ? [] : [`head_dim ${width} to ${inner}`]),
      ];
    });
    if (changes.length > 0)
      return { target, sources, operator: changes.join(', '), exactness: exact ? 'exact' : 'approximate' };
    const a = before.spec.slice(before.params, source);
    const b = after.spec.slice(after.params, name);
    const same = a.every((value, i) => Object.is(value, b[i]));
    const kept = same || exact;
    return {
      target,
      sources,
      operator: same ? 'copy' : 'rescaled',
      exactness: kept ? 'exact' : 'approximate',
    };
  });
  const dropped = before.spec.entries.map(({ name }) => name).filter((name) => !used.has(name));
  return { provenance: once(found), dropped: [...new Set(dropped.map(fusedName))] };
}

/** One entry a tensor of the file: the parts of a fused one tell the same. */
function once(entries: readonly Provenance[]): Provenance[] {
  return [...new Map([...entries].reverse().map((entry) => [entry.target, entry])).values()].reverse();
}
