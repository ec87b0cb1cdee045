/**
 * Advanced knowledge initialisation (bert2BERT, arXiv 2110.07143, section 3.3): new units compute what units of the layer above compute.
 * Not function-preserving, but no two units begin alike, and neighbouring layers are known to do similar things.
 */
import type { UnitModel } from './layout.js';
import { net2Wider, unitMapping, type WidenOptions } from './net2wider.js';

/**
 * As `net2Wider` for a group `KIND.N`; what feeds the new units comes from layer N + 1, and from N itself in the last layer.
 *
 * @returns the model, and whether it still computes what it did.
 */
export function widenFromNext(
  model: UnitModel,
  group: string,
  options: WidenOptions,
): { model: UnitModel; exact: boolean } {
  const [, kind, layer] = /^(.+)\.(\d+)$/.exec(group) ?? [];
  const next = `${kind}.${Number(layer) + 1}`;
  const old = model.spec.groups[group];
  const mapping = options.mapping ?? unitMapping(model, group, options);
  const wide = net2Wider(model, group, { ...options, mapping });
  if (kind === undefined || model.spec.groups[next] !== old || options.units === old)
    return { model: wide, exact: true };
  const params = wide.params.slice();
  for (const entry of wide.spec.entries) {
    const axis = entry.axes.findIndex((one) => one.group === group);
    if (axis < 0 || wide.inputAxis[entry.name] === axis) continue;
    const above = entry.name.replace(/((?:^|\.)(?:layers|h)\.)\d+\./, `$1${Number(layer) + 1}.`);
    const source = model.spec.slice(model.params, above);
    const target = wide.spec.slice(params, entry.name);
    const piece = entry.axes[axis].inner * entry.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const before = source.length / (old * piece);
    for (let b = 0; b < before; b++)
      for (let unit = old; unit < options.units; unit++) {
        const start = (b * old + mapping[unit]) * piece;
        target.set(source.subarray(start, start + piece), (b * options.units + unit) * piece);
      }
  }
  return { model: { ...wide, params }, exact: false };
}
