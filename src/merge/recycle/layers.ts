/** Depth of transformers: layers stacked, repeated, left out, or added as blocks that do nothing yet. */
import { type ParamDefinition, ParamSpec } from '../../tensor/param-spec.js';
import { RecycleError } from './errors.js';
import type { UnitModel } from './layout.js';

const layerName = /^(.*?(?:^|\.)(?:layers|h)\.)(\d+)(\..+)$/;

export interface LayerOrder {
  /** Old layer that each new one copies. */
  readonly layer: number;
  /** Whether its output projections are set to 0: a pre-norm block then adds nothing to the residual stream. */
  readonly silent?: boolean;
}

/**
 * The model with these layers, counted anew from 0; `[0, 1, 0, 1]` stacks (StackBERT), `[0, 0, 1, 1]` interpolates. Other tensors stay.
 *
 * @throws {RecycleError} for a model without layers or a layer that it does not have.
 */
export function reorderLayers(model: UnitModel, order: readonly (number | LayerOrder)[]): UnitModel {
  const { spec } = model;
  const layers = new Map<number, string[]>();
  for (const { name } of spec.entries) {
    const index = layerName.exec(name)?.[2];
    if (index !== undefined) layers.set(Number(index), [...(layers.get(Number(index)) ?? []), name]);
  }
  if (layers.size === 0)
    throw new RecycleError(
      'the model has no numbered layers',
      'names hold layers.0. or h.0. in a transformer',
    );
  if (order.length === 0) throw new RecycleError('no layer is left', 'keep at least one');

  const definitions: ParamDefinition[] = [];
  const sources: { from: string; silent: boolean }[] = [];
  const inputAxis: Record<string, number> = {};
  const add = (from: string, to: string, rename: (group: string) => string, silent: boolean): void => {
    const { kind, shape, axes } = spec.get(from);
    const renamed = axes.map((axis) =>
      axis.group === undefined ? axis : { ...axis, group: rename(axis.group) },
    );
    definitions.push({ name: to, kind, shape, axes: renamed });
    sources.push({ from, silent });
    if (from in model.inputAxis) inputAxis[to] = model.inputAxis[from];
  };
  const addLayers = (): void =>
    order.forEach((entry, to) => {
      const { layer, silent = false } = typeof entry === 'number' ? { layer: entry } : entry;
      const names = layers.get(layer);
      if (names === undefined)
        throw new RecycleError(`the model has no layer ${layer}`, `its layers are 0 to ${layers.size - 1}`);
      for (const name of names)
        add(
          name,
          name.replace(layerName, `$1${to}$3`),
          (group) => group.replace(/\.\d+$/, `.${to}`),
          silent && isOutputProjection(name),
        );
    });

  let added = false;
  for (const { name } of spec.entries) {
    if (!layerName.test(name)) add(name, name, (group) => group, false);
    else if (!added) {
      addLayers();
      added = true;
    }
  }
  const grown = new ParamSpec(definitions, spec.aliases);
  const params = new Float32Array(grown.size);
  grown.entries.forEach(({ name }, i) => {
    const { from, silent } = sources[i];
    if (!silent) grown.slice(params, name).set(spec.slice(model.params, from));
  });
  const exactGroups = Object.keys(grown.groups).filter((group) => group !== 'hidden');
  return { ...model, spec: grown, params, inputAxis, exactGroups };
}

/** Weights and biases of what a block adds to the residual stream. */
export function isOutputProjection(name: string): boolean {
  return /\.(self_attn\.o_proj|mlp\.down_proj|attn\.c_proj|mlp\.c_proj)\.(weight|bias)$/.test(name);
}

/**
 * Net2Deeper for pre-norm transformers: behind each layer named, a copy whose output projections are 0, so that the model computes exactly
 * what it did (Chen et al. 2015, arXiv 1511.05641, section 2.3, in the form for residual blocks).
 */
export function net2Deeper(model: UnitModel, after: readonly number[]): UnitModel {
  return reorderLayers(model, deepenedOrder(model, after));
}

/** The layers of `net2Deeper`. */
export function deepenedOrder(model: UnitModel, after: readonly number[]): LayerOrder[] {
  const count =
    1 + Math.max(-1, ...model.spec.entries.map(({ name }) => Number(layerName.exec(name)?.[2] ?? -1)));
  const wrong = after.find((layer) => !(Number.isInteger(layer) && layer >= 0 && layer < count));
  if (wrong !== undefined)
    throw new RecycleError(`the model has no layer ${wrong}`, `its layers are 0 to ${count - 1}`);
  const order = Array.from({ length: count }, (_, layer) => [
    { layer },
    ...after.filter((each) => each === layer).map(() => ({ layer, silent: true })),
  ]);
  return order.flat();
}

/**
 * Net2Deeper for a chain of dense layers: behind layer `after` a new one with the identity as its weights. Function-preserving where the
 * activation leaves its own outputs alone, as ReLU does: relu(relu(x)) = relu(x).
 *
 * @param name - of the new layer.
 */
export function deepenDense(model: UnitModel, after: string, name: string): UnitModel {
  const { spec } = model;
  const units = spec.groups[after];
  if (
    model.family !== 'mlp' ||
    units === undefined ||
    !spec.has(`${after}.weight`) ||
    spec.has(`${name}.weight`)
  )
    throw new RecycleError(
      `no dense layer ${name} can stand behind ${after}`,
      `name a hidden layer, ${model.exactGroups.join(' or ')}, and a new name for what follows`,
    );
  const definitions: ParamDefinition[] = spec.entries.map(({ name: own, kind, shape, axes }) => ({
    name: own,
    kind,
    shape,
    // What read the old layer reads the new one.
    axes: axes.map((axis, i) =>
      axis.group === after && model.inputAxis[own] === i ? { ...axis, group: name } : axis,
    ),
  }));
  const at = 1 + Math.max(...spec.entries.map((entry, i) => (entry.name.startsWith(`${after}.`) ? i : -1)));
  const [out, input] = [name, after].map((group) => ({ group, units, inner: 1 }));
  definitions.splice(
    at,
    0,
    { name: `${name}.weight`, kind: 'weight', shape: [units, units], axes: [out, input] },
    { name: `${name}.bias`, kind: 'bias', shape: [units], axes: [out] },
  );
  const grown = new ParamSpec(definitions, spec.aliases);
  const params = new Float32Array(grown.size);
  for (const entry of spec.entries) grown.slice(params, entry.name).set(spec.slice(model.params, entry.name));
  const identity = grown.slice(params, `${name}.weight`);
  for (let i = 0; i < units; i++) identity[i * units + i] = 1;
  return {
    ...model,
    spec: grown,
    params,
    inputAxis: { ...model.inputAxis, [`${name}.weight`]: 1 },
    exactGroups: [...model.exactGroups, name],
  };
}
